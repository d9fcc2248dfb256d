import { calculateJwkThumbprint, decodeProtectedHeader, type JWK } from "jose";
import { beforeEach, describe, expect, it } from "vitest";
import { DeviceDomain } from "../../../src/client/index.ts";
import { type EncryptionOptions, encryptToDomain } from "../../../src/licence/index.ts";
import { FAKE_DOMAIN_URL, FakeServer, lost, refuse, unreached } from "../../support/node/fake-server.ts";

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
const keySet = async () => (await (await server.fetch(`${FAKE_DOMAIN_URL}/keys`)).json()) as { keys: JWK[] };
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
    expect(decodeProtectedHeader(jwe)).toEqual({
      alg: "ECDH-ES+A256KW",
      enc: "A256GCM",
      kid: await calculateJwkThumbprint((await keySet()).keys[1] as JWK),
      key_version: 2,
      epk: expect.any(Object),
    });
    expect(await open(jwe)).toBe("secret");
  });

  it("has a rollover carried out that is due, without any credential", async () => {
    await visit();
    const seen: RequestInit[] = [];
    const fetch: typeof globalThis.fetch = (input, init = {}) => {
      if (init.method === "POST") seen.push(init);
      return server.fetch(String(input), init);
    };
    expect(decodeProtectedHeader(await encrypt({ fetch })).key_version).toBe(2);
    expect(seen).toHaveLength(1);
    expect(new Headers(seen[0]?.headers).has("authorization")).toBe(false);
    expect(pauses).toEqual([]);
  });

  it("asks for no rollover that is not due", async () => {
    const paths: string[] = [];
    const fetch: typeof globalThis.fetch = (input, init = {}) => {
      paths.push(new URL(String(input)).pathname);
      return server.fetch(String(input), init);
    };
    await encrypt({ fetch });
    expect(paths.filter((path) => path.startsWith("/domains/"))).toEqual(["/domains/den/keys"]);
  });

  it("has it roll over once, also if the answer to that is lost", async () => {
    await visit();
    server.fates.push((pass) => pass(), lost);
    expect(decodeProtectedHeader(await encrypt()).key_version).toBe(2);
    expect(server.state.keyVersion).toBe(2);
  });

  it("is encrypted to the key that its rollover made, though devices leave all the time", async () => {
    await visit();
    const fetch: typeof globalThis.fetch = async (input, init = {}) => {
      const response = await server.fetch(String(input), init);
      server.evict(device.machineGuid);
      return response;
    };
    expect(decodeProtectedHeader(await encrypt({ fetch, retries: 0 })).key_version).toBe(2);
    expect(decodeProtectedHeader(await encrypt({ fetch, retries: 0 })).key_version).toBe(3);
  });

  it.each<[string, (body: object) => object]>([
    ["states no key", ({ statement: _, ...body }: { statement?: unknown }) => body],
    ["names another key than it states", (body) => ({ ...body, keyVersion: 7 })],
    ["states another domain's key", (body) => ({ ...body, statement: device.domainToken })],
  ])("is refused if the answer to the rollover %s", async (_, change) => {
    await visit();
    server.fates.push(
      (pass) => pass(),
      async (pass) => Response.json(change((await (await pass()).json()) as object)),
    );
    await expect(encrypt()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
  });

  it("is tried again where that is of use", async () => {
    server.fates.push(unreached, lost, refuse(503, "OVERLOADED"));
    expect(await open(await encrypt())).toBe("secret");
    expect(pauses).toHaveLength(3);
    server.fates.push(refuse(404, "DOMAIN_NOT_FOUND"));
    await expect(encrypt()).rejects.toMatchObject({ error: "DOMAIN_NOT_FOUND", status: 404 });
  });

  it("needs the URL of a domain", async () => {
    await expect(encryptToDomain("http://domains.example/domains/den", "secret")).rejects.toMatchObject({
      error: "INVALID_DOMAIN_URL",
    });
  });
});
