import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DeviceDomain, type DeviceState, type DeviceStore, MemoryStore } from "../../../src/client/index.ts";
import {
  cut,
  FAKE_DOMAIN_URL,
  FakeServer,
  type Fate,
  hang,
  lost,
  refuse,
  unreached,
} from "../../support/node/fake-server.ts";

let server: FakeServer;
let store: MemoryStore;
let device: DeviceDomain;

/** The device as a program finds it that has just been started. */
const open = (options = {}) =>
  DeviceDomain.open(FAKE_DOMAIN_URL, { store, fetch: server.fetch, retries: 0, pause: async () => {}, ...options });

const leaves = () => server.seen.filter(({ action }) => action === "deregister");
const saved = () => store.load(FAKE_DOMAIN_URL);

beforeEach(async () => {
  server = await FakeServer.start();
  store = new MemoryStore();
  device = await open();
  await device.join();
});

describe("a leave", () => {
  it("ends the membership and forgets the keys", async () => {
    await device.leave();
    expect(device).toMatchObject({ status: "left", currentKeyVersion: null, domainToken: null });
    expect(await saved()).toMatchObject({ status: "left", credentials: [], leave: null });
    expect(server.state.members.has(device.machineGuid)).toBe(false);
  });

  it("is over once it is over", async () => {
    await device.leave();
    await device.leave();
    await (await open()).leave();
    expect(leaves()).toHaveLength(1);
  });

  it("is known to the store before the server hears of it", async () => {
    let before: DeviceState | null = null;
    server.fates.push(async (pass) => {
      before = await saved();
      return pass();
    });
    await device.leave();
    expect(before).toMatchObject({ status: "leaving", leave: { idempotencyKey: leaves()[0]?.proof.idempotencyKey } });
  });

  it.each<[string, Fate]>([
    ["never arrived", unreached],
    ["was carried out, and its answer lost", lost],
    ["was carried out, and its answer cut", cut],
    ["failed on the way", refuse(502, "BAD_GATEWAY")],
    ["failed in the server", refuse(500, "INTERNAL_ERROR")],
    ["met a busy server", refuse(503, "OVERLOADED")],
    ["came too often", refuse(429, "RATE_LIMITED")],
    ["was answered with something else", async () => Response.json({ deregistered: false })],
  ])("that %s is finished by the next program, under the same key", async (_, fate) => {
    server.fates.push(fate);
    await expect(device.leave()).rejects.toThrow();
    expect(device.status).toBe("leaving");
    const begun = await saved();

    const next = await open();
    expect(next.status).toBe("leaving");
    await expect(next.join()).rejects.toMatchObject({ error: "LEAVE_UNFINISHED" });
    await expect(next.renew()).rejects.toMatchObject({ error: "LEAVE_UNFINISHED" });
    await next.leave();
    expect(next).toMatchObject({ status: "left", currentKeyVersion: null });
    expect(leaves().at(-1)?.proof.idempotencyKey).toBe(begun?.leave?.idempotencyKey);
    expect(server.state.members.has(device.machineGuid)).toBe(false);
  });

  it("that the caller ended is finished by calling it again", async () => {
    const controller = new AbortController();
    server.fates.push((pass, init) => {
      controller.abort();
      return hang(pass, init);
    });
    await expect(device.leave({ signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
    expect(device.status).toBe("leaving");
    await device.leave();
    expect(device.status).toBe("left");
  });

  it("repeated by itself keeps its key, and is signed anew", async () => {
    server.fates.push(lost, refuse(503, "OVERLOADED"), unreached);
    device = await open({ retries: 3 });
    await device.leave();
    expect(device.status).toBe("left");
    const [first, second] = leaves();
    expect(leaves()).toHaveLength(2);
    expect(first?.proof.idempotencyKey).toBe(second?.proof.idempotencyKey);
    expect(first?.payload).toEqual(second?.payload);
  });

  it("that went through unseen, and is on record no more, has gone through", async () => {
    server.fates.push(lost);
    await expect(device.leave()).rejects.toMatchObject({ error: "UNREACHABLE", retryable: true });
    server.state = { ...server.state, records: new Map() };
    await device.leave();
    expect(await saved()).toMatchObject({ status: "left", credentials: [] });
  });

  it("of a device that was removed forgets the keys, and says so", async () => {
    server.evict(device.machineGuid);
    await expect(device.leave()).rejects.toMatchObject({ error: "DEREG_DENIED", code: 401, status: 403 });
    expect(await saved()).toMatchObject({ status: "left", credentials: [], leave: null });
    await device.leave();
    expect(leaves()).toHaveLength(1);
  });

  it.each([
    [401, "DOM_AUTHENTICATION_REQUIRED"],
    [403, "DEVICE_PROOF_INVALID"],
    [400, "INVALID_REQUEST"],
    [404, "UNEXPECTED_ANSWER"],
    [302, "UNEXPECTED_ANSWER"],
  ])("that is refused with %i did not happen", async (status, error) => {
    const before = await saved();
    server.fates.push(refuse(status, error));
    await expect(device.leave()).rejects.toMatchObject({ error, status, retryable: false });
    expect(await saved()).toEqual(before);
    expect(device).toMatchObject({ status: "member", currentKeyVersion: 1 });
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 1 });
  });

  it("that may have happened before it was refused stays open", async () => {
    server.fates.push(lost, refuse(401, "DOM_AUTHENTICATION_REQUIRED"));
    await expect(device.leave()).rejects.toThrow();
    await expect(device.leave()).rejects.toMatchObject({ error: "DOM_AUTHENTICATION_REQUIRED" });
    expect(device.status).toBe("leaving");
    await device.leave();
    expect(device.status).toBe("left");
    expect(leaves().map(({ proof }) => proof.idempotencyKey)[0]).toBe(leaves().at(-1)?.proof.idempotencyKey);
  });

  it("of a device whose join went through unseen is carried out", async () => {
    store = new MemoryStore();
    device = await open();
    server.fates.push(lost);
    await expect(device.join()).rejects.toMatchObject({ error: "UNREACHABLE" });
    expect(device.status).toBe("new");
    await device.leave();
    expect(server.state.members.has(device.machineGuid)).toBe(false);
  });

  it("is carried out also after another join went through unseen", async () => {
    await device.leave();
    server.fates.push(lost);
    await expect(device.join()).rejects.toMatchObject({ error: "UNREACHABLE" });
    await device.leave();
    expect(device.status).toBe("left");
    expect(server.state.members.has(device.machineGuid)).toBe(false);
  });

  it("for which no auth token can be had was never begun", async () => {
    device = await open({ authToken: () => Promise.reject(new Error("not signed in")) });
    await expect(device.leave()).rejects.toThrow("not signed in");
    expect(device.status).toBe("member");
  });

  it("that cannot be saved is not sent, and one that cannot be saved as over is finished later", async () => {
    const failing: DeviceStore & { fail: string | null } = {
      fail: "leaving",
      keepsCryptoKeys: true,
      load: (url) => store.load(url),
      save: async (url, state) => {
        if (state.status === failing.fail) throw new Error("the disk is full");
        await store.save(url, state);
      },
    };
    device = await open({ store: failing });
    await expect(device.leave()).rejects.toThrow("the disk is full");
    expect(leaves()).toHaveLength(0);
    expect(device.status).toBe("member");
    failing.fail = "left";
    await expect(device.leave()).rejects.toThrow("the disk is full");
    expect(device.status).toBe("leaving");
    failing.fail = null;
    await device.leave();
    expect(device.status).toBe("left");
  });
});

describe("a preview of a leave", () => {
  it("tells a member from others, and changes nothing", async () => {
    const before = await saved();
    expect(await device.previewLeave()).toBe(true);
    expect(await saved()).toBe(before);
    server.evict(device.machineGuid);
    expect(await device.previewLeave()).toBe(false);
    expect(await saved()).toBe(before);
  });

  it("passes on what else the server says", async () => {
    server.fates.push(refuse(401, "DOM_AUTHENTICATION_REQUIRED"));
    await expect(device.previewLeave()).rejects.toMatchObject({ error: "DOM_AUTHENTICATION_REQUIRED" });
  });
});

describe("after a leave", () => {
  it("the device joins anew as itself", async () => {
    await device.leave();
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 2 });
    expect(new Set(server.seen.map(({ payload }) => payload.machineGuid)).size).toBe(1);
    expect(new Set(server.seen.map(({ proof }) => proof.thumbprint)).size).toBe(1);
  });

  it("a renewal is refused on the spot", async () => {
    await device.leave();
    await expect(device.renew()).rejects.toMatchObject({ error: "NOT_A_MEMBER" });
  });

  it("a clock that was set back does not keep the device out", async () => {
    const realNow = Date.now;
    try {
      await device.leave();
      const left = leaves()[0]?.proof.signedAt as number;
      Date.now = () => realNow() - 20_000;
      server.now = realNow;
      await (await open()).join();
      expect(server.seen.at(-1)?.proof.signedAt).toBeGreaterThanOrEqual(left);
    } finally {
      Date.now = realNow;
    }
  });
});

