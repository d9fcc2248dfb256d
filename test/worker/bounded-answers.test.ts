import { env } from "cloudflare:workers";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { configOf } from "../../src/server/config.ts";
import { Keyring, type SpareKey } from "../../src/server/object/keyring.ts";
import type { DomainStorage } from "../../src/server/object/storage/domain-storage.ts";
import { newDevice } from "../support/devices.ts";
import { invariantViolations, newDomain, newGuid, register, rows } from "../support/worker/client.ts";
import { domainAt, keySet, range, unsealed, versionsOf } from "../support/worker/key-versions.ts";
import { evict, execute, joins, operators } from "../support/worker/objects.ts";
import { signedBy } from "../support/worker/operators.ts";

const NEWEST = 160;

let domain: string;
let member: string;

beforeAll(async () => {
  ({ domain, member } = await domainAt(NEWEST));
}, 60_000);

afterEach(() => vi.restoreAllMocks());

async function retireTo(upTo: number): Promise<void> {
  expect(await execute(domain, operators({ type: "retire", upTo }))).toMatchObject({ granted: true });
}

type Asked = { afterKeyVersion?: number; credentials?: "all" | "newest" };
type Older = { from: number; to: number } | undefined;

/** The request, how many versions are retired, the first version of the response, and the older ones that it names. */
const CASES: [Asked, number, number, Older][] = [
  [{}, 0, 61, { from: 1, to: 60 }],
  [{ credentials: "all" }, 0, 61, { from: 1, to: 60 }],
  [{ credentials: "all", afterKeyVersion: 20 }, 0, 61, { from: 21, to: 60 }],
  [{ credentials: "all", afterKeyVersion: 59 }, 0, 61, { from: 60, to: 60 }],
  [{ credentials: "all", afterKeyVersion: 60 }, 0, 61, undefined],
  [{ credentials: "all", afterKeyVersion: 158 }, 0, 159, undefined],
  [{ credentials: "all", afterKeyVersion: 160 }, 0, 161, undefined],
  [{ credentials: "all", afterKeyVersion: 999 }, 0, 161, undefined],
  [{ credentials: "newest" }, 0, 160, { from: 1, to: 159 }],
  [{ credentials: "newest", afterKeyVersion: 150 }, 0, 160, { from: 151, to: 159 }],
  [{ credentials: "newest", afterKeyVersion: 158 }, 0, 160, { from: 159, to: 159 }],
  [{ credentials: "newest", afterKeyVersion: 159 }, 0, 160, undefined],
  [{ credentials: "newest", afterKeyVersion: 160 }, 0, 161, undefined],
  [{ credentials: "all" }, 40, 61, { from: 41, to: 60 }],
  [{ credentials: "all" }, 60, 61, undefined],
  [{ credentials: "all" }, 155, 156, undefined],
  [{ credentials: "all", afterKeyVersion: 20 }, 40, 61, { from: 41, to: 60 }],
  [{ credentials: "all", afterKeyVersion: 50 }, 40, 61, { from: 51, to: 60 }],
  [{ credentials: "newest" }, 40, 160, { from: 41, to: 159 }],
  [{ credentials: "newest" }, 158, 160, { from: 159, to: 159 }],
  [{ credentials: "newest" }, 159, 160, undefined],
];

