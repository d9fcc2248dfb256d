import { decodeProtectedHeader, type JWK } from "jose";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { DeviceDomain } from "../../../src/client/index.ts";
import { type EncryptionOptions, encryptToDomain } from "../../../src/licence/index.ts";
import { FAKE_DOMAIN_URL, FakeServer, lost, refuse, unreached } from "../../support/fake-server.ts";

let server: FakeServer;
let device: DeviceDomain;
let pauses: number[];

const encrypt = (options: EncryptionOptions = {}) =>
  encryptToDomain(FAKE_DOMAIN_URL, "secret", {
    fetch: server.fetch,
    pause: async (milliseconds) => {
      pauses.push(milliseconds);
    },
    ...options,
  });
const open = async (jwe: string) => new TextDecoder().decode(await device.decrypt(jwe));

/** Another device comes and goes. */
async function visit(): Promise<void> {
  const visitor = await DeviceDomain.open(FAKE_DOMAIN_URL, { fetch: server.fetch });
  await visitor.join();
  await visitor.leave();
}

beforeEach(async () => {
  server = await FakeServer.start();
  pauses = [];
  device = await DeviceDomain.open(FAKE_DOMAIN_URL, { fetch: server.fetch });
  await device.join();
});

describe("a secret for a domain", () => {
  it("is encrypted with the current key, and opens on a member", async () => {
    await server.rollOver();
    await device.renew();
    const jwe = await encrypt();
    expect(decodeProtectedHeader(jwe)).toMatchObject({ alg: "ECDH-ES+A256KW", enc: "A256GCM", kid: "den/2" });
    expect(await open(jwe)).toBe("secret");
  });

  it("is refused while a rollover is due", async () => {
    await visit();
    await expect(encrypt()).rejects.toMatchObject({
      name: "DeviceDomainError",
      error: "ROLLOVER_DUE",
      retryable: true,
    });
    expect(pauses).toEqual([]);
  });

  it("waits for the next key if it is told to", async () => {
    await visit();
    let count = 0;
    const pause = async () => {
      if (++count === 3) await device.renew();
    };
    const jwe = await encrypt({ whenRolloverDue: "wait", pause });
    expect(decodeProtectedHeader(jwe).kid).toBe("den/2");
    expect(count).toBe(3);
  });

  it("waits no longer than it is told to, however short the pauses", async () => {
    await visit();
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    await expect(encrypt({ whenRolloverDue: "wait", waitMilliseconds: 5_000 })).rejects.toMatchObject({
      error: "ROLLOVER_DUE",
    });
    expect(pauses).toEqual([500, 1_000, 2_000, 1_500]);
    vi.mocked(Math.random).mockReturnValue(0);
    await expect(encrypt({ whenRolloverDue: "wait", waitMilliseconds: 5 })).rejects.toThrow();
    expect(pauses.slice(4)).toEqual([0, 0, 0, 0, 0]);
    vi.restoreAllMocks();
  });

  it("stops waiting when its signal says so", async () => {
    await visit();
    const controller = new AbortController();
    const pause = async () => controller.abort();
    const { signal } = controller;
    await expect(encrypt({ whenRolloverDue: "wait", pause, signal })).rejects.toMatchObject({ name: "AbortError" });
  });

  it("has the domain roll over at once if it may", async () => {
    await visit();
    const seen: [string, RequestInit][] = [];
    const fetch: typeof globalThis.fetch = (input, init = {}) => {
      if (init.method === "POST") seen.push([String(input), init]);
      return server.fetch(String(input), init);
    };
    const jwe = await encrypt({ requestRollover: { adminToken: "an-admin-token" }, fetch });
    expect(decodeProtectedHeader(jwe).kid).toBe("den/2");
    expect(seen).toHaveLength(1);
    const [[url, init]] = seen as [[string, RequestInit]];
    expect(url).toBe("https://domains.example/admin/domains/den/rollover");
    expect(JSON.parse(init.body as string)).toEqual({ when: "now" });
    expect(new Headers(init.headers).get("authorization")).toBe("Bearer an-admin-token");
    expect(new Headers(init.headers).get("content-type")).toBe("application/json");
  });

  it("asks for no rollover that is not due", async () => {
    const jwe = await encrypt({ requestRollover: { adminToken: "an-admin-token" } });
    expect(decodeProtectedHeader(jwe).kid).toBe("den/1");
  });

  it("has it roll over once, also if the answer to that is lost", async () => {
    await visit();
    server.fates.push((pass) => pass(), lost);
    const jwe = await encrypt({ requestRollover: { adminToken: "an-admin-token" } });
    expect(decodeProtectedHeader(jwe).kid).toBe("den/2");
    expect(server.state.keyVersion).toBe(2);
  });

  it("is refused as the rollover is", async () => {
    await visit();
    server.fates.push((pass) => pass(), refuse(401, "ADMIN_AUTHENTICATION_REQUIRED"));
    await expect(encrypt({ requestRollover: { adminToken: "wrong" } })).rejects.toMatchObject({
      name: "DomainServerError",
      error: "ADMIN_AUTHENTICATION_REQUIRED",
    });
  });

  it("is refused if a device left since the rollover", async () => {
    await visit();
    server.fates.push(
      (pass) => pass(),
      async (pass) => {
        const response = await pass();
        server.evict(device.machineGuid);
        return response;
      },
    );
    await expect(encrypt({ requestRollover: { adminToken: "an-admin-token" } })).rejects.toMatchObject({
      error: "ROLLOVER_DUE",
    });
  });

  it("is tried again where that is of use", async () => {
    server.fates.push(unreached, lost, refuse(503, "OVERLOADED"));
    expect(await open(await encrypt())).toBe("secret");
    expect(pauses).toHaveLength(3);
    server.fates.push(refuse(404, "DOMAIN_NOT_FOUND"));
    await expect(encrypt()).rejects.toMatchObject({ error: "DOMAIN_NOT_FOUND", status: 404 });
  });

  const point = { kty: "EC", crv: "P-256", x: "A".repeat(43), y: "A".repeat(43) };
  it.each<[string, unknown]>([
    ["nothing", null],
    ["no keys", { currentKeyVersion: 1 }],
    ["no keys and no current one", { currentKeyVersion: null }],
    ["no version", { keys: [] }],
    ["a current key that is not there", { keys: [], currentKeyVersion: 1 }],
    ["a key of another domain", { keys: [{ ...point, kid: "attic/1" }], currentKeyVersion: 1 }],
    ["a key that is no point of the curve", { keys: [{ ...point, kid: "den/1" }], currentKeyVersion: 1 }],
    ["a key of another kind", { keys: [{ kty: "oct", k: "AAAA", kid: "den/1" }], currentKeyVersion: 1 }],
    ["a key that is none", { keys: [null, 7], currentKeyVersion: 1 }],
  ])("is not encrypted to %s", async (_, body) => {
    server.fates.push(async () => Response.json(body));
    await expect(encrypt()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
  });

  it("is encrypted to the key's point, whatever else its JWK says", async () => {
    server.fates.push(async (pass) => {
      const { keys, ...rest } = (await (await pass()).json()) as { keys: JWK[] };
      return Response.json({ keys: keys.map((key) => ({ ...key, alg: "ECDH-ES", key_ops: [] })), ...rest });
    });
    expect(await open(await encrypt())).toBe("secret");
  });

  it("needs the URL of a domain", async () => {
    await expect(encryptToDomain("http://domains.example/domains/den", "secret")).rejects.toMatchObject({
      error: "INVALID_DOMAIN_URL",
    });
  });
});
