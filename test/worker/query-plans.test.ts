import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { Copy } from "../../src/server/object/copy.ts";
import { DomainObject } from "../../src/server/object/domain-object.ts";
import { asAdmin, ask, configure, newDomain, newGuid, ORIGIN, register, stored } from "../support/worker/client.ts";
import { evict, execute, joins, leaves, operators, runAlarm } from "../support/worker/objects.ts";
import { type Executed, executedDuring, planOf } from "../support/worker/recorded-statements.ts";
import { type Recorded, recordingDatabase } from "../support/worker/recording-database.ts";

const SIZES = { small: 200, large: 20_000 } as const;
const PAGE = 50;
type Size = keyof typeof SIZES;

const domains = { small: newDomain(), large: newDomain() };
const app = createApp();
const guidOf = (number: number) => `${number.toString(16).padStart(8, "0")}-6c1e-4f0a-9d3b-5a7e21c04f88`;

const NUMBERS = "with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ?)";

/** Fills the tables of a domain's object by its size, and the database with domains whose names begin with its own. */
async function fill(domain: string, rows: number) {
  await configure(domain, {});
  // The first alarm of an object has the most to do.
  await runAlarm(domain);
  const guid = "printf('%08x-6c1e-4f0a-9d3b-5a7e21c04f88', n * 7)";
  for (const select of [
    `insert into domain_membership ${NUMBERS} select ${guid}, null, n, null, null, null, n % 90 from numbers`,
    `insert into domain_bans ${NUMBERS} select ${guid}, 'key-' || n, 'stolen', 'ada', n from numbers`,
    `insert into domain_keys ${NUMBERS} select n, '{}', '', '', n from numbers`,
    `insert into domain_requests ${NUMBERS} select ${guid} || ' key', 'deregister', null, '{}', 9e12 + n from numbers`,
    `insert into domain_signed_leaves ${NUMBERS} select ${guid}, n, 9e12 from numbers`,
    `insert into domain_refusals ${NUMBERS} select 1e9 + n, 'DEREG_DENIED', 1 from numbers`,
    `insert into domain_log ${NUMBERS} select n, n, '[]', 'hash-' || n, '' from numbers where n > 1`,
  ]) {
    await stored(domain, select, rows);
  }
  await stored(
    domain,
    `update domain_server_info set max_membership = 1, key_rollover_required = 0, retired_up_to = ?1, member_count = ?1,
      key_version = ?1, revision = ?1`,
    rows,
  );
  await evict(domain);
  // The first request of an instance also reads what the others find in memory.
  await ask("GET", `/admin/domains/${domain}`, undefined, asAdmin);
  await env.DB.prepare(
    `${NUMBERS} insert into domain_server_info (domain, revision, created_at, updated_at)
      select ? || '.' || printf('%08x', n), 1, 0, 0 from numbers`,
  )
    .bind(rows, domain)
    .run();
  await env.DB.prepare(
    `${NUMBERS} insert into domain_keys (domain, key_version, public_jwk, wrapped_private_jwk, key_encryption_kid)
      select ?, n, '{}', '', 'a-key' from numbers`,
  )
    .bind(rows, domain)
    .run();
}

beforeAll(async () => {
  for (const size of ["small", "large"] as const) await fill(domains[size], SIZES[size]);
  // What is recorded is what the requests are for, not what follows them when it can.
  vi.spyOn(Copy.prototype, "announce").mockImplementation(() => {});
  vi.spyOn(Copy.prototype, "reached").mockResolvedValue(false);
  vi.spyOn(DomainObject.prototype, "alarm").mockResolvedValue();
}, 120_000);

/** The tables of an object that have a row for each of many things. */
const LARGE = /^SCAN domain_(membership|bans|keys|requests|signed_leaves|refusals|log)$/;

/** The steps of a plan that take longer the more rows there are. A subquery's few rows may be sorted. */
function slowSteps(details: readonly string[]): string[] {
  const isOfLittle = details.includes("CO-ROUTINE page") || details.includes("MERGE (UNION)");
  return details.filter((detail) => LARGE.test(detail) || (!isOfLittle && detail.includes("TEMP B-TREE")));
}

/** The statements of an object for one request, and the answer. */
function executedFor(domain: string, path: string) {
  return executedDuring(domain, async () => {
    const answer = await ask("GET", path, undefined, asAdmin);
    return { status: answer.status, body: await answer.json<Record<string, unknown>>() };
  });
}

const rowsRead = (executed: readonly Executed[]) => executed.reduce((sum, each) => sum + each.rowsRead(), 0);

