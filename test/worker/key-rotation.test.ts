import { applyD1Migrations, reset, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { base64url, decodeProtectedHeader, type JWK } from "jose";
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { configOf } from "../../src/server/config.ts";
import { unwrapPrivateKey, wrapPrivateKey } from "../../src/server/crypto/key-wrapping.ts";
import { maintain, rewrapDomains } from "../../src/server/maintenance.ts";
import { DomainObject } from "../../src/server/object/domain-object.ts";
import { Keyring } from "../../src/server/object/keyring.ts";
import { DomainStorage } from "../../src/server/object/storage/domain-storage.ts";
import {
  asAdmin,
  configure,
  deregister,
  invariantViolations,
  newDomain,
  newGuid,
  ORIGIN,
  register,
  reply,
  rows,
  stored,
} from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { evict, objectOf, runAlarm, setEnvironment } from "../support/worker/objects.ts";
import { recordingDatabase } from "../support/worker/recording-database.ts";

const CURRENT = configOf(env).keyEncryptionKeys[0];

function newKek(kid = `kek-${newGuid()}`): JWK {
  return { kty: "oct", alg: "A256GCM", kid, k: base64url.encode(crypto.getRandomValues(new Uint8Array(32))) };
}

/** An environment with these key-encryption keys. */
const withKeys = (...keys: readonly JWK[]) => ({ KEY_ENCRYPTION_KEYS: JSON.stringify({ keys }) });

/** Has a domain's object begin anew with these key-encryption keys. */
async function restart(domain: string, ...keks: readonly JWK[]): Promise<void> {
  await evict(domain);
  await setEnvironment(domain, withKeys(...keks));
}

/** A private key's worth of text; what is wrapped does not matter to the wrapping. */
const privateJwk = (domain: string, keyVersion: number): JWK => ({
  kty: "EC",
  d: `private key ${keyVersion} of ${domain}`,
});

/**
 * A domain with as many keys, each wrapped with one of some key-encryption keys, that its object and the database have.
 * The object has begun anew, and was not asked anything.
 */
async function newDomainWithKeys(count: number, keks: readonly JWK[]): Promise<string> {
  const domain = newDomain();
  const kekOf = (version: number) => keks[(version - 1) % keks.length] as JWK;
  await setEnvironment(domain, withKeys(...keks));
  await configure(domain, {});
  const keys = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const keyVersion = index + 1;
      const kek = kekOf(keyVersion);
      const wrapped = await wrapPrivateKey(privateJwk(domain, keyVersion), { domain, keyVersion }, [kek]);
      return [keyVersion, wrapped, kek.kid];
    }),
  );
  await stored(
    domain,
    `insert into domain_keys select value ->> 0, '{}', value ->> 1, value ->> 2, 0 from json_each(?)`,
    JSON.stringify(keys),
  );
  await stored(domain, "update domain_server_info set key_version = ?, key_rollover_required = 0", count);
  await stored(domain, "update progress set rewrite_due = 1, stale_since = 0, rewrapped_kid = ?", keks[0]?.kid ?? null);
  await restart(domain, ...keks);
  await objectOf(domain).copy(newGuid());
  await expectCopied(domain);
  return domain;
}

/** The `kid`s that a domain's keys rest under by now, having opened each with one of these keys. */
async function openedWith(domain: string, ...keks: readonly JWK[]): Promise<ReadonlySet<string>> {
  const { keys } = await rows(domain);
  const kids = await Promise.all(
    keys.map(async ({ key_version, wrapped_private_jwk, key_encryption_kid }) => {
      const [wrapped, keyVersion] = [wrapped_private_jwk as string, key_version as number];
      expect(await unwrapPrivateKey(wrapped, { domain, keyVersion }, keks)).toEqual(privateJwk(domain, keyVersion));
      const { kid } = decodeProtectedHeader(wrapped);
      expect(kid).toBe(key_encryption_kid);
      return kid as string;
    }),
  );
  return new Set(kids);
}

/** How many keys of a domain each key-encryption key wraps, in its object. */
async function uses(domain: string): Promise<Record<string, number>> {
  const query = "select key_encryption_kid as kid, count(*) as count from domain_keys group by 1";
  return Object.fromEntries((await stored(domain, query)).map(({ kid, count }) => [kid, count]));
}

