import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { ORIGIN, reply } from "./client.ts";
import { CONNECTION_LOST, faultyDatabase } from "./faulty-database.ts";

// Storage is this file's own.
afterEach(async () => {
  await reset();
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
});

const tables = () =>
  env.DB.prepare("select name from sqlite_master where type = 'table' and name like 'domain\\_%' escape '\\'").all<{
    name: string;
  }>();

/** What a server with another environment says of its health. */
async function health(environment: object) {
  const response = await createApp().fetch(new Request(`${ORIGIN}/health`), { ...env, ...environment });
  return { status: response.status, body: await response.json() };
}

describe("GET /health", () => {
  it("says so if any table is missing", async () => {
    const { results } = await tables();
    expect(results.length).toBeGreaterThan(4);
    for (const { name } of results) {
      await env.DB.prepare(`alter table ${name} rename to gone`).run();
      const { status, body } = await reply("GET", "/health");
      expect(status, name).toBe(503);
      expect(body).toEqual({ status: "failing", database: "unmigrated", secrets: "ok" });
      await env.DB.prepare(`alter table gone rename to ${name}`).run();
    }
    expect((await reply("GET", "/health")).status).toBe(200);
  });

  it("says so of a database that only the first migrations were applied to", async () => {
    for (let applied = 0; applied < env.TEST_MIGRATIONS.length; applied++) {
      await reset();
      await applyD1Migrations(env.DB, env.TEST_MIGRATIONS.slice(0, applied));
      const { status, body } = await reply("GET", "/health");
      expect(status, `${applied} migrations`).toBe(503);
      expect(body.database).toBe("unmigrated");
    }
  });

  it("tells a database that does not answer from one without tables", async () => {
    const DB = faultyDatabase(env.DB, () => Promise.reject(new Error(CONNECTION_LOST)));
    expect(await health({ DB })).toEqual({
      status: 503,
      body: { status: "failing", database: "failing", secrets: "ok" },
    });
  });

  it("says so if a secret is no key, and not which", async () => {
    const { keys } = JSON.parse(env.DOMAIN_AUTHORITY_KEYS);
    const broken = { ...keys[0], x: keys[0].y, y: keys[0].x };
    const { status, body } = await health({ DOMAIN_AUTHORITY_KEYS: JSON.stringify({ keys: [broken] }) });
    expect(status).toBe(503);
    expect(body).toEqual({ status: "failing", database: "ok", secrets: "failing" });
  });

  it("reads no row of any table", async () => {
    const rows: number[] = [];
    const DB = faultyDatabase(env.DB, async (_, run) => {
      const results = (await run()) as D1Result[];
      rows.push(...results.map(({ meta }) => meta.rows_read));
      return results;
    });
    expect((await health({ DB })).status).toBe(200);
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.every((count) => count === 0)).toBe(true);
  });
});
