import { decodeJwt, decodeProtectedHeader, type JWK } from "jose";
import { beforeEach, describe, expect, it } from "vitest";
import { DeviceDomain } from "../../../src/client/index.ts";
import { type EncryptionOptions, encryptToDomain, MemoryRevisionStore } from "../../../src/licence/index.ts";
import { generateDomainKeyPair } from "../../../src/server/crypto/key-pairs.ts";
import { signStatement } from "../../../src/server/crypto/signed-statements.ts";
import { FAKE_DOMAIN_URL, FakeServer, type Fate, newAuthorityKey, unreached } from "../../support/node/fake-server.ts";

type KeySet = { keys: JWK[]; currentKeyVersion: number | null; statement: string };

const own = await generateDomainKeyPair(1);
const stranger = await newAuthorityKey();

let server: FakeServer;
let device: DeviceDomain;

const encrypt = (options: EncryptionOptions = {}) =>
  encryptToDomain(FAKE_DOMAIN_URL, "secret", { fetch: server.fetch, retries: 0, ...options });
const keySet = async () => (await (await server.fetch(`${FAKE_DOMAIN_URL}/keys`)).json()) as KeySet;
const isOpenedBy = async (jwe: string) => new TextDecoder().decode(await device.decrypt(jwe)) === "secret";

/** A proxy that ends TLS and changes the key set. */
const changed =
  (change: (set: KeySet) => object | Promise<object>): Fate =>
  async (pass) =>
    Response.json(await change((await (await pass()).json()) as KeySet));

/** The statement, signed again with other claims. */
async function resigned(
  { statement }: KeySet,
  change: Readonly<{ claims?: object; typ?: string; key?: JWK; domain?: string; issuedAt?: number; issuer?: string }>,
): Promise<string> {
  const { key_version, cnf, revision, epoch } = decodeJwt(statement);
  const claims = { key_version, cnf, revision, epoch, ...change.claims };
  const { typ = "domain-key-statement+jwt", key = server.authorityKey, domain = "den" } = change;
  const { issuer = server.issuer, issuedAt = Date.now() } = change;
  return signStatement(typ, claims, { issuer, domain, issuedAt, lifetimeSeconds: 300 }, key);
}

beforeEach(async () => {
  server = await FakeServer.start();
  device = await DeviceDomain.open(FAKE_DOMAIN_URL, { fetch: server.fetch });
  await device.join();
});