/** The new wrappings in the log of a domain, oldest first. */
async function rewrappings(domain: string) {
  const changes = (await rows(domain)).log.flatMap(({ changes }) => JSON.parse(changes as string));
  return changes.filter(({ type }: { type: string }) => type === "keys-rewrapped");
}

const event = (kek: JWK, keys: number) => ({ type: "keys-rewrapped", keyEncryptionKid: kek.kid, keys });

let errors: MockInstance | undefined;

// Storage is this file's own: the database is asked for what all domains have.
beforeEach(async () => {
  await reset();
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
});
afterEach(() => vi.restoreAllMocks());

function logged(): string[] {
  return (errors?.mock.calls.flat() ?? []) as string[];
}

/** Has no alarm go off by itself, so that only what a test does is done. */
function withoutAlarms(): void {
  vi.spyOn(DomainObject.prototype, "alarm").mockResolvedValue();
}

const rewrap = (domain: string) => objectOf(domain).rewrapKeys(newGuid());

describe("an object whose first key-encryption key changed", () => {
  it("wraps its keys anew by itself, as soon as it is asked anything", async () => {
    const [old, fresh] = [newKek(), newKek()];
    const domain = await newDomainWithKeys(3, [old]);
    await restart(domain, fresh, old);
    expect((await reply("GET", `/domains/${domain}`)).status).toBe(200);
    // The alarm is set for now: it goes off by itself, if this does not have it go off.
    await runAlarm(domain);
    await expect.poll(() => uses(domain), { timeout: 30_000 }).toEqual({ [fresh.kid as string]: 3 });
    expect(await openedWith(domain, fresh)).toEqual(new Set([fresh.kid]));
    await expectCopied(domain);
  });

  it("does nothing if its keys are wrapped with it already", async () => {
    withoutAlarms();
    const kek = newKek();
    const domain = await newDomainWithKeys(3, [kek]);
    const revision = (await rows(domain)).info?.revision;
    await restart(domain, kek, newKek());
    await reply("GET", `/domains/${domain}`);
    await rewrap(domain);
    expect(await rewrappings(domain)).toEqual([]);
    expect((await rows(domain)).info?.revision).toBe(revision);
  });

  it("moves every key to it, some hundreds in a commit, and leaves the keys what they were", async () => {
    withoutAlarms();
    const [old, older, fresh] = [newKek(), newKek(), newKek()];
    const domain = await newDomainWithKeys(540, [old, older]);
    const publicHalves = (await rows(domain)).keys.map(({ public_jwk, created_at }) => [public_jwk, created_at]);
    await restart(domain, fresh, old, older);
    expect(await rewrap(domain)).toMatchObject({ grant: { value: { rewrapped: 540, locked: 0 } } });
    expect(await openedWith(domain, fresh)).toEqual(new Set([fresh.kid]));
    expect((await rows(domain)).keys.map(({ public_jwk, created_at }) => [public_jwk, created_at])).toEqual(
      publicHalves,
    );
    expect(await rewrappings(domain)).toEqual([event(fresh, 250), event(fresh, 250), event(fresh, 40)]);
    expect(await invariantViolations(domain)).toEqual([]);
    await expectCopied(domain);
    const before = await rows(domain);
    expect(await rewrap(domain)).toMatchObject({ grant: { value: { rewrapped: 0, locked: 0 } } });
    expect(await rows(domain)).toEqual(before);
  });

  it.each([0, 1, 2])("may be lost at any commit, such as commit %i: the next run finishes it", async (fatal) => {
    withoutAlarms();
    const [old, fresh] = [newKek(), newKek()];
    const domain = await newDomainWithKeys(540, [old]);
    await restart(domain, fresh, old);
    errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const { commit } = DomainStorage.prototype;
    let commits = 0;
    const dying = vi.spyOn(DomainStorage.prototype, "commit").mockImplementation(function (
      this: DomainStorage,
      ...args
    ) {
      commit.apply(this, args);
      if (commits++ === fatal) throw new Error("the object was lost");
    });
    expect(await rewrap(domain)).toMatchObject({ granted: false, refusal: { error: "INTERNAL_ERROR" } });
    dying.mockRestore();
    const done = Math.min(540, fatal * 250);
    expect(await uses(domain)).toEqual({
      [old.kid as string]: 540 - done,
      ...(done > 0 ? { [fresh.kid as string]: done } : {}),
    });
    expect(await invariantViolations(domain)).toEqual([]);
    await restart(domain, fresh, old);
    expect(await rewrap(domain)).toMatchObject({ grant: { value: { rewrapped: 540 - done, locked: 0 } } });
    expect(await openedWith(domain, fresh)).toEqual(new Set([fresh.kid]));
    await expectCopied(domain);
  });

  it("comes to each key once, if several runs come to them", async () => {
    withoutAlarms();
    const [old, fresh] = [newKek(), newKek()];
    const domain = await newDomainWithKeys(100, [old]);
    await restart(domain, fresh, old);
    // Begun in one turn: each has read all keys before any of them writes.
    const runs = await runInDurableObject(objectOf(domain), (object: DomainObject) =>
      Promise.all([1, 2, 3].map(() => object.rewrapKeys(newGuid()))),
    );
    const counts = runs.map((run) => (run.granted && run.grant ? run.grant.value.rewrapped : -1));
    expect(counts.toSorted()).toEqual([0, 0, 100]);
    expect(await rewrappings(domain)).toEqual([event(fresh, 100)]);
    expect(await openedWith(domain, fresh)).toEqual(new Set([fresh.kid]));
  });

  it("leaves a key that does not open, counts it, says so without the key, and goes on", async () => {
    withoutAlarms();
    errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const [old, fresh, lost] = [newKek(), newKek(), newKek("lost")];
    const domain = await newDomainWithKeys(20, [old]);
    const wrapped = async (version: number) => (await rows(domain)).keys[version - 1]?.wrapped_private_jwk as string;
    const put = (version: number, text: string) =>
      stored(domain, "update domain_keys set wrapped_private_jwk = ? where key_version = ?", text, version);
    const damaged = `${(await wrapped(1)).slice(0, -4)}AAAA`;
    const another = await wrapped(4);
    const foreign = await wrapPrivateKey(privateJwk(domain, 3), { domain, keyVersion: 3 }, [lost]);
    const faulty = [damaged, another, foreign];
    for (const [index, text] of faulty.entries()) await put(index + 1, text);
    await restart(domain, fresh, old);
    expect(await rewrap(domain)).toMatchObject({ grant: { value: { rewrapped: 17, locked: 3 } } });
    expect(await Promise.all([1, 2, 3].map(wrapped))).toEqual(faulty);
    expect(await uses(domain)).toEqual({ [old.kid as string]: 3, [fresh.kid as string]: 17 });
    expect(logged()).toEqual([
      expect.stringContaining(`key 1 of domain ${domain} does not open`),
      expect.stringContaining(`the row of key 2 of domain ${domain} holds another key`),
      expect.stringContaining('was wrapped with \\"lost\\"'),
    ]);
    for (const part of faulty.flatMap((text) => text.split(".")).filter((each) => each.length > 8)) {
      expect(logged().join()).not.toContain(part);
    }
    // Nor is it tried again and again: an operator who mends it has it done.
    await put(1, await wrapPrivateKey(privateJwk(domain, 1), { domain, keyVersion: 1 }, [old]));
    expect(await rewrap(domain)).toMatchObject({ grant: { value: { rewrapped: 1, locked: 2 } } });
  });

  it("hands out the keys it holds in memory as before, and reads none of them again", async () => {
    withoutAlarms();
    const [old, fresh] = [newKek(), newKek()];
    const [domain, member] = [newDomain(), newGuid()];
    await setEnvironment(domain, withKeys(old));
    await register(domain, member);
    await restart(domain, fresh, old);
    const privateKeys = async () =>
      (await register(domain, member)).body.credentials.map(({ privateKey }: { privateKey: JWK }) => privateKey);
    const before = await privateKeys();
    expect(before).toHaveLength(1);
    expect(await rewrap(domain)).toMatchObject({ grant: { value: { rewrapped: 1, locked: 0 } } });
    const opened = vi.spyOn(Keyring.prototype, "open");
    expect(await privateKeys()).toEqual(before);
    expect((await register(domain, newGuid())).status).toBe(201);
    expect(opened).not.toHaveBeenCalled();
    await restart(domain, fresh);
    expect(await privateKeys()).toEqual(before);
  });

  it("serves devices while it wraps", async () => {
    withoutAlarms();
    const [old, fresh] = [newKek(), newKek()];
    const domain = await newDomainWithKeys(400, [old]);
    await stored(domain, "update domain_server_info set retired_up_to = 399, key_rollover_required = 1");
    await restart(domain, fresh, old);
    const guids = Array.from({ length: 40 }, newGuid);
    const [run, ...answers] = await Promise.all([
      rewrap(domain),
      ...guids.map((guid) => register(domain, guid, { afterKeyVersion: 400 })),
    ]);
    expect(run).toMatchObject({ granted: true, grant: { value: { locked: 0 } } });
    expect(answers.map(({ status }) => status)).toEqual(guids.map(() => 201));
    expect(await uses(domain)).toEqual({ [fresh.kid as string]: 401 });
    expect(await invariantViolations(domain)).toEqual([]);
    await expectCopied(domain);
  });
});

