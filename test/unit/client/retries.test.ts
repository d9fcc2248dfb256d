import { decodeJwt, type JWK } from "jose";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DeviceDomain, MemoryStore } from "../../../src/client/index.ts";
import { pauseByClock } from "../../../src/client/retries.ts";
import { signStatement } from "../../../src/server/crypto/signed-statements.ts";
import {
  cut,
  FAKE_DOMAIN_URL,
  FakeServer,
  type Fate,
  hang,
  newAuthorityKey,
  refuse,
  unreached,
} from "../../support/node/fake-server.ts";

const stranger = await newAuthorityKey("stranger");

/** The faults of a signed time. */
type SignedTime = { key?: JWK; typ?: string; issuer?: string; jti?: string };

let server: FakeServer;
let pauses: number[];

const open = (options = {}) =>
  DeviceDomain.open(FAKE_DOMAIN_URL, {
    fetch: server.fetch,
    pause: async (milliseconds: number) => {
      pauses.push(milliseconds);
    },
    ...options,
  });

beforeEach(async () => {
  server = await FakeServer.start();
  pauses = [];
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe("a call", () => {
  it.each<[string, Fate]>([
    ["a network failure", unreached],
    ["an answer cut midway", cut],
    [
      "an answer that breaks off",
      async () => new Response(new ReadableStream({ start: (to) => to.error(new Error()) })),
    ],
    ["429", refuse(429, "RATE_LIMITED")],
    ["502", refuse(502, "BAD_GATEWAY")],
    ["503", refuse(503, "OVERLOADED")],
    ["504", refuse(504, "GATEWAY_TIMEOUT")],
  ])("is repeated after %s, signed anew", async (_, fate) => {
    const device = await open();
    server.fates.push((pass, init) => pass().then(() => fate(async () => Response.json({}), init)));
    expect((await device.join()).keyVersion).toBe(1);
    expect(pauses).toHaveLength(1);
    const [first, second] = server.seen;
    expect(first?.proof.idempotencyKey).not.toBe(second?.proof.idempotencyKey);
    expect(second?.proof.signedAt).toBeGreaterThanOrEqual(first?.proof.signedAt as number);
  });

  it.each([400, 401, 403, 404, 409, 422, 500])("is not repeated after %i", async (status) => {
    const device = await open();
    server.fates.push(refuse(status, "INVALID_REQUEST"));
    await expect(device.join()).rejects.toMatchObject({ error: "INVALID_REQUEST", status, retryable: false });
    expect(pauses).toEqual([]);
  });

  it("gives up after so many tries, with the last failure", async () => {
    const device = await open({ retries: 2 });
    server.fates.push(unreached, refuse(429, "RATE_LIMITED"), refuse(503, "OVERLOADED"));
    await expect(device.join()).rejects.toMatchObject({
      name: "DomainServerError",
      error: "OVERLOADED",
      status: 503,
      retryable: true,
      requestId: "request-1",
    });
    expect(pauses).toHaveLength(2);
  });

  it("is repeated four times if nothing else is said", async () => {
    const device = await open();
    server.fates.push(...Array<Fate>(5).fill(unreached));
    await expect(device.domain()).rejects.toMatchObject({ error: "UNREACHABLE", retryable: true });
    expect(pauses).toHaveLength(4);
  });

  it("waits exponentially longer, at random, up to a minute", async () => {
    const device = await open({ retries: 9 });
    server.fates.push(...Array<Fate>(10).fill(unreached));
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    await expect(device.domain()).rejects.toThrow();
    expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it.each([
    ["seconds", "7", 7_000],
    ["a date", new Date(Date.UTC(2030, 0, 1, 12, 0, 9)).toUTCString(), 9_000],
    ["a date gone by", new Date(Date.UTC(2029, 0, 1)).toUTCString(), 0],
    ["far too many seconds", "86400", 60_000],
    ["nonsense", "soon", 0],
  ])("waits as long as the server asks, given as %s", async (_, header, milliseconds) => {
    const device = await open();
    const date = new Date(Date.UTC(2030, 0, 1, 12)).toUTCString();
    server.fates.push(refuse(503, "OVERLOADED", { "retry-after": header, date }));
    vi.spyOn(Math, "random").mockReturnValue(0);
    await device.domain();
    expect(pauses).toEqual([milliseconds]);
  });

  it("follows nobody to another address", async () => {
    const device = await open({ authToken: "token" });
    const seen: RequestInit[] = [];
    server.fates.push(async (_, init) => {
      seen.push(init);
      return new Response(null, { status: 307, headers: { location: "https://elsewhere.example" } });
    });
    await expect(device.join()).rejects.toMatchObject({ error: "UNEXPECTED_ANSWER", status: 307, retryable: false });
    expect(seen).toMatchObject([{ redirect: "manual" }]);
  });

  it("ends during a request when its signal says so", async () => {
    const device = await open();
    const controller = new AbortController();
    const reason = new Error("enough");
    server.fates.push((pass, init) => {
      controller.abort(reason);
      return hang(pass, init);
    });
    await expect(device.join({ signal: controller.signal })).rejects.toBe(reason);
    expect(pauses).toEqual([]);
  });

  it("ends with a fetch that does not care for signals, too", async () => {
    const device = await open();
    const controller = new AbortController();
    server.fates.push(() => {
      queueMicrotask(() => controller.abort());
      return new Promise(() => {});
    });
    await expect(device.join({ signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
  });

  it("takes a server that never answers for one that cannot be reached", async () => {
    const device = await open();
    const limit = new AbortController();
    vi.spyOn(AbortSignal, "timeout").mockReturnValueOnce(limit.signal);
    server.fates.push((pass, init) => {
      queueMicrotask(() => limit.abort(new DOMException("", "TimeoutError")));
      return hang(pass, init);
    });
    expect((await device.join()).newMember).toBe(true);
    expect(pauses).toHaveLength(1);
  });

  it("ends during a pause when its signal says so", async () => {
    const controller = new AbortController();
    const device = await open({
      pause: (_: number, signal: AbortSignal) => {
        queueMicrotask(() => controller.abort());
        return pauseByClock(1_000_000, signal);
      },
    });
    server.fates.push(unreached);
    await expect(device.join({ signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
    expect(server.seen).toEqual([]);
  });

  it("does not start with a signal that has aborted", async () => {
    const device = await open();
    const signal = AbortSignal.abort();
    for (const call of ["join", "renew", "previewLeave", "leave", "domain"] as const) {
      await expect(device[call]({ signal })).rejects.toMatchObject({ name: "AbortError" });
    }
    await expect(device.decrypt("", { signal })).rejects.toMatchObject({ name: "AbortError" });
    expect(server.seen).toEqual([]);
  });

  it("waits for the call before it, and goes by what that came to", async () => {
    const device = await open();
    const [joined, renewed, , again] = await Promise.all([
      device.join(),
      device.renew(),
      device.leave(),
      device.join(),
    ]);
    expect([joined, renewed, again].map(({ newMember }) => newMember)).toEqual([true, false, true]);
    expect(server.seen.map(({ action }) => action)).toEqual(["register", "register", "deregister", "register"]);
  });

  it("that is given up while it waits lets the one before it finish, and the one after it wait", async () => {
    const device = await open();
    let goOn = () => {};
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    server.fates.push((pass) => gate.then(pass));
    const controller = new AbortController();
    const joining = device.join();
    const leaving = device.leave({ signal: controller.signal });
    const renewing = device.renew();
    controller.abort();
    await expect(leaving).rejects.toMatchObject({ name: "AbortError" });
    goOn();
    expect((await joining).newMember).toBe(true);
    expect((await renewing).newMember).toBe(false);
  });

  it("is not let down by one that failed before it", async () => {
    const device = await open({ retries: 0 });
    server.fates.push(unreached);
    const failing = device.join();
    const joining = device.join();
    await expect(failing).rejects.toThrow();
    expect((await joining).newMember).toBe(true);
  });
});

describe("a device whose clock is wrong", () => {
  const realNow = Date.now;
  afterEach(() => {
    Date.now = realNow;
  });

  it.each([
    ["fast", 3_600_000],
    ["slow", -86_400_000],
  ])("and %s goes by the server's, and comes and leaves as any other", async (_, error) => {
    server.now = realNow;
    Date.now = () => realNow() + error;
    const store = new MemoryStore();
    const device = await open({ store });
    expect((await device.join()).newMember).toBe(true);
    await device.leave();
    expect((await device.join()).newMember).toBe(true);
    expect(pauses).toEqual([]);
    const { effectiveAt } = (await store.load(FAKE_DOMAIN_URL)) ?? {};
    expect(Math.abs((effectiveAt as number) - realNow())).toBeLessThan(300_000);
  });

  it("learns the time during a leave as well, and can come back", async () => {
    server.now = realNow;
    const store = new MemoryStore();
    await (await open({ store })).join();
    Date.now = () => realNow() + 86_400_000;
    await (await open({ store })).leave();
    Date.now = realNow;
    expect((await (await open({ store })).join()).newMember).toBe(true);
  });

  it("can come back after the program ended in a leave that was signed far in the future", async () => {
    server.now = realNow;
    const store = new MemoryStore();
    await (await open({ store })).join();
    Date.now = () => realNow() + 86_400_000;
    server.fates.push(unreached);
    await expect((await open({ store, retries: 0 })).leave()).rejects.toThrow();
    Date.now = realNow;
    await (await open({ store })).leave();
    expect((await store.load(FAKE_DOMAIN_URL))?.effectiveAt).toBeLessThanOrEqual(realNow() + 300_000);
  });

  it("is told so once; a proof that fails for another reason is not tried again", async () => {
    const device = await open();
    server.fates.push(refuse(403, "DEVICE_PROOF_INVALID"));
    await expect(device.join()).rejects.toMatchObject({ error: "DEVICE_PROOF_INVALID", retryable: false });
    expect(server.seen).toEqual([]);
    expect(pauses).toEqual([]);
  });

  it("does not go by a date that nobody signed", async () => {
    const device = await open();
    const date = new Date(realNow() - 900_000).toUTCString();
    server.fates.push(refuse(403, "DEVICE_PROOF_INVALID", { date }));
    await expect(device.join()).rejects.toMatchObject({ error: "DEVICE_PROOF_INVALID" });
    expect(server.seen).toEqual([]);
  });

  /** The time as the server would sign it for a request that is signed `ahead` of its clock, with some claims changed. */
  const serverTime =
    ({
      key = server.authorityKey,
      typ = "server-time+jwt",
      issuer = server.issuer,
      ...claims
    }: SignedTime = {}): Fate =>
    async (_pass, { body }) => {
      const { jti } = decodeJwt(String(body));
      const about = { issuer, issuedAt: realNow() - 900_000 };
      const statement = await signStatement(typ, { jti, ...claims }, about, key);
      const problem = { error: "DEVICE_PROOF_INVALID", status: 403, serverTime: statement };
      return Response.json(problem, { status: 403 });
    };

  it("goes by a time that the authority signed for its request", async () => {
    const device = await open();
    server.fates.push(serverTime(), serverTime());
    await expect(device.join()).rejects.toMatchObject({ error: "DEVICE_PROOF_INVALID" });
    expect(server.fates).toEqual([]);
  });

  it.each<[string, () => Fate]>([
    ["signed for another request", () => serverTime({ jti: crypto.randomUUID() })],
    ["signed by another key", () => serverTime({ key: { ...stranger, kid: "authority" } })],
    ["signed by a key that the authority does not have", () => serverTime({ key: stranger })],
    ["that is another statement", () => serverTime({ typ: "domain-token+jwt" })],
    ["of another server", () => serverTime({ issuer: "https://elsewhere.example" })],
  ])("does not go by a time %s", async (_, fate) => {
    const device = await open();
    server.fates.push(fate());
    await expect(device.join()).rejects.toMatchObject({ error: "DEVICE_PROOF_INVALID" });
    // It did not sign another one for that time.
    expect(server.seen).toEqual([]);
    expect((await device.join()).newMember).toBe(true);
    expect(Math.abs((server.seen[0]?.proof.signedAt ?? 0) - realNow())).toBeLessThan(60_000);
  });
});