describe("a leave while a registration has no answer", () => {
  const realNow = Date.now;
  const actions = () => server.seen.map(({ action }) => action);
  const isMember = () => server.state.members.has(device.machineGuid);

  /** Has the device's next request be held up. @returns what delivers it, for the status it is answered with */
  function holdUp(): () => Promise<number> {
    let deliver = async () => new Response();
    server.fates.push((pass) => {
      deliver = pass;
      return unreached(pass, {});
    });
    return async () => (await deliver()).status;
  }

  function limitMembers(maxMembership: number | null): void {
    server.state = { ...server.state, settings: { ...server.state.settings, maxMembership } };
  }

  /** Leaves, and tries to join. */
  async function joinHeldUp(): Promise<() => Promise<number>> {
    await device.leave();
    server.seen.length = 0;
    const deliver = holdUp();
    await expect(device.join()).rejects.toMatchObject({ error: "UNREACHABLE" });
    return deliver;
  }

  beforeEach(() => {
    server.now = realNow;
  });

  afterEach(() => {
    Date.now = realNow;
  });

  it("takes back what may yet arrive: it joins, and leaves later than that", async () => {
    const deliver = await joinHeldUp();
    const before = await saved();
    await (await open()).leave();
    expect(actions()).toEqual(["deregister", "register", "deregister"]);
    const [, join = 0, left = 0] = server.seen.map(({ proof }) => proof.signedAt);
    expect(join).toBeGreaterThan(before?.unanswered as number);
    expect(left).toBeGreaterThan(join);
    expect(await saved()).not.toHaveProperty("unanswered");
    expect(await deliver()).toBe(403);
    expect(isMember()).toBe(false);
  });

  it("takes it back also if the clock was set back since", async () => {
    Date.now = () => realNow() + 100_000;
    const deliver = await joinHeldUp();
    Date.now = realNow;
    await device.leave();
    expect(await deliver()).toBe(403);
    expect(isMember()).toBe(false);
  });

  it("ends a membership of whose join only the answer was lost, also if the clock was set back since", async () => {
    await device.leave();
    Date.now = () => realNow() + 100_000;
    server.fates.push(lost);
    await expect(device.join()).rejects.toMatchObject({ error: "UNREACHABLE" });
    Date.now = realNow;
    await device.leave();
    expect(isMember()).toBe(false);
  });

  it("takes back a renewal, too: the device was evicted meanwhile", async () => {
    const deliver = holdUp();
    await expect(device.renew()).rejects.toMatchObject({ error: "UNREACHABLE" });
    server.evict(device.machineGuid);
    await device.leave();
    expect(await deliver()).toBe(403);
    expect(isMember()).toBe(false);
  });

  it("goes on where it was interrupted", async () => {
    await joinHeldUp();
    server.fates.push((pass) => pass(), lost);
    await expect(device.leave()).rejects.toMatchObject({ error: "UNREACHABLE" });
    const next = await open();
    expect(next.status).toBe("leaving");
    await next.leave();
    expect(next.status).toBe("left");
    expect(isMember()).toBe(false);
  });

  it("is not done if the join on the way out is answered with something else", async () => {
    const deliver = await joinHeldUp();
    server.fates.push(
      (pass) => pass(),
      async () => Response.json({}),
    );
    await expect(device.leave()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    expect(device.status).toBe("leaving");
    await device.leave();
    expect(await deliver()).toBe(403);
  });

  it("does not join for one that is too old to count", async () => {
    await joinHeldUp();
    const state = (await saved()) as DeviceState;
    await store.save(FAKE_DOMAIN_URL, { ...state, unanswered: (state.unanswered as number) - 601_000 });
    await expect(device.leave()).rejects.toMatchObject({ error: "DEREG_DENIED" });
    expect(actions()).toEqual(["deregister"]);
  });

  it("is tried again by a device that could not join to take it back", async () => {
    const deliver = await joinHeldUp();
    limitMembers(0);
    await expect(device.leave()).rejects.toMatchObject({ error: "DEREG_DENIED" });
    await device.leave();
    expect(device.status).toBe("left");
    limitMembers(null);
    expect(await deliver()).toBe(201);
    await device.leave();
    expect(isMember()).toBe(false);
    server.seen.length = 0;
    await device.leave();
    expect(actions()).toEqual([]);
  });

  it("has nothing to take back once a registration is answered", async () => {
    await joinHeldUp();
    await device.join();
    expect(await saved()).not.toHaveProperty("unanswered");
  });

  it("has something to take back also if a later one is refused, which says nothing of the one before", async () => {
    await joinHeldUp();
    const before = await saved();
    server.fates.push(refuse(409, "DOM_LIMIT_REACHED"));
    await expect(device.join()).rejects.toMatchObject({ error: "DOM_LIMIT_REACHED" });
    expect((await saved())?.unanswered).toBe(before?.unanswered);
  });
});