describe("the hourly job", () => {
  it("wakes the domains that the database says have keys to wrap anew, and no others", async () => {
    withoutAlarms();
    const [old, fresh] = [newKek(), newKek()];
    const [one, two, done] = [
      await newDomainWithKeys(2, [old]),
      await newDomainWithKeys(3, [fresh, old]),
      await newDomainWithKeys(2, [fresh]),
    ];
    for (const domain of [one, two, done]) await restart(domain, fresh, old);
    const woken = vi.spyOn(DomainObject.prototype, "rewrapKeys");
    await maintain({ ...env, ...withKeys(fresh, old) });
    expect(woken).toHaveBeenCalledTimes(2);
    for (const domain of [one, two, done]) {
      expect(await openedWith(domain, fresh)).toEqual(new Set([fresh.kid]));
      // The database has them by the end of the job.
      const inDatabase = await env.DB.prepare(
        "select distinct key_encryption_kid as kid from domain_keys where domain = ?",
      )
        .bind(domain)
        .all();
      expect(inDatabase.results).toEqual([{ kid: fresh.kid }]);
    }
    await maintain({ ...env, ...withKeys(fresh, old) });
    expect(woken).toHaveBeenCalledTimes(2);
  });

  it("goes on with the others if one of them fails, and says which", async () => {
    withoutAlarms();
    errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const [old, fresh] = [newKek(), newKek()];
    const domains = [await newDomainWithKeys(1, [old]), await newDomainWithKeys(1, [old])] as const;
    const [broken, well] = domains;
    for (const domain of domains) await restart(domain, fresh, old);
    await setEnvironment(broken, { KEY_ENCRYPTION_KEYS: "no keys" });
    expect(await rewrapDomains({ ...env, ...withKeys(fresh, old) }, 100)).toEqual({ rewrapped: 1, locked: 0 });
    expect(await openedWith(well, fresh)).toEqual(new Set([fresh.kid]));
    expect(logged().join()).toContain(`"message":"wrapping keys anew failed","domain":"${broken}"`);
  });

  it("reaches the others past domains whose keys do not open", async () => {
    withoutAlarms();
    errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const [lost, old, fresh] = [newKek(), newKek(), newKek()];
    const locked = [await newDomainWithKeys(1, [lost]), await newDomainWithKeys(1, [lost])];
    const last = await newDomainWithKeys(1, [old]);
    for (const domain of [...locked, last]) await restart(domain, fresh, old);
    expect(await rewrapDomains({ ...env, ...withKeys(fresh, old) }, 1)).toEqual({ rewrapped: 1, locked: 2 });
    expect(await openedWith(last, fresh)).toEqual(new Set([fresh.kid]));
  });

  it("takes as many pages as it needs, no domain twice, and no more domains than it is told to", async () => {
    const [old, fresh] = [newKek("old"), newKek("fresh")];
    const names = Array.from({ length: 120 }, (_, index) => `page-${String(index).padStart(3, "0")}`);
    await env.DB.prepare(
      `insert into domain_keys (domain, key_version, public_jwk, wrapped_private_jwk, key_encryption_kid)
        select value, 1, '{}', '', 'old' from json_each(?)`,
    )
      .bind(JSON.stringify(names))
      .run();
    const woken: (string | undefined)[] = [];
    vi.spyOn(DomainObject.prototype, "rewrapKeys").mockImplementation(async function (this: DomainObject) {
      woken.push((this as unknown as { ctx: DurableObjectState }).ctx.id.name);
      return { granted: true, grant: { value: { rewrapped: 1, locked: 0 } } };
    });
    expect(await rewrapDomains({ ...env, ...withKeys(fresh, old) }, 1_000)).toEqual({ rewrapped: 120, locked: 0 });
    expect(woken.toSorted()).toEqual(names);
    woken.length = 0;
    await rewrapDomains({ ...env, ...withKeys(fresh, old) }, 70);
    expect(woken.toSorted()).toEqual(names.slice(0, 70));
  });

  it("finds what is to be done by an index, however many keys there are", async () => {
    await env.DB.prepare(
      `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 5000)
        insert into domain_keys (domain, key_version, public_jwk, wrapped_private_jwk, key_encryption_kid)
        select 'a-domain', n, '{}', '', 'fresh' from numbers`,
    ).run();
    const { database, recorded } = recordingDatabase(env.DB);
    await maintain({ ...env, DB: database, ...withKeys(newKek("fresh"), newKek("old")) });
    expect(recorded.length).toBeGreaterThan(0);
    for (const { sql, values } of recorded) {
      const statement = (text: string) => env.DB.prepare(text).bind(...values);
      const { results } = await statement(`explain query plan ${sql}`).all<{ detail: string }>();
      const details = results.map(({ detail }) => detail);
      expect(details.join()).toContain("SEARCH domain_keys USING COVERING INDEX domain_keys_by_key_encryption");
      expect(details.filter((detail) => /^SCAN domain_keys$/.test(detail))).toEqual([]);
      expect((await statement(sql).all()).meta.rows_read).toBeLessThan(10);
    }
  });
});

