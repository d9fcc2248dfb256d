import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { base64url, decodeProtectedHeader, type JWK } from "jose";
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { configOf } from "../../src/server/config.ts";
import { unwrapPrivateKey, wrapPrivateKey } from "../../src/server/crypto/key-wrapping.ts";
import { maintain } from "../../src/server/maintenance.ts";
import { DomainWriter } from "../../src/server/object/domain-writer.ts";
import { rewrapKeys } from "../../src/server/object/key-rewrapping.ts";
import { Keyring } from "../../src/server/object/keyring.ts";
import { DomainStore } from "../../src/server/object/storage/domain-store.ts";
import { asAdmin, newDomain, newGuid, ORIGIN, register, rows } from "./client.ts";
import { CONNECTION_LOST, faultyDatabase, type Interference } from "./faulty-database.ts";
import { recordingDatabase } from "./recording-database.ts";
import { gist, joins, leaves, NO_TALLIES, request } from "./writers.ts";

const CONFIG = configOf(env);
const ALL = 1_000;

function newKek(kid = `kek-${newGuid()}`): JWK {
  return { kty: "oct", alg: "A256GCM", kid, k: base64url.encode(crypto.getRandomValues(new Uint8Array(32))) };
}

const set = (...keys: JWK[]) => JSON.stringify({ keys });

/** A private key's worth of text; what is wrapped does not matter to the wrapping. */
const privateJwk = (domain: string): JWK => ({ kty: "EC", crv: "P-256", d: `the private key of ${domain}` });

/** Puts rows of as many domains into the database, each wrapped with a key, and counted unless they are of old. */
async function newWrappedKeys(kek: JWK, count: number, { unclassified = false } = {}): Promise<readonly string[]> {
  const domains = Array.from({ length: count }, () => newDomain()).sort();
  const kid = unclassified ? null : (kek.kid as string);
  const values = await Promise.all(
    domains.map(async (domain) => [
      domain,
      await wrapPrivateKey(privateJwk(domain), { domain, keyVersion: 1 }, [kek]),
      kid,
    ]),
  );
  await env.DB.batch([
    env.DB.prepare(
      `insert into domain_keys (domain, key_version, public_jwk, wrapped_private_jwk, created_at, key_encryption_kid)
       select value ->> 0, 1, '{}', value ->> 1, 0, value ->> 2 from json_each(?)`,
    ).bind(JSON.stringify(values)),
    ...(kid === null ? [] : [env.DB.prepare("insert into key_encryption_uses values (?, ?)").bind(kid, count)]),
  ]);
  return domains;
}

/** The `kid` that each domain's first key rests under by now, having opened it with that key. */
async function openedWith(domains: readonly string[], ...keks: JWK[]): Promise<readonly string[]> {
  return Promise.all(
    domains.map(async (domain) => {
      const wrapped = (await rows(domain)).keys[0]?.wrapped_private_jwk as string;
      expect(await unwrapPrivateKey(wrapped, { domain, keyVersion: 1 }, keks)).toEqual(privateJwk(domain));
      return decodeProtectedHeader(wrapped).kid as string;
    }),
  );
}

/** What is counted of a key-encryption key, and what there really is. */
async function uses(kek: JWK) {
  const statements = [
    "select domain_keys as count from key_encryption_uses where kid = ?",
    "select count(*) as count from domain_keys where key_encryption_kid = ?",
  ];
  const [counted, found] = await env.DB.batch<{ count: number }>(
    statements.map((statement) => env.DB.prepare(statement).bind(kek.kid)),
  );
  return { counted: counted?.results[0]?.count ?? 0, found: found?.results[0]?.count };
}

const exactly = (count: number) => ({ counted: count, found: count });

let errors: MockInstance | undefined;
beforeEach(() =>
  env.DB.batch(["domain_keys", "key_encryption_uses"].map((table) => env.DB.prepare(`delete from ${table}`))),
);
afterEach(() => vi.restoreAllMocks());

function logged(): string[] {
  return (errors?.mock.calls.flat() ?? []) as string[];
}

describe("the count of what each key-encryption key wraps", () => {
  it("is kept by the commits that make keys, and by no other", async () => {
    const kek = newKek();
    const statements: string[][] = [];
    const database = faultyDatabase(env.DB, (sql, run) => {
      statements.push([...sql]);
      return run();
    });
    const keyring = new Keyring("counted", { ...CONFIG, keyEncryptionKeys: [kek] });
    const writer = new DomainWriter("counted", new DomainStore(database), keyring, NO_TALLIES);
    const device = newGuid();
    const counting = () => statements.flat().filter((sql) => sql.includes("key_encryption")).length;
    await writer.change([request(joins(device))]);
    expect(await uses(kek)).toEqual(exactly(1));
    const before = counting();
    await writer.join([request(joins(newGuid()))]);
    await writer.change([request(joins(newGuid()))]);
    await writer.change([request(leaves(device))]);
    expect(counting()).toBe(before);
    await writer.change([request(joins(device))]);
    expect(await uses(kek)).toEqual(exactly(2));
  });
});

