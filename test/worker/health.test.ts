import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { base64url } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { ORIGIN } from "../support/worker/client.ts";
import { CONNECTION_LOST, faultyDatabase } from "../support/worker/faulty-database.ts";

const COPIED = { domains: 0, seconds: 0 };

// Storage is this file's own.
afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
});

const tables = () =>
  env.DB.prepare("select name from sqlite_master where type = 'table' and name like '%domain%'").all<{
    name: string;
  }>();

/** The health of a server with another environment. */
function health(environment: object) {
  return asker(environment)();
}

/** Asks one such server, as often as it is called. */
function asker(environment: object) {
  const [app, vars] = [createApp(), { ...env, ...environment }];
  return async () => {
    const response = await app.fetch(new Request(`${ORIGIN}/health`), vars);
    // biome-ignore lint/suspicious/noExplicitAny: tests assert what they find
    return { status: response.status, body: (await response.json()) as any };
  };
}

describe("GET /health", () => {
  it("says so if any table is missing", async () => {
    const { results } = await tables();
    expect(results).toHaveLength(5);
    for (const { name } of results) {
      await env.DB.prepare(`alter table ${name} rename to gone`).run();
      const { status, body } = await health({});
      expect(status, name).toBe(503);
      expect(body).toEqual({ status: "failing", database: "unmigrated", secrets: "ok", copy: COPIED });
      await env.DB.prepare(`alter table gone rename to ${name}`).run();
    }
    expect((await health({})).status).toBe(200);
  });

  it("says so of a database that only the first migrations were applied to", async () => {
    for (let applied = 0; applied < env.TEST_MIGRATIONS.length; applied++) {
      await reset();
      await applyD1Migrations(env.DB, env.TEST_MIGRATIONS.slice(0, applied));
      const { status, body } = await health({});
      expect(status, `${applied} migrations`).toBe(503);
      expect(body.database).toBe("unmigrated");
    }
  });

  it("tells a database that does not answer from one without tables", async () => {
    const DB = faultyDatabase(env.DB, () => Promise.reject(new Error(CONNECTION_LOST)));
    expect(await health({ DB })).toEqual({
      status: 503,
      body: { status: "failing", database: "failing", secrets: "ok", copy: COPIED },
    });
  });

  it("says so if a secret is no key, and not which", async () => {
    const { keys } = JSON.parse(env.DOMAIN_AUTHORITY_KEYS);
    const broken = { ...keys[0], x: keys[0].y, y: keys[0].x };
    const { status, body } = await health({ DOMAIN_AUTHORITY_KEYS: JSON.stringify({ keys: [broken] }) });
    expect(status).toBe(503);
    expect(body).toEqual({ status: "failing", database: "ok", secrets: "failing", copy: COPIED });
  });

  it("says so if a key does not open what it sealed, although nothing throws", async () => {
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    vi.spyOn(crypto.subtle, "decrypt").mockRejectedValue(new Error("the operation failed"));
    expect(await health({})).toEqual({
      status: 503,
      body: { status: "failing", database: "ok", secrets: "failing", copy: COPIED },
    });
    expect(errors.mock.calls.join()).toContain("a key of KEY_ENCRYPTION_KEYS does not open its own");
  });

  it("says so if a key is missing that a domain key is wrapped with, and the log says which", async () => {
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const fresh = { kty: "oct", kid: "fresh", k: base64url.encode(new Uint8Array(32)) };
    const KEY_ENCRYPTION_KEYS = JSON.stringify({ keys: [fresh] });
    expect((await health({ KEY_ENCRYPTION_KEYS })).status).toBe(200);
    await wrapWith("taken-away", 3);
    await wrapWith("fresh", 2);
    const { status, body } = await health({ KEY_ENCRYPTION_KEYS });
    expect(status).toBe(503);
    expect(body).toEqual({ status: "failing", database: "ok", secrets: "failing", copy: COPIED });
    expect(errors.mock.calls.join()).toContain("put back taken-away");
  });

  it("tells how far the database is behind, and is well without that", async () => {
    const behind = (lag: () => Promise<object>) => ({ DATABASE_WRITER: { getByName: () => ({ lag }) } });
    const copy = { domains: 7, seconds: 3.5 };
    expect(await health(behind(() => Promise.resolve(copy)))).toEqual({
      status: 200,
      body: { status: "ok", database: "ok", secrets: "ok", copy },
    });
    vi.spyOn(console, "error").mockImplementation(() => {});
    expect(await health(behind(() => Promise.reject(new Error("the writer is lost"))))).toEqual({
      status: 200,
      body: { status: "ok", database: "ok", secrets: "ok", copy: null },
    });
  });

  it("reads no row of any table, but some of an index for each key-encryption key", async () => {
    const rows: number[] = [];
    const DB = faultyDatabase(env.DB, async (_, run) => {
      const results = (await run()) as D1Result | D1Result[];
      rows.push(...[results].flat().map(({ meta }) => meta.rows_read));
      return results;
    });
    const readBy = async () => {
      rows.length = 0;
      expect((await health({ DB })).status).toBe(200);
      return [...rows];
    };
    const ofNothing = await readBy();
    const [{ kid }] = JSON.parse(env.KEY_ENCRYPTION_KEYS).keys;
    await wrapWith(kid, 50);
    const ofSome = await readBy();
    await wrapWith(kid, 5_000, 51);
    const ofMany = await readBy();
    // One statement for each table, and one for the keys.
    expect(ofNothing.slice(0, -1)).toEqual([0, 0, 0, 0, 0]);
    expect(ofMany.slice(0, -1)).toEqual([0, 0, 0, 0, 0]);
    expect(ofMany.at(-1)).toBe(ofSome.at(-1));
    expect(ofMany.at(-1)).toBeLessThan(8);
  });
});