const LISTS: [string, (domain: string) => string, string][] = [
  ["members", (domain) => `/admin/domains/${domain}/members`, "members"],
  ["bans", (domain) => `/admin/domains/${domain}/bans`, "bans"],
  ["key versions", (domain) => `/admin/domains/${domain}/key-versions`, "keys"],
  ["the log, newest first", (domain) => `/admin/domains/${domain}/log`, "entries"],
  ["the log, oldest first", (domain) => `/admin/domains/${domain}/log?order=oldest`, "entries"],
];

/** Pages of a list from its beginning on: what the object did for each. */
async function pages(domain: string, path: string, name: string, count: number): Promise<(readonly Executed[])[]> {
  const found: (readonly Executed[])[] = [];
  let cursor = "";
  for (let turn = 0; turn < count; turn++) {
    const [{ status, body }, executed] = await executedFor(
      domain,
      `${path}${path.includes("?") ? "&" : "?"}limit=${PAGE}${cursor}`,
    );
    expect(status).toBe(200);
    expect(body[name]).toHaveLength(PAGE);
    found.push(executed);
    cursor = `&cursor=${body.nextCursor}`;
  }
  return found;
}

describe.each(LISTS)("a page of %s", (_, path, name) => {
  const of = (size: Size, count: number) => pages(domains[size], path(domains[size]), name, count);

  it.each(["first", "second"])("is found by an index, and in order (the %s)", async (which) => {
    const [first, second] = await of("large", 2);
    const executed = (which === "first" ? first : second) as readonly Executed[];
    expect(executed.length).toBeGreaterThan(0);
    for (const each of executed) {
      const details = await planOf(domains.large, each);
      expect(slowSteps(details), details.join("\n")).toEqual([]);
    }
  });

  it("reads as few rows of a large domain as of a small one", async () => {
    const [small] = await of("small", 1);
    const [large] = await of("large", 1);
    const read = rowsRead(large as readonly Executed[]);
    expect(read).toBe(rowsRead(small as readonly Executed[]));
    expect(read).toBeGreaterThanOrEqual(PAGE);
    expect(read).toBeLessThan(10 * PAGE);
  });

  it("reads as few rows far behind as at the beginning", async () => {
    const far = await of("large", 40);
    expect(rowsRead(far.at(-1) as readonly Executed[])).toBe(rowsRead(far.at(1) as readonly Executed[]));
  });
});

describe.each([
  ["a domain", (domain: string) => `/admin/domains/${domain}`],
  ["the head of the log", (domain: string) => `/admin/domains/${domain}/log/head`],
  ["a member", (domain: string) => `/admin/domains/${domain}/members/${guidOf(7)}`],
])("%s", (_, path) => {
  it("is found by an index, however large the domain", async () => {
    const [small, ofSmall] = await executedFor(domains.small, path(domains.small));
    const [large, ofLarge] = await executedFor(domains.large, path(domains.large));
    expect([small.status, large.status]).toEqual([200, 200]);
    for (const each of ofLarge) expect(slowSteps(await planOf(domains.large, each))).toEqual([]);
    expect(rowsRead(ofLarge)).toBe(rowsRead(ofSmall));
  });
});

describe.each([
  ["the newest of them", "keys", 200],
  ["those before a version", "keys?before=150", 200],
  ["one by its version", "keys?version=7", 200],
  ["one by its kid", "keys?kid=none-has-it", 404],
])("a domain's public keys: %s", (_, path, status) => {
  it("are found by an index, however many there are", async () => {
    const [small, ofSmall] = await executedFor(domains.small, `/domains/${domains.small}/${path}`);
    const [large, ofLarge] = await executedFor(domains.large, `/domains/${domains.large}/${path}`);
    expect([small.status, large.status]).toEqual([status, status]);
    expect(ofLarge.length).toBeGreaterThan(0);
    for (const each of ofLarge) {
      const details = await planOf(domains.large, each);
      expect(slowSteps(details), details.join("\n")).toEqual([]);
    }
    expect(rowsRead(ofLarge)).toBe(rowsRead(ofSmall));
  });
});

describe("the members of a full domain that have not renewed for longest", () => {
  const asked = (size: Size) => executedDuring(domains[size], () => register(domains[size], newGuid(), {}, asAdmin));

  it("are found by an index, in order, however many members there are", async () => {
    const [[small, ofSmall], [large, ofLarge]] = [await asked("small"), await asked("large")];
    expect([small.status, large.status]).toEqual([409, 409]);
    expect(large.body.leastRecentlyRenewed).toHaveLength(5);
    const details = await Promise.all(ofLarge.map((each) => planOf(domains.large, each)));
    expect(details.flat().join()).toContain("domain_membership_by_renewal");
    expect(details.flatMap(slowSteps)).toEqual([]);
    expect(rowsRead(ofLarge)).toBe(rowsRead(ofSmall));
  });
});