describe("a proxy between the licence server and the domain", () => {
  const ATTACKS: Record<string, (set: KeySet) => object | Promise<object>> = {
    "swaps the key": (set) => ({ ...set, keys: [{ ...own.publicJwk, kid: set.keys[0]?.kid }] }),
    "adds a key, and calls it current": (set) => ({ ...set, keys: [...set.keys, own.publicJwk], currentKeyVersion: 2 }),
    "calls no key current": (set) => ({ ...set, currentKeyVersion: null }),
    "swaps the key in the statement, which it signs itself": async (set) => ({
      ...set,
      keys: [own.publicJwk],
      statement: await resigned(set, { claims: { cnf: { jwk: own.publicJwk } }, key: stranger }),
    }),
    "has the statement of another domain": async (set) => ({
      ...set,
      statement: await resigned(set, { domain: "attic" }),
    }),
    "has another kind of statement": async (set) => ({
      ...set,
      statement: await resigned(set, { typ: "domain-token+jwt" }),
    }),
    "has a domain token for a statement": (set) => ({ ...set, statement: device.domainToken }),
    "has a statement that is too old": async (set) => ({
      ...set,
      statement: await resigned(set, { issuedAt: Date.now() - 400_000 }),
    }),
    "has a statement of the future": async (set) => ({
      ...set,
      statement: await resigned(set, { issuedAt: Date.now() + 400_000 }),
    }),
    "has a statement without a revision": async (set) => ({
      ...set,
      statement: await resigned(set, { claims: { revision: undefined } }),
    }),
    "has a statement whose revision is no number": async (set) => ({
      ...set,
      statement: await resigned(set, { claims: { revision: "9" } }),
    }),
    "has a statement without its key": async (set) => ({
      ...set,
      statement: await resigned(set, { claims: { cnf: undefined } }),
    }),
    "has a statement of a key that is no point of the curve": async (set) => {
      const jwk = { ...set.keys[0], x: "A".repeat(43) };
      return { ...set, keys: [jwk], statement: await resigned(set, { claims: { cnf: { jwk } } }) };
    },
    "has a private key stated": async (set) => ({
      ...set,
      keys: [own.publicJwk],
      statement: await resigned(set, { claims: { cnf: { jwk: own.privateJwk } } }),
    }),
    "takes the statement away": ({ statement, ...set }) => set,
    "takes the keys away": ({ keys, ...set }) => set,
    "has keys that are none": (set) => ({ ...set, keys: [null, 7] }),
    "answers nothing": () => null as never,
  };

  it.each(Object.entries(ATTACKS))("that %s is found out", async (_, attack) => {
    server.fates.push(changed(attack));
    await expect(encrypt()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER", retryable: false });
    expect(await isOpenedBy(await encrypt())).toBe(true);
  });

  it("that holds back a leave, and shows the key set of before, is found out", async () => {
    const revisions = new MemoryRevisionStore();
    const before = await keySet();
    await server.rollOver();
    await device.renew();
    expect(await isOpenedBy(await encrypt({ revisions }))).toBe(true);
    server.fates.push(changed(() => before));
    await expect(encrypt({ revisions })).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    // One that has seen nothing yet cannot tell, for the few minutes that the statement holds.
    server.fates.push(changed(() => before));
    expect(decodeProtectedHeader(await encrypt({ revisions: new MemoryRevisionStore() })).key_version).toBe(1);
  });

  it("that has the statement of another server is found out by who says which server it must be", async () => {
    const attack = changed(async (set) => ({
      ...set,
      statement: await resigned(set, { issuer: "https://elsewhere.example" }),
    }));
    server.fates.push(attack);
    await expect(encrypt({ issuer: server.issuer })).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    expect(await isOpenedBy(await encrypt({ issuer: server.issuer }))).toBe(true);
  });

  it("gets no other key in by changing what else a key says", async () => {
    server.fates.push(
      changed(({ keys, ...set }) => ({ ...set, keys: keys.map((key) => ({ ...key, alg: "ECDH-ES", key_ops: [] })) })),
    );
    expect(await isOpenedBy(await encrypt())).toBe(true);
  });
});

describe("what was seen of a domain", () => {
  it("is a revision that only rises, within an epoch", async () => {
    const revisions = new MemoryRevisionStore();
    const [epoch, revision] = [server.epoch, server.state.revision];
    await encrypt({ revisions });
    expect(await revisions.load(FAKE_DOMAIN_URL)).toEqual({ epoch, revision });
    await server.rollOver();
    await encrypt({ revisions });
    expect(await revisions.load(FAKE_DOMAIN_URL)).toEqual({ epoch, revision: revision + 1 });
  });

  it("does not refuse the response to one of two requests that the other has overtaken", async () => {
    const revisions = new MemoryRevisionStore();
    let arrives = () => {};
    const late = new Promise<void>((resolve) => {
      arrives = resolve;
    });
    server.fates.push(async (pass) => {
      const response = await pass();
      await late;
      return response;
    });
    const overtaken = encrypt({ revisions });
    await server.rollOver();
    await device.renew();
    await encrypt({ revisions });
    const newest = await revisions.load(FAKE_DOMAIN_URL);
    arrives();
    expect(decodeProtectedHeader(await overtaken).key_version).toBe(1);
    expect(await revisions.load(FAKE_DOMAIN_URL)).toEqual(newest);
  });

  it("does not lock out a domain that was restored, and then not one that goes back to before", async () => {
    const revisions = new MemoryRevisionStore();
    await server.rollOver();
    const before = await keySet();
    await encrypt({ revisions });
    await server.restore(1);
    expect(decodeProtectedHeader(await encrypt({ revisions })).key_version).toBe(2);
    server.fates.push(changed(() => before));
    await expect(encrypt({ revisions })).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
  });

  it("is kept apart for each domain", async () => {
    const revisions = new MemoryRevisionStore();
    await revisions.save("https://domains.example/domains/attic", { epoch: 1e15, revision: 1 });
    expect(await isOpenedBy(await encrypt({ revisions }))).toBe(true);
  });
});

describe("a key set without its authority", () => {
  it("is told apart from one that is not to be believed", async () => {
    server.keySetFate = unreached;
    await expect(encrypt()).rejects.toMatchObject({ error: "UNREACHABLE", retryable: true });
  });
});
