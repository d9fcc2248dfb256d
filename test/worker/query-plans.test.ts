import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { asAdmin, newDomain, newGuid, ORIGIN } from "./client.ts";
import { type Recorded, recordingDatabase } from "./recording-database.ts";

const SIZES = { small: 200, large: 20_000 } as const;
const PAGE = 50;
type Size = keyof typeof SIZES;

const domains = { small: newDomain(), large: newDomain() };
const app = createApp();

/** Fills a domain's tables by its size, and with domains whose names begin with its own. */
async function fill(domain: string, rows: number) {
  const numbers = "with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ?2)";
  const guid = "printf('%08x-6c1e-4f0a-9d3b-5a7e21c04f88', n * 7)";
  const from = "from numbers where ?1 is not null";
  const inserts = [
    `insert into domain_membership select ?1, ${guid}, null, n, null, n % 90 ${from}`,
    `insert into domain_bans select ?1, ${guid}, null, 'stolen', 'ada', n ${from}`,
    `insert into domain_keys (domain, key_version, public_jwk, wrapped_private_jwk, created_at)
      select ?1, n, '{}', '', n ${from}`,
    `insert into domain_log select ?1, n, 'commit-' || n, n, '[]', 'hash-' || n ${from}`,
    `insert into domain_refusals select ?1, n, 'DEREG_DENIED', 1 ${from}`,
    `insert into domain_server_info (domain, revision, created_at, updated_at)
      select ?1 || '.' || printf('%08x', n), 1, 0, 0 ${from}`,
    `insert into domain_server_info (domain, max_membership, member_count, revision, created_at, updated_at)
      select ?1, 1, ?2, ?2, 0, 0 from numbers where n = 1`,
  ];
  await env.DB.batch(
    inserts.map((insert) => env.DB.prepare(insert.replace(/ select/, ` ${numbers} select`)).bind(domain, rows)),
  );
}

beforeAll(async () => {
  for (const size of ["small", "large"] as const) await fill(domains[size], SIZES[size]);
});

/** What one request asks of the database, and its answer. */
async function recordedOf(path: string, init: RequestInit = {}) {
  const { database, recorded } = recordingDatabase(env.DB);
  const request = new Request(`${ORIGIN}${path}`, { headers: asAdmin, ...init });
  const response = await app.fetch(request, { ...env, DB: database });
  // Asked once in the life of an isolate, and of a table that has a row for each key-encryption key.
  const asked = recorded.filter(({ sql }) => !sql.includes("key_encryption_uses"));
  return { status: response.status, text: await response.text(), recorded: asked };
}

async function plan({ sql, values }: Recorded): Promise<string[]> {
  const statement = env.DB.prepare(`explain query plan ${sql}`).bind(...values);
  return (await statement.all<{ detail: string }>()).results.map(({ detail }) => detail);
}

/** How many rows the database reads for these statements. */
async function rowsRead(recorded: readonly Recorded[]): Promise<number> {
  const results = await Promise.all(
    recorded.map(({ sql, values }) =>
      env.DB.prepare(sql)
        .bind(...values)
        .all(),
    ),
  );
  return results.reduce((sum, { meta }) => sum + meta.rows_read, 0);
}

/** The tables by their names, and by those that statements give them. */
const TABLES = /^SCAN (domain_|before|cut|key|info|entry)/;

/** What a plan does that takes longer the more rows there are. */
function slowSteps(details: readonly string[]): string[] {
  const scans = details.filter((detail) => TABLES.test(detail));
  // What comes out of a subquery that has no more than a page may be sorted once more.
  const ofAPage = details.includes("CO-ROUTINE page");
  return [...scans, ...details.filter((detail) => !ofAPage && detail.includes("TEMP B-TREE"))];
}

const LISTS: [string, (domain: string) => string, string][] = [
  ["domains", (domain) => `/admin/domains?prefix=${domain}.`, "domains"],
  ["members", (domain) => `/admin/domains/${domain}/members`, "members"],
  ["bans", (domain) => `/admin/domains/${domain}/bans`, "bans"],
  ["key versions", (domain) => `/admin/domains/${domain}/key-versions`, "keys"],
  ["the log, newest first", (domain) => `/admin/domains/${domain}/log`, "entries"],
  ["the log, oldest first", (domain) => `/admin/domains/${domain}/log?order=oldest`, "entries"],
];