/** The Worker under other key-encryption keys; the objects keep their own. */
function workerWith(...keks: readonly JWK[]) {
  const app = createApp();
  const environment = { ...env, ...withKeys(...keks) };
  return async (method: string, path: string, { body, headers = {} }: { body?: object; headers?: object } = {}) => {
    const response = await app.fetch(
      new Request(`${ORIGIN}${path}`, {
        method,
        headers: { "content-type": "application/json", ...headers },
        ...(body ? { body: JSON.stringify(body) } : {}),
      }),
      environment,
    );
    // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
    return { status: response.status, body: (await response.json()) as any };
  };
}

const asOperator = { headers: asAdmin };

describe("an operator", () => {
  it("sees how far it is, and may have it done at once", async () => {
    withoutAlarms();
    const fresh = newKek();
    const domain = newDomain();
    await register(domain, newGuid());
    await expectCopied(domain);
    await restart(domain, fresh, CURRENT);
    const ask = workerWith(fresh, CURRENT);
    expect(await ask("GET", "/admin/key-encryption", asOperator)).toEqual({
      status: 200,
      body: { currentKid: fresh.kid, kids: [{ kid: CURRENT.kid, domainKeys: 1 }], done: false },
    });
    const finished = { currentKid: fresh.kid, kids: [{ kid: fresh.kid, domainKeys: 1 }], done: true };
    expect(await ask("POST", "/admin/key-encryption/rewrap", asOperator)).toEqual({
      status: 200,
      body: { rewrapped: 1, locked: 0, ...finished },
    });
    expect(await ask("GET", "/admin/key-encryption", asOperator)).toEqual({ status: 200, body: finished });
  });

  it("has a domain whose key is lost for good go on without it", async () => {
    errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const [domain, member] = [newDomain(), newGuid()];
    await register(domain, member);
    await stored(domain, "update domain_keys set wrapped_private_jwk = ''");
    // In an instance of its own, which never had the key in memory.
    await evict(domain);
    expect((await register(domain, newGuid())).status).toBe(500);
    const ask = workerWith(CURRENT);
    const change = (method: string, path: string, body: object) =>
      ask(method, `/admin/domains/${domain}/${path}`, { ...asOperator, body });
    expect((await change("POST", "rollover", { when: "now" })).status).toBe(200);
    expect((await change("PUT", "retired-keys", { upTo: 1 })).status).toBe(200);
    for (const [guid, status] of [
      [member, 200],
      [newGuid(), 201],
    ] as const) {
      expect(await register(domain, guid)).toMatchObject({ status, body: { credentials: [{ keyVersion: 2 }] } });
    }
  });

  it("needs a credential for either", async () => {
    for (const [method, path] of [
      ["GET", "/admin/key-encryption"],
      ["POST", "/admin/key-encryption/rewrap"],
    ] as const) {
      expect(await workerWith(CURRENT)(method, path)).toMatchObject({
        status: 401,
        body: { error: "ADMIN_AUTHENTICATION_REQUIRED" },
      });
    }
  });
});

