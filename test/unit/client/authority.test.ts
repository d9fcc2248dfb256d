import { calculateJwkThumbprint, type JSONWebKeySet, type JWK } from "jose";
import { beforeEach, describe, expect, it } from "vitest";
import { DeviceDomain, type DeviceDomainOptions, MemoryStore } from "../../../src/client/index.ts";
import { encryptToDomain } from "../../../src/licence/index.ts";
import { FAKE_DOMAIN_URL, FAKE_ORIGIN, FakeServer, newAuthorityKey } from "../../support/node/fake-server.ts";

const [first, second, third] = (await Promise.all(["first", "second", "third"].map(newAuthorityKey))) as [
  JWK,
  JWK,
  JWK,
];

let server: FakeServer;
let store: MemoryStore;

const fetch: typeof globalThis.fetch = async (input, init) => {
  const { host } = new URL(String(input));
  if (host === "away.example") throw new TypeError("no connection");
  if (host === "empty.example") return Response.json({});
  if (host === "page.example") return new Response("<html>");
  return server.fetch(String(input), init);
};

const open = (options: DeviceDomainOptions = {}) =>
  DeviceDomain.open(FAKE_DOMAIN_URL, { store, fetch, pause: async () => {}, ...options });
const pins = async () => (await store.load(FAKE_DOMAIN_URL))?.authority;
const publicHalf = ({ d, ...jwk }: JWK) => jwk as JWK;
const keySet = (...keys: JWK[]) => ({ keys: keys.map(publicHalf) }) as JSONWebKeySet;

/** The same domain, served with other authority keys from now on. */
function rotate(...keys: [JWK, ...JWK[]]): void {
  server.authorityKeys.splice(0, server.authorityKeys.length, ...keys);
}

beforeEach(() => {
  server = new FakeServer(first);
  store = new MemoryStore();
});

