import { CompactEncrypt, type JWK } from "jose";
import { beforeEach, describe, expect, it } from "vitest";
import { publicMembers } from "../../../src/client/device-keys.ts";
import { DeviceDomain, MemoryStore } from "../../../src/client/index.ts";
import { encryptToDomain } from "../../../src/licence/index.ts";
import { cut, FAKE_DOMAIN_URL, FakeServer, lost } from "../../support/node/fake-server.ts";

let server: FakeServer;
beforeEach(async () => {
  server = await FakeServer.start();
});

describe("a device is opened", () => {
  it.each([
    "https://domains.example/domains/den",
    new URL("https://domains.example/domains/den/"),
    "https://domains.example:443/domains/%64en",
  ])("by the URL of its domain, however that is written: %s", async (url) => {
    const store = new MemoryStore();
    await DeviceDomain.open(url, { store });
    expect(await store.load(FAKE_DOMAIN_URL)).not.toBeNull();
  });

  it.each(["http://localhost:8787", "http://127.0.0.1:8787", "http://[::1]:8787"])(
    "at %s, which is this machine",
    async (origin) => {
      expect((await DeviceDomain.open(`${origin}/domains/den`)).status).toBe("new");
    },
  );

  it.each([
    "den",
    "",
    "https://domains.example",
    "https://domains.example/domains",
    "https://domains.example/domains/",
    "https://domains.example/domains/den/keys",
    "https://domains.example/api/domains/den",
    "https://domains.example/domains/den?x=1",
    "https://domains.example/domains/den#x",
    "https://user:pass@domains.example/domains/den",
    "https://domains.example/domains/a%2Fb",
    "https://domains.example/domains/a%",
    "https://domains.example/domains/a%20b",
    "http://domains.example/domains/den",
    "http://localhost.example/domains/den",
    "ftp://localhost/domains/den",
  ])("not by %j", async (url) => {
    await expect(DeviceDomain.open(url)).rejects.toMatchObject({ error: "INVALID_DOMAIN_URL", retryable: false });
  });

  it("under the machine GUID it was given once, in either case", async () => {
    const store = new MemoryStore();
    const machineGuid = "6F1C7A52-9F0E-4B0B-8A3E-0D6F2C9B1A77";
    expect((await DeviceDomain.open(FAKE_DOMAIN_URL, { store, machineGuid })).machineGuid).toBe(
      machineGuid.toLowerCase(),
    );
    expect((await DeviceDomain.open(FAKE_DOMAIN_URL, { store, machineGuid })).status).toBe("new");
    for (const [other, error] of [
      [crypto.randomUUID(), "MACHINE_GUID_CONFLICT"],
      ["tv", "INVALID_MACHINE_GUID"],
      ["", "INVALID_MACHINE_GUID"],
    ] as const) {
      await expect(DeviceDomain.open(FAKE_DOMAIN_URL, { store, machineGuid: other })).rejects.toMatchObject({ error });
    }
  });

  it("as another one where nothing else is said", async () => {
    const [one, other] = await Promise.all([DeviceDomain.open(FAKE_DOMAIN_URL), DeviceDomain.open(FAKE_DOMAIN_URL)]);
    expect(one.machineGuid).not.toBe(other.machineGuid);
  });
});