describe("a key-encryption key that is taken away too early", () => {
  const [early, fresh] = [newKek("taken-away"), newKek("fresh")];

  /** A domain with a key that the early one wraps, whose object has only the fresh one; with a member. */
  async function newDomainWithout() {
    withoutAlarms();
    const [domain, member] = [newDomain(), newGuid()];
    await setEnvironment(domain, withKeys(early));
    await register(domain, member);
    await expectCopied(domain);
    await restart(domain, fresh);
    errors = vi.spyOn(console, "error").mockImplementation(() => {});
    return { domain, member };
  }

  it("fails the devices that need a key it wraps, and the log says which and why", async () => {
    const { domain, member } = await newDomainWithout();
    const before = await rows(domain);
    for (const guid of [member, newGuid()]) {
      const answer = await register(domain, guid);
      expect(answer).toMatchObject({ status: 500, body: { error: "INTERNAL_ERROR" } });
      expect(JSON.stringify(answer.body)).not.toContain("taken-away");
    }
    expect(await rows(domain)).toEqual(before);
    expect(logged()).toHaveLength(2);
    for (const line of logged()) {
      expect(JSON.parse(line).error).toContain(
        `key 1 of domain ${domain} was wrapped with "taken-away", which is not in KEY_ENCRYPTION_KEYS`,
      );
    }
  });

  it("fails nobody else: neither who holds that key, nor who leaves, nor an operator, nor another domain", async () => {
    const { domain, member } = await newDomainWithout();
    const other = newDomain();
    await setEnvironment(other, withKeys(fresh));
    expect((await register(other, newGuid())).status).toBe(201);
    expect((await register(domain, member, { afterKeyVersion: 1 })).body).toMatchObject({ credentials: [] });
    expect((await reply("GET", `/domains/${domain}/keys`)).body.currentKeyVersion).toBe(1);
    const ask = workerWith(fresh);
    expect((await ask("GET", "/admin/domains", asOperator)).status).toBe(200);
    const changed = await ask("PATCH", `/admin/domains/${domain}`, { ...asOperator, body: { maxMembership: 5 } });
    expect(changed).toMatchObject({ status: 200, body: { maxMembership: 5 } });
    expect((await deregister(domain, member)).status).toBe(200);
    const back = await register(domain, member, { afterKeyVersion: 1 });
    expect(back.body).toMatchObject({ newMember: true, keyVersion: 2, credentials: [{ keyVersion: 2 }] });
    expect(logged()).toEqual([]);
  });

  it("is shown by the health of the server, and is well again once it is put back", async () => {
    const { domain, member } = await newDomainWithout();
    expect(await workerWith(fresh)("GET", "/health")).toMatchObject({
      status: 503,
      body: { status: "failing", database: "ok", secrets: "failing" },
    });
    expect(logged().join()).toContain("KEY_ENCRYPTION_KEYS lacks keys that wrap domain keys: put back taken-away");
    expect(await workerWith(fresh)("POST", "/admin/key-encryption/rewrap", asOperator)).toMatchObject({
      body: { rewrapped: 0, locked: 1, kids: [{ kid: "taken-away", domainKeys: 1 }], done: false },
    });
    await restart(domain, fresh, early);
    expect((await register(domain, member)).body.credentials).toHaveLength(1);
    const mended = workerWith(fresh, early);
    expect(await mended("GET", "/health")).toMatchObject({ status: 200, body: { secrets: "ok" } });
    expect(await mended("POST", "/admin/key-encryption/rewrap", asOperator)).toMatchObject({
      body: { rewrapped: 1, locked: 0, done: true },
    });
    expect(await workerWith(fresh)("GET", "/health")).toMatchObject({ status: 200, body: { secrets: "ok" } });
  });
});