describe("wrapping keys anew", () => {
  it("moves every key to the first key-encryption key, and leaves the keys what they were", async () => {
    const [old, older, fresh] = [newKek(), newKek(), newKek()];
    const domains = [...(await newWrappedKeys(old, 270)), ...(await newWrappedKeys(older, 3))];
    expect(await rewrapKeys(env.DB, [fresh, old, older], ALL)).toEqual({ rewrapped: 273, locked: 0 });
    expect(new Set(await openedWith(domains, fresh))).toEqual(new Set([fresh.kid]));
    expect([await uses(old), await uses(older), await uses(fresh)]).toEqual([exactly(0), exactly(0), exactly(273)]);
    expect(await rewrapKeys(env.DB, [fresh, old, older], ALL)).toEqual({ rewrapped: 0, locked: 0 });
  });

  it("finds keys from before their wrapping was noted, notes it, and moves those that need it", async () => {
    const [old, fresh] = [newKek(), newKek()];
    const domains = await newWrappedKeys(old, 3, { unclassified: true });
    const upToDate = await newWrappedKeys(fresh, 2, { unclassified: true });
    await rewrapKeys(env.DB, [fresh, old], ALL);
    expect(new Set(await openedWith([...domains, ...upToDate], fresh))).toEqual(new Set([fresh.kid]));
    expect([await uses(old), await uses(fresh)]).toEqual([exactly(0), exactly(5)]);
  });

  it("does no more in one run than it is told to, and the next run goes on", async () => {
    const [old, fresh] = [newKek(), newKek()];
    await newWrappedKeys(old, 600);
    const first = await rewrapKeys(env.DB, [fresh, old], 1);
    expect(first.rewrapped).toBeGreaterThan(0);
    expect(first.rewrapped).toBeLessThan(600);
    expect(await uses(old)).toEqual(exactly(600 - first.rewrapped));
    expect(await uses(fresh)).toEqual(exactly(first.rewrapped));
    await rewrapKeys(env.DB, [fresh, old], ALL);
    expect(await uses(fresh)).toEqual(exactly(600));
  });

  it("may end at any call to the database, before it or after: the next run finishes it", async () => {
    const keks = [newKek()];
    const domains = await newWrappedKeys(keks[0] as JWK, 260);
    for (const answerIsLost of [false, true]) {
      for (let fatal = 0, ended = true; ended; fatal++) {
        keks.unshift(newKek());
        let calls = 0;
        const dying: Interference = async (_, run) => {
          if (calls++ !== fatal) return run();
          if (answerIsLost) await run();
          throw new Error(CONNECTION_LOST);
        };
        ended = await rewrapKeys(faultyDatabase(env.DB, dying), keks, ALL).then(
          () => false,
          () => true,
        );
        const counts = await Promise.all(keks.map(uses));
        expect(counts.map(({ counted }) => counted)).toEqual(counts.map(({ found }) => found));
        await rewrapKeys(env.DB, keks, ALL);
        expect(await uses(keks[0] as JWK)).toEqual(exactly(260));
      }
    }
    expect(new Set(await openedWith(domains, keks[0] as JWK)).size).toBe(1);
  });

  it("is harmless when several runs come to the same keys", async () => {
    const [old, fresh] = [newKek(), newKek()];
    const domains = await newWrappedKeys(old, 100);
    // Each has read all keys before any of them writes.
    const { promise: allHaveRead, resolve } = Promise.withResolvers<void>();
    let read = 0;
    const database = faultyDatabase(env.DB, async (sql, run) => {
      if (!sql[0]?.includes("json_each")) return run();
      if (++read === 3) resolve();
      await allHaveRead;
      return run();
    });
    const runs = await Promise.all([1, 2, 3].map(() => rewrapKeys(database, [fresh, old], ALL)));
    expect(runs.map(({ rewrapped }) => rewrapped).sort()).toEqual([0, 0, 100]);
    expect([await uses(old), await uses(fresh)]).toEqual([exactly(0), exactly(100)]);
    await openedWith(domains, fresh);
  });

  it("leaves a key that does not open, counts it, says so without the key, and goes on", async () => {
    errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const [old, fresh] = [newKek(), newKek()];
    const domains = await newWrappedKeys(old, 20);
    const [first, second, third] = domains as [string, string, string];
    const wrapped = async (domain: string) => (await rows(domain)).keys[0]?.wrapped_private_jwk as string;
    const put = (domain: string, text: string) =>
      env.DB.prepare("update domain_keys set wrapped_private_jwk = ? where domain = ?").bind(text, domain).run();
    const damaged = `${(await wrapped(first)).slice(0, -4)}AAAA`;
    const another = await wrapped(third);
    await put(first, damaged);
    await put(second, another);
    expect(await rewrapKeys(env.DB, [fresh, old], ALL)).toEqual({ rewrapped: 18, locked: 2 });
    expect([await wrapped(first), await wrapped(second)]).toEqual([damaged, another]);
    expect([await uses(old), await uses(fresh)]).toEqual([exactly(2), exactly(18)]);
    expect(logged()).toEqual([
      expect.stringContaining(`key 1 of domain ${first} does not open`),
      expect.stringContaining(`the row of key 1 of domain ${second} holds another key`),
    ]);
    for (const part of [...damaged.split("."), ...another.split(".")].filter((each) => each.length > 8)) {
      expect(logged().join()).not.toContain(part);
    }
  });

  it("leaves keys of old unclassified that name a key-encryption key nobody configured", async () => {
    errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const [lost, old, fresh] = [newKek("lost"), newKek(), newKek()];
    await newWrappedKeys(lost, 1, { unclassified: true });
    const domains = await newWrappedKeys(old, 1, { unclassified: true });
    expect(await rewrapKeys(env.DB, [fresh, old], ALL)).toEqual({ rewrapped: 1, locked: 1 });
    await openedWith(domains, fresh);
    expect(await uses(lost)).toEqual(exactly(0));
    expect(logged().join()).toContain('was wrapped with \\"lost\\"');
  });

  it("finds, counts and writes keys by an index, however many there are", async () => {
    const [old, fresh] = [newKek(), newKek()];
    await newWrappedKeys(old, 300);
    await newWrappedKeys(old, 1, { unclassified: true });
    const { database, recorded } = recordingDatabase(env.DB);
    await rewrapKeys(database, [fresh, old], ALL);
    const plans = await Promise.all(
      recorded.map(async ({ sql, values }) => {
        const { results } = await env.DB.prepare(`explain query plan ${sql}`)
          .bind(...values)
          .all<{ detail: string }>();
        return results.map(({ detail }) => detail);
      }),
    );
    expect(plans.flat().filter((detail) => /^SEARCH (domain_keys|key) USING/.test(detail)).length).toBeGreaterThan(4);
    // The counts are some few rows, one for each key-encryption key there ever was.
    const scanned = plans.flat().flatMap((detail) => /^SCAN (\S+)/.exec(detail)?.[1] ?? []);
    expect(scanned.filter((name) => name === "domain_keys" || name === "key")).toEqual([]);
  });

  it("does not disturb an object that holds the keys in memory", async () => {
    const [old, fresh] = [newKek(), newKek()];
    const domain = newDomain();
    const statements: string[] = [];
    const database = faultyDatabase(env.DB, (sql, run) => {
      statements.push(...sql);
      return run();
    });
    const writerWith = (...keyEncryptionKeys: JWK[]) =>
      new DomainWriter(
        domain,
        new DomainStore(database),
        new Keyring(domain, { ...CONFIG, keyEncryptionKeys }),
        NO_TALLIES,
      );
    await writerWith(old).change([request(joins(newGuid()))]);
    const writer = writerWith(fresh, old);
    const member = newGuid();
    const privateKeys = async () => {
      const [result] = await writer.change([request(joins(member))]);
      return result && "credentials" in result
        ? result.credentials.map(({ privateKey }) => privateKey)
        : gist(result as never);
    };
    const before = await privateKeys();
    expect(before).toHaveLength(1);
    await rewrapKeys(env.DB, [fresh, old], ALL);
    expect(await uses(fresh)).toEqual(exactly(1));
    statements.length = 0;
    expect(await privateKeys()).toEqual(before);
    expect(await writer.join([request(joins(newGuid()))])).toMatchObject([{ outcome: { granted: true } }]);
    expect(statements.length).toBeGreaterThan(0);
    expect(statements.join()).not.toContain("wrapped_private_jwk");
  });
});

