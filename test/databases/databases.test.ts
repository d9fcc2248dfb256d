import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ConfigError, readConfig } from "../../src/server/config.ts";
import { databasesOf } from "../../src/server/database/databases.ts";
import worker from "../../src/server/index.ts";
import { asAdmin, deregister, newDomain, newGuid, ORIGIN, register, reply, rows } from "../support/worker/client.ts";
import { databaseOf, rowsByDatabase, spreadDomains } from "../support/worker/database-domains.ts";
import { evict, objectOf, setEnvironment } from "../support/worker/objects.ts";
import { operate, paged } from "../support/worker/operators.ts";

afterEach(() => vi.restoreAllMocks());

/** Loses everything that the object of a domain keeps. */
async function loseStorage(domain: string): Promise<void> {
  const { runInDurableObject } = await import("cloudflare:test");
  await runInDurableObject(objectOf(domain), (_, { storage }) => storage.deleteAll());
  await evict(domain);
}

/** The Worker with some of the databases alone. */
async function withDatabases(names: readonly string[], path: string) {
  const bound = Object.fromEntries(Object.entries(env).filter(([name]) => !databasesOf(env).has(name)));
  for (const name of names) bound[name] = databasesOf(env).get(name);
  const context = { waitUntil: () => {}, passThroughOnException: () => {} } as unknown as ExecutionContext;
  const answer = await worker.fetch(
    new Request(`${ORIGIN}${path}`, { headers: asAdmin }),
    bound as unknown as Env,
    context,
  );
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

describe("the databases of a deployment", () => {
  it("are in the order of their numbers", () => {
    expect([...databasesOf(env).keys()]).toEqual(["DB", "DB_2", "DB_10"]);
  });

  it.each([
    ['["DB_3"]', "OPEN_DATABASES names DB_3, which is not bound."],
    ['["DB_1"]', "OPEN_DATABASES is malformed at 0: must be the binding of a D1 database, such as DB_2."],
    ["[]", /^OPEN_DATABASES is malformed/],
    ["DB_2", "OPEN_DATABASES is not JSON."],
  ])("that are open are not %s", (text, message) => {
    const read = () => readConfig({ ...env, OPEN_DATABASES: text } as unknown as Parameters<typeof readConfig>[0]);
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(message);
  });
});

describe("a domain", () => {
  it("has all its rows in one database, for as long as it lives", async () => {
    for (const { domain, member, database } of await spreadDomains()) {
      await operate("PUT", `/${domain}/bans/${newGuid()}`, { reason: "stolen" });
      await deregister(domain, member);
      await register(domain, newGuid());
      const { body } = await operate("POST", `/${domain}/copy`);
      expect(body.copiedRevision).toBe(body.revision);
      expect(await rowsByDatabase(domain)).toEqual({
        [database]: { domain_server_info: 1, domain_membership: 1, domain_keys: 2, domain_bans: 1 },
      });
    }
  });

  it("is born in an open database alone, and stays there when others open", async () => {
    for (let count = 0; count < 6; count++) {
      const domain = newDomain();
      await setEnvironment(domain, { OPEN_DATABASES: '["DB_10"]' });
      await register(domain, newGuid());
      await vi.waitFor(async () => expect(await databaseOf(domain)).toBe("DB_10"), { timeout: 20_000 });
      await evict(domain);
      await setEnvironment(domain, { OPEN_DATABASES: '["DB"]' });
      await register(domain, newGuid());
      await operate("POST", `/${domain}/copy`);
      expect(await rowsByDatabase(domain)).toMatchObject({ DB_10: { domain_membership: 2 } });
      expect(await databaseOf(domain)).toBe("DB_10");
    }
  });

  it("is taken over from the database that has it, and stays there", async () => {
    for (const { domain, database } of await spreadDomains()) {
      await loseStorage(domain);
      expect((await register(domain, newGuid())).status).toBe(201);
      expect((await rows(domain)).members).toHaveLength(2);
      await operate("POST", `/${domain}/copy`);
      expect(await rowsByDatabase(domain)).toMatchObject({ [database]: { domain_membership: 2 } });
      expect(await databaseOf(domain)).toBe(database);
    }
  });

  it.each([false, true])("keeps its database when it is deleted and comes anew (storage lost: %s)", async (isLost) => {
    for (const { domain, database } of await spreadDomains(6)) {
      const deleted = await reply("DELETE", `/admin/domains/${domain}?confirm=${domain}`, undefined, asAdmin);
      expect(deleted.body.copied).toBe(true);
      expect(await rowsByDatabase(domain)).toEqual({ [database]: { deleted_domains: 1 } });
      if (isLost) await loseStorage(domain);
      const { body } = await register(domain, newGuid());
      expect(body.keyVersion).toBe(2);
      await operate("POST", `/${domain}/copy`);
      expect(await databaseOf(domain)).toBe(database);
    }
  });

  it("is not made while a database that may have it does not answer", async () => {
    const domain = newDomain();
    const failing = {
      prepare: () => {
        throw new Error("D1_ERROR: Network connection lost.");
      },
    };
    await setEnvironment(domain, { DB_2: failing });
    expect((await register(domain, newGuid())).status).toBe(503);
    expect((await rows(domain)).info).toBeUndefined();
  });
});

describe("lists across domains", () => {
  it("have the domains of all databases, in order, whatever the size of a page", async () => {
    const names = (await spreadDomains()).map(({ domain }) => domain);
    for (const limit of [1, 2, 5, 200]) {
      const listed = (await paged("", "domains", limit)).map(({ domain }) => domain as string);
      expect(listed).toEqual([...listed].sort());
      expect(new Set(listed).size).toBe(listed.length);
      expect(listed).toEqual(expect.arrayContaining(names));
    }
  });

  it("go on with their cursors after a database was added", async () => {
    const domains = await spreadDomains();
    const first = await withDatabases(["DB", "DB_2"], "/admin/domains?limit=3");
    const shown = (first.body.domains as { domain: string }[]).map(({ domain }) => domain);
    const last = shown.at(-1) as string;
    const rest = (await paged(`?cursor=${first.body.nextCursor}`, "domains", 200)).map(
      ({ domain }) => domain as string,
    );
    const expected = domains.map(({ domain }) => domain).filter((domain) => domain > last);
    expect(rest).toEqual(expect.arrayContaining(expected));
    expect(rest).toEqual([...rest].sort());
    expect(rest.every((domain) => domain > last)).toBe(true);
  });

  it("have the deletions and the domains of a device of all databases", async () => {
    const domains = await spreadDomains();
    const device = newGuid();
    for (const { domain } of domains) await register(domain, device);
    const names = domains.map(({ domain }) => domain).sort();
    await vi.waitFor(async () => {
      const found: string[] = [];
      for (let cursor = ""; ; ) {
        const { body } = await reply("GET", `/admin/devices/${device}?limit=2${cursor}`, undefined, asAdmin);
        found.push(...body.domains.map(({ domain }: { domain: string }) => domain));
        if (body.nextCursor === null) break;
        cursor = `&cursor=${body.nextCursor}`;
      }
      expect(found).toEqual(names);
    }, 20_000);
    const idleSince = new Date(Date.now()).toISOString();
    expect((await operate("POST", "/delete-idle", { idleSince, maxMembers: 0 })).status).toBe(200);
    for (const domain of names) await reply("DELETE", `/admin/domains/${domain}?confirm=${domain}`, undefined, asAdmin);
    const { body } = await reply("GET", "/admin/deletions?limit=200", undefined, asAdmin);
    const listed = body.deletions.map(({ domain }: { domain: string }) => domain);
    expect(listed).toEqual([...listed].sort());
    expect(listed).toEqual(expect.arrayContaining(names));
  });
});

describe("the server", () => {
  it("counts and re-wraps the keys of all databases", async () => {
    const domains = await spreadDomains();
    const { body } = await reply("GET", "/admin/key-encryption", undefined, asAdmin);
    expect(body.kids).toHaveLength(1);
    expect(body.kids[0].domainKeys).toBeGreaterThanOrEqual(domains.length);
  });

  it("is not well if one database is not", async () => {
    expect((await withDatabases(["DB", "DB_2", "DB_10"], "/health")).status).toBe(200);
    const unmigrated = {
      ...env,
      DB_2: env.DB,
      DB_10: { batch: () => Promise.reject(new Error("D1_ERROR: no such table: x")), prepare: () => ({}) },
    };
    const context = { waitUntil: () => {}, passThroughOnException: () => {} } as unknown as ExecutionContext;
    const answer = await worker.fetch(new Request(`${ORIGIN}/health`), unmigrated as unknown as Env, context);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ status: "failing", database: "unmigrated" });
  });
});