describe("a domain", () => {
  it("is described before anybody joins", async () => {
    const device = await DeviceDomain.open(FAKE_DOMAIN_URL, { fetch: server.fetch });
    expect(await device.domain()).toEqual({ domain: "den", keyVersion: 0 });
  });

  it("is not taken for another", async () => {
    const device = await DeviceDomain.open(FAKE_DOMAIN_URL, { fetch: server.fetch });
    for (const body of [{ domain: "attic" }, null, []]) {
      server.fates.push(async () => Response.json(body));
      await expect(device.domain()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    }
  });
});

describe("a secret", () => {
  let device: DeviceDomain;
  const seal = (key: JWK, header: object) =>
    new CompactEncrypt(new TextEncoder().encode("secret"))
      .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM", ...header })
      .encrypt(publicMembers(key));
  const domainKeys = async () =>
    ((await (await server.fetch(`${FAKE_DOMAIN_URL}/keys`)).json()) as { keys: JWK[] }).keys;

  beforeEach(async () => {
    device = await DeviceDomain.open(FAKE_DOMAIN_URL, { fetch: server.fetch, retries: 0, store: new MemoryStore() });
    await device.join();
  });

  it("opens with the key it was encrypted to, as long as the device is a member or not known to have left", async () => {
    const first = await encryptToDomain(FAKE_DOMAIN_URL, "first", { fetch: server.fetch });
    await server.rollOver();
    const second = await encryptToDomain(FAKE_DOMAIN_URL, new Uint8Array([1, 2, 3]), { fetch: server.fetch });
    await expect(device.decrypt(second)).rejects.toMatchObject({ error: "KEY_NOT_HELD" });
    await device.renew();
    expect(new TextDecoder().decode(await device.decrypt(first))).toBe("first");
    expect([...(await device.decrypt(second))]).toEqual([1, 2, 3]);

    server.fates.push(lost);
    await expect(device.leave()).rejects.toThrow();
    expect(new TextDecoder().decode(await device.decrypt(first))).toBe("first");
    await device.leave();
    await expect(device.decrypt(first)).rejects.toMatchObject({ error: "NOT_A_MEMBER" });
  });

  it("for nobody here does not open", async () => {
    const [key] = (await domainKeys()) as [JWK];
    const versions = [{}, { key_version: 1 }, { key_version: 2 }, { key_version: 0 }, { key_version: "1" }];
    const names = [{ kid: "attic/1" }, { kid: "den/1" }, { kid: 1 }, {}, { kid: key.kid?.toLowerCase() }];
    for (const header of names.flatMap((name) => versions.map((version) => ({ ...name, ...version })))) {
      await expect(device.decrypt(await seal(key, header))).rejects.toMatchObject({ error: "KEY_NOT_HELD" });
    }
  });

  it.each([
    ["text", async () => "hello"],
    ["nothing", async () => ""],
    ["a JWE without wrapping", (key: JWK) => seal(key, { kid: key.kid, alg: "ECDH-ES" })],
    ["a JWE with another cipher", (key: JWK) => seal(key, { kid: key.kid, enc: "A128CBC-HS256" })],
    ["a JWE that was changed", async (key: JWK) => `${(await seal(key, { kid: key.kid })).slice(0, -4)}AAAA`],
  ])("that is %s does not open", async (_, make) => {
    const [key] = (await domainKeys()) as [JWK];
    const secret = await make(key);
    await expect(device.decrypt(secret)).rejects.toMatchObject({ error: "UNREADABLE_SECRET", retryable: false });
  });

  it("does not open before the device joined", async () => {
    const stranger = await DeviceDomain.open(FAKE_DOMAIN_URL, { fetch: server.fetch });
    const secret = await encryptToDomain(FAKE_DOMAIN_URL, "secret", { fetch: server.fetch });
    for (const each of [secret, "no secret"]) {
      await expect(stranger.decrypt(each)).rejects.toMatchObject({ error: "NOT_A_MEMBER" });
    }
  });
});

describe("two programs on one store", () => {
  it("go by what the other did", async () => {
    const store = new MemoryStore();
    const [one, other] = [
      await DeviceDomain.open(FAKE_DOMAIN_URL, { store, fetch: server.fetch, retries: 0 }),
      await DeviceDomain.open(FAKE_DOMAIN_URL, { store, fetch: server.fetch, retries: 0 }),
    ];
    await one.join();
    expect(await other.renew()).toEqual({ newMember: false, keyVersion: 1 });
    server.fates.push(cut);
    await expect(one.leave()).rejects.toThrow();
    await expect(other.renew()).rejects.toMatchObject({ error: "LEAVE_UNFINISHED" });
    await other.leave();
    await expect(one.renew()).rejects.toMatchObject({ error: "NOT_A_MEMBER" });
    expect(one.status).toBe("left");
  });
});

describe("a store that can keep others out", () => {
  it("has every change to itself, and none while a call waits for its turn", async () => {
    const store = new MemoryStore();
    const held: string[] = [];
    const exclusively = async <T>(url: string, _: AbortSignal | undefined, work: () => Promise<T>): Promise<T> => {
      held.push(`take ${url}`);
      const result = await work();
      held.push(`give back, ${(await store.load(url))?.status}`);
      return result;
    };
    const locking = Object.assign(store, { exclusively });
    const device = await DeviceDomain.open(FAKE_DOMAIN_URL, { store: locking, fetch: server.fetch });
    await Promise.all([device.join(), device.leave()]);
    expect(held).toEqual([
      `take ${FAKE_DOMAIN_URL}`,
      "give back, new",
      `take ${FAKE_DOMAIN_URL}`,
      "give back, member",
      `take ${FAKE_DOMAIN_URL}`,
      "give back, left",
    ]);
  });
});