describe("a registration where there are more versions than a response holds", () => {
  afterEach(() => retireTo(0));

  it.each(CASES)("that asks for %j gets, with %i retired, what is from %i on, and %j is older", async (...given) => {
    const [asked, retired, first, older] = given;
    await retireTo(retired);
    const { privateKey, publicKey } = await generateKeyPair("ECDH-ES+A256KW", { crv: "X25519", extractable: true });
    const [privateJwk, encryptionKey] = [await exportJWK(privateKey), await exportJWK(publicKey)];
    for (const guid of [member, newGuid()]) {
      const plain = await register(domain, guid, asked);
      expect(plain.status).toBe(guid === member ? 200 : 201);
      expect(plain.body.keyVersion).toBe(NEWEST);
      expect(versionsOf(plain)).toEqual(range(first, NEWEST));
      expect(plain.body.olderKeyVersions).toEqual(older);
      const keys: JWK[] = plain.body.credentials.map((each: { privateKey: JWK }) => each.privateKey);
      const sealed = await register(domain, guid, { ...asked, encryptionKey });
      expect(versionsOf(sealed)).toEqual(range(first, NEWEST));
      expect(sealed.body.olderKeyVersions).toEqual(older);
      expect(JSON.stringify(sealed.body)).not.toContain("privateKey");
      expect(await unsealed(sealed.body.sealedKeys, privateJwk)).toEqual(keys);
    }
  });

  it("is served the same signed", async () => {
    const device = await newDevice();
    const newest = await signedBy(device, domain, "register", { credentials: "newest" });
    expect([versionsOf(newest), newest.body.olderKeyVersions]).toEqual([[NEWEST], { from: 1, to: NEWEST - 1 }]);
    const all = await signedBy(device, domain, "register", { credentials: "all", afterKeyVersion: 1 });
    expect([versionsOf(all), all.body.olderKeyVersions]).toEqual([range(61, NEWEST), { from: 2, to: 60 }]);
  });

  it("gets the same again if it is repeated, as long as nothing is retired", async () => {
    for (const maxCredentials of [1, 100]) {
      const command = joins(newGuid(), { maxCredentials, afterKeyVersion: 10 });
      const first = await execute(domain, command);
      const { log } = await rows(domain);
      expect(await execute(domain, command)).toEqual(first);
      expect(first).toMatchObject({
        granted: true,
        grant: { keyVersion: NEWEST, olderKeyVersions: { from: 11, to: NEWEST - maxCredentials } },
      });
      await retireTo(30);
      const granted = { olderKeyVersions: { from: 31, to: NEWEST - maxCredentials } };
      expect(await execute(domain, command)).toMatchObject({ granted: true, grant: granted });
      expect((await rows(domain)).log).toHaveLength(log.length + 1);
      await retireTo(0);
    }
  });

  it("reads and opens no more keys than it gets", async () => {
    await evict(domain);
    const unwrapped = vi.spyOn(Keyring.prototype, "unwrap");
    await register(domain, newGuid(), { credentials: "newest" });
    expect(unwrapped).toHaveBeenCalledTimes(1);
    await register(domain, newGuid());
    expect(unwrapped).toHaveBeenCalledTimes(100);
    await register(domain, member, { afterKeyVersion: 3 });
    expect(unwrapped).toHaveBeenCalledTimes(100);
    expect(await invariantViolations(domain)).toEqual([]);
  });
});

describe("a registration that asks for what there is not", () => {
  it.each(["", "oldest", "ALL", 1, true, null, ["all"]])("credentials: %j is a 400", async (credentials) => {
    const unknown = newDomain();
    const { status, body } = await register(unknown, newGuid(), { credentials });
    expect([status, body.errors?.map(({ field }: { field: string }) => field)]).toEqual([400, ["credentials"]]);
    expect((await rows(unknown)).log).toEqual([]);
  });
});

describe("the key set of a domain with more versions than a response holds", () => {
  it.each([
    ["", 61, 160],
    ["?before=161", 61, 160],
    ["?before=160", 60, 159],
    ["?before=61", 1, 60],
    ["?before=2", 1, 1],
    ["?before=999", 61, 160],
  ])("%s has versions %i to %i, and says which are older", async (query, first, last) => {
    const { status, body } = await keySet(domain, query);
    expect(status).toBe(200);
    expect(body.keys.map((key: { key_version: number }) => key.key_version)).toEqual(range(first, last));
    expect(body.olderKeyVersions).toEqual(first === 1 ? undefined : { from: 1, to: first - 1 });
    expect(body.currentKeyVersion).toBe(NEWEST);
  });

  it("has every one of them by its version and by its kid", async () => {
    const { keys } = (await keySet(domain, "?before=61")).body;
    for (const version of [1, 33, 60]) {
      const key = keys[version - 1];
      for (const query of [`?version=${version}`, `?kid=${key.kid}`]) {
        const { status, body } = await keySet(domain, query);
        expect([status, body.keys, body.olderKeyVersions]).toEqual([200, [key], undefined]);
      }
    }
  });
});

describe("a keyring", () => {
  it("keeps the keys open that a response may hold, and forgets old ones, however many are made", async () => {
    const keyring = new Keyring({ name: newDomain() } as DomainStorage, configOf(env));
    for (const version of range(1, 320)) {
      await keyring.prepare(version);
      keyring.addCommitted([keyring.spare(version) as SpareKey]);
      expect(keyring.spare(version)).toBeNull();
    }
    const open = range(1, 320).filter((version) => keyring.isOpen({ after: version - 1, upTo: version }));
    expect(open).toEqual(range(321 - open.length, 320));
    expect(open.length).toBeGreaterThanOrEqual(100);
    expect(open.length).toBeLessThanOrEqual(200);
  });
});