describe("a device", () => {
  it("trusts the key that signed what it first got, and remembers it", async () => {
    rotate(first, second);
    expect(await pins()).toBeUndefined();
    await (await open()).join();
    expect(await pins()).toEqual([await calculateJwkThumbprint(first)]);
  });

  it("refuses another authority, also as another program, and goes on with its own", async () => {
    await (await open()).join();
    const before = await store.load(FAKE_DOMAIN_URL);
    rotate(second);
    await expect((await open()).renew()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    expect((await store.load(FAKE_DOMAIN_URL))?.credentials).toEqual(before?.credentials);
    expect(await pins()).toEqual(before?.authority);
    rotate(first);
    await (await open()).renew();
  });

  it("refuses another authority that is published beside its own", async () => {
    await (await open()).join();
    rotate(second, first);
    server.keySetFate = async (pass) => {
      const { keys } = (await (await pass()).json()) as JSONWebKeySet;
      return Response.json({ keys });
    };
    await expect((await open()).renew()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
  });

  it("refuses another authority whose key has the name of its own", async () => {
    await (await open()).join();
    const forged = { ...second, kid: first.kid as string };
    rotate(forged);
    server.keySetFate = async () => Response.json({ keys: [{ ...publicHalf(first), use: "enc" }, publicHalf(forged)] });
    await expect((await open()).renew()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    const authority = { thumbprints: [await calculateJwkThumbprint(first)] };
    await expect(encryptToDomain(FAKE_DOMAIN_URL, "secret", { fetch: server.fetch, authority })).rejects.toMatchObject({
      error: "UNTRUSTED_ANSWER",
    });
  });

  it("does not forget its authority by a response that it signed nothing of", async () => {
    await server.rollOver();
    const old = await encryptToDomain(FAKE_DOMAIN_URL, "old", { fetch: server.fetch });
    await server.rollOver();
    server.retireKeys(1);
    await (await open()).join();
    await expect((await open()).decrypt(old)).rejects.toMatchObject({ error: "KEY_RETIRED" });
    expect(await pins()).toEqual([await calculateJwkThumbprint(first)]);
  });

  it("follows a rotation that its authority vouches for, and then one more", async () => {
    const device = await open();
    await device.join();
    rotate(second, first);
    await device.renew();
    rotate(third, second);
    await device.renew();
    expect(await pins()).toEqual([await calculateJwkThumbprint(third), await calculateJwkThumbprint(second)]);
    rotate(first);
    await expect(device.renew()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
  });

  it("follows a rotation to a key that was published before it was vouched for", async () => {
    const device = await open();
    await device.join();
    // Published first, behind the old one, and fetched by the device.
    rotate(first, second);
    await device.renew();
    rotate(second);
    await expect(device.renew()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    rotate(second, first);
    await device.renew();
  });

  it("follows the newest of several rotations that it missed", async () => {
    await (await open()).join();
    rotate(third, second, first);
    await (await open()).renew();
  });

  it("does not take another key's word for a successor", async () => {
    await (await open()).join();
    // The second vouches for the third, and nobody for the second.
    rotate(third, second);
    const stolen = await server.fetch(`${FAKE_ORIGIN}/.well-known/jwks.json`);
    const { rotations } = (await stolen.json()) as { rotations: string[] };
    server.keySetFate = async () => Response.json({ ...keySet(third, second, first), rotations });
    await expect((await open()).renew()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
  });

  it("does not take a rotation to one key for one to another", async () => {
    await (await open()).join();
    rotate(second, first);
    const { rotations } = (await (await server.fetch(`${FAKE_ORIGIN}/.well-known/jwks.json`)).json()) as never;
    rotate(third, first);
    server.keySetFate = async () => Response.json({ ...keySet(third, second, first), rotations });
    await expect((await open()).renew()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
  });

  it("does not trust what an attacker showed it while a first join failed", async () => {
    const device = await open();
    rotate(second);
    server.spoil.answer = ({ answer }) => {
      answer.keyVersion = 9;
    };
    await expect(device.join()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    server.spoil = {};
    rotate(first);
    await device.join();
    expect(await pins()).toEqual([await calculateJwkThumbprint(first)]);
  });
});

describe("a device that is given its authority", () => {
  it("keeps to it when it is not given it again, and to another once it is given that", async () => {
    await (await open({ authority: keySet(first) })).join();
    rotate(second);
    await expect((await open()).renew()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    await (await open({ authority: keySet(second) })).renew();
    await (await open()).renew();
    expect(await pins()).toEqual([await calculateJwkThumbprint(second)]);
  });

  it.each<[string, () => Promise<DeviceDomainOptions["authority"]>]>([
    ["by the URL of its server", async () => FAKE_ORIGIN],
    ["by the keys", async () => keySet(first)],
    ["by thumbprints", async () => ({ thumbprints: [await calculateJwkThumbprint(first)] })],
    [
      "by thumbprints, and where",
      async () => ({ thumbprints: [await calculateJwkThumbprint(first)], url: FAKE_ORIGIN }),
    ],
    ["among others", async () => [keySet(third), keySet(first)]],
    ["after one that cannot be reached", async () => ["https://away.example", keySet(first)]],
    ["after one that publishes no key set", async () => ["https://empty.example", keySet(first)]],
    ["after one that publishes a page", async () => ["https://page.example", keySet(first)]],
  ])("%s, trusts it", async (_, authority) => {
    const device = await open({ authority: await authority() });
    expect((await device.join()).newMember).toBe(true);
    const secret = await encryptToDomain(FAKE_DOMAIN_URL, "secret", {
      fetch,
      authority: await authority(),
    });
    expect(new TextDecoder().decode(await device.decrypt(secret))).toBe("secret");
  });

  it.each<[string, () => Promise<DeviceDomainOptions["authority"]>]>([
    ["by the keys", async () => keySet(second)],
    ["by thumbprints", async () => ({ thumbprints: [await calculateJwkThumbprint(second)] })],
    ["by several of both", async () => [keySet(second), { thumbprints: [await calculateJwkThumbprint(third)] }]],
    ["by no thumbprint at all", async () => ({ thumbprints: [] })],
    ["by no authority at all", async () => []],
  ])("%s, trusts no other", async (_, authority) => {
    const device = await open({ authority: await authority() });
    await expect(device.join()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    expect(device.status).toBe("new");
    const secret = encryptToDomain(FAKE_DOMAIN_URL, "secret", { fetch, authority: await authority() });
    await expect(secret).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
  });

  it("by thumbprints, follows a rotation", async () => {
    const device = await open({ authority: { thumbprints: [await calculateJwkThumbprint(first)] } });
    await device.join();
    rotate(second, first);
    await device.renew();
  });
});