describe("a command", () => {
  const deviceKey = { thumbprint: "a-new-key", signedAt: 0, idempotencyKey: "jti" };
  const COMMANDS: [string, (domain: string) => Promise<unknown>][] = [
    ["that renews", (domain) => execute(domain, joins(guidOf(70)))],
    ["that is refused", (domain) => execute(domain, leaves(newGuid()))],
    ["that leaves under a key", (domain) => execute(domain, leaves(guidOf(77), { idempotencyKey: "a-key" }))],
    ["that is signed", (domain) => execute(domain, joins(guidOf(84), { proof: deviceKey }))],
    ["that bans", (domain) => execute(domain, operators({ type: "ban", machineGuid: guidOf(1), reason: "stolen" }))],
  ];

  it.each(COMMANDS)("%s finds what it needs by an index, however large the domain", async (_, run) => {
    const read: number[] = [];
    for (const domain of [domains.small, domains.large]) {
      const [, executed] = await executedDuring(domain, () => run(domain));
      expect(executed.length).toBeGreaterThan(0);
      for (const statement of executed) {
        const details = await planOf(domain, statement);
        expect(slowSteps(details), `${statement.sql}\n${details.join("\n")}`).toEqual([]);
      }
      read.push(rowsRead(executed));
    }
    expect(read[1]).toBe(read[0]);
  });
});

describe("the activity of a domain", () => {
  it("reads no table from end to end, and no more of the log than it says it does", async () => {
    const [{ status }, executed] = await executedFor(domains.large, `/admin/domains/${domains.large}/activity`);
    expect(status).toBe(200);
    for (const each of executed) {
      const scans = (await planOf(domains.large, each)).filter((detail) => /^SCAN domain_(?!log)/.test(detail));
      expect(scans).toEqual([]);
    }
    expect(rowsRead(executed)).toBeLessThan(SIZES.large);
  });
});

/** The statements that one request has the database run, and its answer. */
async function recordedOf(path: string) {
  const { database, recorded } = recordingDatabase(env.DB);
  const response = await app.fetch(new Request(`${ORIGIN}${path}`, { headers: asAdmin }), { ...env, DB: database });
  return { status: response.status, body: await response.json<Record<string, unknown>>(), recorded };
}

async function planInDatabase({ sql, values }: Recorded): Promise<string[]> {
  const statement = env.DB.prepare(`explain query plan ${sql}`).bind(...values);
  return (await statement.all<{ detail: string }>()).results.map(({ detail }) => detail);
}

/** How many rows the database reads for these statements. */
async function rowsReadInDatabase(recorded: readonly Recorded[]): Promise<number> {
  const results = await Promise.all(
    recorded.map(({ sql, values }) =>
      env.DB.prepare(sql)
        .bind(...values)
        .all(),
    ),
  );
  return results.reduce((sum, { meta }) => sum + meta.rows_read, 0);
}

describe("a page of domains", () => {
  /** Pages of the domains of a size, and what each asked of the database. */
  async function domainPages(size: Size, count: number): Promise<Recorded[][]> {
    const found: Recorded[][] = [];
    let cursor = "";
    for (let turn = 0; turn < count; turn++) {
      const { status, body, recorded } = await recordedOf(
        `/admin/domains?prefix=${domains[size]}.&limit=${PAGE}${cursor}`,
      );
      expect(status).toBe(200);
      expect(body.domains).toHaveLength(PAGE);
      found.push(recorded);
      cursor = `&cursor=${body.nextCursor}`;
    }
    return found;
  }

  it.each([0, 1])("is found by an index, and in order (page %i)", async (index) => {
    const recorded = (await domainPages("large", 2))[index] as Recorded[];
    expect(recorded).toHaveLength(1);
    for (const each of recorded) {
      const details = await planInDatabase(each);
      expect(details.filter((detail) => detail.startsWith("SEARCH")).join()).toMatch(/PRIMARY KEY|INDEX domain_/);
      expect(slowSteps(details), details.join("\n")).toEqual([]);
    }
  });

  it("reads as few rows of many domains as of few, far behind as at the beginning", async () => {
    const [small] = await domainPages("small", 1);
    const large = await domainPages("large", 40);
    const read = await rowsReadInDatabase(large[0] as Recorded[]);
    expect(read).toBe(await rowsReadInDatabase(small as Recorded[]));
    expect(read).toBeLessThan(10 * PAGE);
    expect(await rowsReadInDatabase(large.at(-1) as Recorded[])).toBe(await rowsReadInDatabase(large[1] as Recorded[]));
  });
});