/** The Worker under other key-encryption keys, in an isolate of its own as far as it remembers anything. */
function workerWith(keks: readonly JWK[], database: D1Database = env.DB) {
  const app = createApp();
  const environment = { ...env, DB: database, KEY_ENCRYPTION_KEYS: set(...keks) };
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
const CURRENT = CONFIG.keyEncryptionKeys[0] as JWK;

describe("an operator", () => {
  it("sees how far it is, and may have it done at once", async () => {
    const fresh = newKek();
    await register(newDomain(), newGuid());
    const ask = workerWith([fresh, ...CONFIG.keyEncryptionKeys]);
    expect(await ask("GET", "/admin/key-encryption", asOperator)).toEqual({
      status: 200,
      body: {
        currentKid: fresh.kid,
        kids: [{ kid: CURRENT.kid, domainKeys: 1 }],
        unclassified: false,
        done: false,
      },
    });
    const finished = {
      currentKid: fresh.kid,
      kids: [{ kid: fresh.kid, domainKeys: 1 }],
      unclassified: false,
      done: true,
    };
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
    await env.DB.prepare("update domain_keys set wrapped_private_jwk = '' where domain = ?").bind(domain).run();
    // In an object of its own, which never had the key in memory.
    await evictDurableObject(env.DOMAIN_OBJECT.getByName(domain));
    expect((await register(domain, newGuid())).status).toBe(500);
    const ask = workerWith([CURRENT]);
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

  it("is told of keys from before their wrapping was noted", async () => {
    await newWrappedKeys(CURRENT, 1, { unclassified: true });
    const ask = workerWith([CURRENT]);
    const progress = async () => (await ask("GET", "/admin/key-encryption", asOperator)).body;
    expect(await progress()).toMatchObject({ kids: [], unclassified: true, done: false });
    await ask("POST", "/admin/key-encryption/rewrap", asOperator);
    expect(await progress()).toMatchObject({ kids: [{ domainKeys: 1 }], unclassified: false, done: true });
  });

  it("has it done by and by if nobody asks", async () => {
    const [old, fresh] = [newKek(), newKek()];
    await newWrappedKeys(old, 2);
    await maintain({ ...env, KEY_ENCRYPTION_KEYS: set(fresh, old) }, Date.now());
    expect([await uses(old), await uses(fresh)]).toEqual([exactly(0), exactly(2)]);
  });

  it("needs a credential for either", async () => {
    for (const [method, path] of [
      ["GET", "/admin/key-encryption"],
      ["POST", "/admin/key-encryption/rewrap"],
    ] as const) {
      expect(await workerWith([CURRENT])(method, path)).toMatchObject({
        status: 401,
        body: { error: "ADMIN_AUTHENTICATION_REQUIRED" },
      });
    }
  });
});

describe("a key-encryption key that is taken away too early", () => {
  it("has every device and operator refused, and the log say which and why", async () => {
    errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const early = newKek("taken-away");
    await newWrappedKeys(early, 7);
    const ask = workerWith([newKek()]);
    const domain = newDomain();
    const body = { machineGuid: newGuid() };
    for (const answer of [
      await ask("POST", `/domains/${domain}/register`, { body }),
      await ask("POST", `/domains/${domain}/deregister`, { body }),
      await ask("GET", "/admin/domains", asOperator),
      await ask("PUT", `/admin/domains/${domain}`, { ...asOperator, body: {} }),
    ]) {
      expect(answer).toMatchObject({ status: 500, body: { error: "INTERNAL_ERROR" } });
      expect(JSON.stringify(answer.body)).not.toContain("taken-away");
    }
    expect(logged()).toHaveLength(4);
    for (const line of logged()) {
      expect(JSON.parse(line).error).toContain(
        'KEY_ENCRYPTION_KEYS lacks what domain keys are still wrapped with: put back "taken-away" (wraps 7).',
      );
    }
    expect((await rows(domain)).info).toBeUndefined();
    expect((await ask("GET", "/admin/domains")).status).toBe(401);
    expect(await ask("GET", "/health")).toMatchObject({ status: 503, body: { database: "ok", secrets: "failing" } });
    expect((await ask("GET", "/.well-known/jwks.json")).status).toBe(200);

    const mended = workerWith([newKek(), early]);
    expect((await mended("GET", "/admin/domains", asOperator)).status).toBe(200);
    expect(await mended("GET", "/health")).toMatchObject({ status: 200, body: { secrets: "ok" } });
  });

  it("is looked for once, before the first device or operator", async () => {
    const statements: string[] = [];
    const database = faultyDatabase(env.DB, (sql, run) => {
      statements.push(...sql);
      return run();
    });
    const ask = workerWith([CURRENT], database);
    const looks = () => statements.filter((sql) => sql.includes("key_encryption")).length;
    const body = { machineGuid: newGuid() };
    await ask("GET", `/domains/${newDomain()}/keys`);
    expect(looks()).toBe(0);
    expect((await ask("POST", `/domains/${newDomain()}/register`, { body })).status).toBe(201);
    expect(looks()).toBe(1);
    await ask("POST", `/domains/${newDomain()}/register`, { body });
    await ask("GET", "/admin/domains", asOperator);
    expect(looks()).toBe(1);
  });
});