/** Pages of a list from its beginning on: what each asked of the database. */
async function pages(path: string, name: string, count: number): Promise<Recorded[][]> {
  const found: Recorded[][] = [];
  let cursor = "";
  for (let turn = 0; turn < count; turn++) {
    const { status, text, recorded } = await recordedOf(
      `${path}${path.includes("?") ? "&" : "?"}limit=${PAGE}${cursor}`,
    );
    expect(status).toBe(200);
    const body = JSON.parse(text);
    expect(body[name]).toHaveLength(PAGE);
    found.push(recorded);
    cursor = `&cursor=${body.nextCursor}`;
  }
  return found;
}

describe.each(LISTS)("a page of %s", (_, path, name) => {
  it.each(["first", "second"])("is found by an index, and in order (the %s)", async (which) => {
    const [first, second] = await pages(path(domains.large), name, 2);
    const recorded = (which === "first" ? first : second) as Recorded[];
    expect(recorded.length).toBeGreaterThan(0);
    for (const each of recorded) {
      const details = await plan(each);
      expect(details.filter((detail) => detail.startsWith("SEARCH")).join()).toMatch(/PRIMARY KEY|INDEX domain_/);
      expect(slowSteps(details), details.join("\n")).toEqual([]);
    }
  });

  it("reads as few rows of a large domain as of a small one", async () => {
    const [small] = await pages(path(domains.small), name, 1);
    const [large] = await pages(path(domains.large), name, 1);
    const read = await rowsRead(large as Recorded[]);
    expect(read).toBe(await rowsRead(small as Recorded[]));
    expect(read).toBeLessThan(10 * PAGE);
  });

  it("reads as few rows far behind as at the beginning", async () => {
    const far = await pages(path(domains.large), name, 40);
    expect(await rowsRead(far.at(-1) as Recorded[])).toBe(await rowsRead(far.at(1) as Recorded[]));
  });
});

describe.each([
  ["a domain", (domain: string) => `/admin/domains/${domain}`],
  ["the head of the log", (domain: string) => `/admin/domains/${domain}/log/head`],
  ["a member", (domain: string) => `/admin/domains/${domain}/members/00000007-6c1e-4f0a-9d3b-5a7e21c04f88`],
])("%s", (_, path) => {
  it("is found by an index, however large the domain", async () => {
    const [small, large] = await Promise.all([domains.small, domains.large].map((domain) => recordedOf(path(domain))));
    expect([small?.status, large?.status]).toEqual([200, 200]);
    for (const each of large?.recorded ?? []) expect(slowSteps(await plan(each))).toEqual([]);
    expect(await rowsRead(large?.recorded ?? [])).toBe(await rowsRead(small?.recorded ?? []));
  });
});

describe("the members of a full domain that have not renewed for longest", () => {
  const asked = (size: Size) =>
    recordedOf(`/domains/${domains[size]}/register`, {
      method: "POST",
      headers: { ...asAdmin, "content-type": "application/json" },
      body: JSON.stringify({ machineGuid: newGuid() }),
    });

  it("are found by an index, in order, however many members there are", async () => {
    const [small, large] = [await asked("small"), await asked("large")];
    expect([small.status, large.status]).toEqual([409, 409]);
    expect(JSON.parse(large.text).leastRecentlyRenewed).toHaveLength(5);
    const details = await Promise.all(large.recorded.map(plan));
    expect(details.flat().join()).toContain("domain_membership_by_renewal");
    expect(details.flatMap(slowSteps)).toEqual([]);
    expect(await rowsRead(large.recorded)).toBe(await rowsRead(small.recorded));
  });
});

describe("the activity of a domain", () => {
  it("reads no table from end to end, and no more of the log than it says it does", async () => {
    const { status, recorded } = await recordedOf(`/admin/domains/${domains.large}/activity`);
    expect(status).toBe(200);
    for (const each of recorded) {
      const scans = (await plan(each)).filter((detail) => /^SCAN .*domain_/.test(detail));
      expect(scans).toEqual([]);
    }
    expect(await rowsRead(recorded)).toBeLessThan(SIZES.large);
  });
});