describe("GET /health, asked often", () => {
  const MANY = 400;

  /** A server whose database counts the checks, and may fail; time stands still for it. */
  function counted(fails: () => boolean = () => false) {
    vi.useFakeTimers({ toFake: ["Date"] });
    let checks = 0;
    const DB = faultyDatabase(env.DB, async (queries, run) => {
      if (/limit 0/.test(queries.join())) checks++;
      if (fails()) throw new Error(CONNECTION_LOST);
      return run();
    });
    return { ask: asker({ DB }), checks: () => checks };
  }

  afterEach(() => vi.useRealTimers());

  it(`makes one check of ${MANY} requests at once, and none for a second`, async () => {
    const { ask, checks } = counted();
    const all = await Promise.all(Array.from({ length: MANY }, ask));
    expect(all).toEqual(all.map(() => ({ status: 200, body: expect.objectContaining({ status: "ok" }) })));
    vi.setSystemTime(Date.now() + 999);
    expect((await ask()).status).toBe(200);
    expect(checks()).toBe(1);
    vi.setSystemTime(Date.now() + 1);
    await Promise.all(Array.from({ length: MANY }, ask));
    expect(checks()).toBe(2);
  });

  it("tells of a failure for as long, and then that it is over", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    let away = true;
    const { ask, checks } = counted(() => away);
    const all = await Promise.all(Array.from({ length: MANY }, ask));
    expect(all).toEqual(all.map(() => ({ status: 503, body: expect.objectContaining({ database: "failing" }) })));
    away = false;
    expect((await ask()).status).toBe(503);
    expect(checks()).toBe(1);
    vi.setSystemTime(Date.now() + 1_000);
    expect((await ask()).status).toBe(200);
    expect(checks()).toBe(2);
  });
});

/** Puts as many domain keys into the database that a key-encryption key wraps. */
function wrapWith(kid: string, count: number, from = 1): Promise<unknown> {
  return env.DB.prepare(
    `with recursive numbers(n) as (select ?3 union all select n + 1 from numbers where n < ?2 + ?3 - 1)
      insert into domain_keys (domain, key_version, public_jwk, wrapped_private_jwk, key_encryption_kid)
      select ?1, n, '{}', '', ?1 from numbers`,
  )
    .bind(kid, count, from)
    .run();
}
