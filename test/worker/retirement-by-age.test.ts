import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  configure,
  deregister,
  invariantViolations,
  newDomain,
  newGuid,
  register,
  rows,
  stored,
} from "../support/worker/client.ts";
import { domainAt, history, keySet, range, versionsOf } from "../support/worker/key-versions.ts";
import { evict, executeAsBatch, gist, joins, operators, runAlarm } from "../support/worker/objects.ts";
import { operate } from "../support/worker/operators.ts";
import { executedDuring } from "../support/worker/recorded-statements.ts";

const DAY = 24 * 60 * 60 * 1000;

afterEach(() => vi.restoreAllMocks());

/** A domain whose keys, from the first on, were made so many days ago. */
async function domainMade(...daysAgo: readonly number[]) {
  const made = await domainAt(daysAgo.length);
  for (const [index, days] of daysAgo.entries()) {
    const set = "update domain_keys set created_at = ? where key_version = ?";
    await stored(made.domain, set, Date.now() - days * DAY, index + 1);
  }
  return made;
}

function retire(domain: string, body: unknown) {
  return operate("PUT", `/${domain}/retired-keys`, body);
}

async function retiredUpTo(domain: string): Promise<unknown> {
  return (await rows(domain)).info?.retired_up_to;
}

async function retiredInDatabase(domain: string): Promise<unknown> {
  const query = "select retired_up_to as version from domain_server_info where domain = ?";
  return (await env.DB.prepare(query).bind(domain).first<{ version: number }>())?.version;
}

async function lastChange(domain: string) {
  return (await operate("GET", `/${domain}/log?limit=1`)).body.entries[0].changes;
}

describe("keys that an operator retires by age", () => {
  it.each([
    // A key is as old as its successor: until that was made, it was the one to encrypt to.
    [366, 0],
    [365, 1],
    [300, 1],
    [200, 1],
    [100, 2],
    [31, 2],
    [30, 3],
    [0, 3],
  ])("older than %i days are the first %i of those made 500, 365, 100 and 30 days ago", async (olderThanDays, upTo) => {
    const { domain } = await domainMade(500, 365, 100, 30);
    const answer = await retire(domain, { olderThanDays });
    expect(answer).toMatchObject({ status: 200, body: { retiredUpTo: upTo, keyVersion: 4 } });
    expect(versionsOf(await register(domain, newGuid()))).toEqual(range(upTo + 1, 4));
    expect(versionsOf(await history(domain, 4))).toEqual(range(upTo + 1, 3));
    expect((await keySet(domain)).body.keys).toHaveLength(4);
  });

  it("never include the newest, however old it is", async () => {
    const { domain, member } = await domainMade(900, 800, 700);
    expect((await retire(domain, { olderThanDays: 0 })).body.retiredUpTo).toBe(2);
    await deregister(domain, member);
    // Until the next one is made, it may be the newest for long.
    expect((await retire(domain, { olderThanDays: 1 })).body.retiredUpTo).toBe(2);
    const lone = await domainMade(900);
    expect((await retire(lone.domain, { olderThanDays: 0 })).body.retiredUpTo).toBe(0);
    expect(versionsOf(await register(lone.domain, newGuid()))).toEqual([1]);
  });

  it("stay retired: a higher age brings none back, and a version below does", async () => {
    const { domain } = await domainMade(500, 400, 300, 200);
    expect((await retire(domain, { upTo: 3 })).body.retiredUpTo).toBe(3);
    const before = await rows(domain);
    for (const olderThanDays of [350, 900, 36_500]) {
      expect((await retire(domain, { olderThanDays })).body.retiredUpTo).toBe(3);
    }
    expect(await rows(domain)).toEqual(before);
    expect((await retire(domain, { upTo: 1 })).body.retiredUpTo).toBe(1);
  });

  it("stay retired also if another operator retires more at the same time", async () => {
    const { domain } = await domainMade(500, 400, 300, 200);
    const [, , byAge] = await executeAsBatch(
      domain,
      joins(newGuid()),
      operators({ type: "retire", upTo: 3 }),
      operators({ type: "retire", upTo: 1, bringsNoneBack: true }),
    );
    expect(byAge && gist(byAge)).toMatchObject({ retiredUpTo: 3 });
    expect(await retiredUpTo(domain)).toBe(3);
  });

  it("are found without reading those that are retired, or those that are younger", async () => {
    const domain = newDomain();
    await configure(domain, {});
    await stored(
      domain,
      `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 2000)
        insert into domain_keys select n, '{}', '', '', n * ? from numbers`,
      DAY,
    );
    await stored(domain, "update domain_server_info set key_version = 2000, retired_up_to = 1000");
    await evict(domain);
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now);
    // The key of day 1,003 is the last one that is so old.
    const olderThanDays = Math.floor((now - 1003 * DAY) / DAY);
    const [answer, executed] = await executedDuring(domain, () => retire(domain, { olderThanDays }));
    expect(answer.body).toMatchObject({ retiredUpTo: 1002, keyVersion: 2000 });
    const read = executed.filter(({ sql }) => sql.includes("domain_keys"));
    expect(read.length).toBeGreaterThan(0);
    expect(read.reduce((sum, each) => sum + each.rowsRead(), 0)).toBeLessThan(20);
  });

  it("are in the log with the operator who asked, and in D1", async () => {
    const { domain } = await domainMade(500, 400, 10);
    const requestId = (await retire(domain, { olderThanDays: 100 })).headers.get("x-request-id");
    expect(await lastChange(domain)).toEqual([
      { type: "keys-retired", upTo: 1, previous: 0, requestId, by: "admin-token" },
    ]);
    await vi.waitFor(async () => expect(await retiredInDatabase(domain)).toBe(1), { timeout: 20_000 });
  });

  it.each([
    [{ olderThanDays: -1 }, ["olderThanDays"]],
    [{ olderThanDays: 1.5 }, ["olderThanDays"]],
    [{ olderThanDays: "1" }, ["olderThanDays"]],
    [{ olderThanDays: null }, ["olderThanDays"]],
    [{ olderThanDays: 36_501 }, ["olderThanDays"]],
    [{ olderThanDays: 1, upTo: 1 }, ["olderThanDays", "upTo"]],
    [{ olderThanDays: 1, days: 1 }, ["days"]],
    [{}, ["upTo"]],
  ])("%j is a 400 that names the fields, and changes nothing", async (body, fields) => {
    const { domain } = await domainMade(500, 400, 300);
    const before = await rows(domain);
    const answer = await retire(domain, body);
    expect([answer.status, answer.body.error]).toEqual([400, "INVALID_REQUEST"]);
    expect(answer.body.errors.map(({ field }: { field: string }) => field).sort()).toEqual(fields);
    expect(await rows(domain)).toEqual(before);
  });

  it("are none of an unknown domain, which is not created", async () => {
    const domain = newDomain();
    expect(await retire(domain, { olderThanDays: 0 })).toMatchObject({
      status: 404,
      body: { error: "DOMAIN_NOT_FOUND" },
    });
    expect((await rows(domain)).log).toEqual([]);
  });
});

describe("the setting retireAfterDays", () => {
  it("has the alarm retire what is that old, and no more", async () => {
    const { domain } = await domainMade(500, 400, 300, 3);
    await configure(domain, { retireAfterDays: 365 });
    await runAlarm(domain);
    expect(await retiredUpTo(domain)).toBe(1);
    expect(await lastChange(domain)).toEqual([
      { type: "keys-retired", upTo: 1, previous: 0, requestId: expect.any(String), by: "retireAfterDays" },
    ]);
    expect(versionsOf(await register(domain, newGuid()))).toEqual([2, 3, 4]);
    expect(await invariantViolations(domain)).toEqual([]);
    await vi.waitFor(async () => expect(await retiredInDatabase(domain)).toBe(1), { timeout: 20_000 });
  });

  it("has nothing retired where it is not set, or is taken away", async () => {
    const { domain } = await domainMade(500, 400, 300);
    await runAlarm(domain);
    expect(await retiredUpTo(domain)).toBe(0);
    await configure(domain, { retireAfterDays: 365 });
    await configure(domain, {});
    await runAlarm(domain);
    expect(await retiredUpTo(domain)).toBe(0);
  });

  it("goes on by itself from day to day, also for an object that begins anew", async () => {
    const { domain } = await domainMade(100, 50, 49, 0);
    await configure(domain, { retireAfterDays: 50 });
    await runAlarm(domain);
    expect(await retiredUpTo(domain)).toBe(1);
    const now = Date.now();
    const clock = vi.spyOn(Date, "now");
    for (const [days, upTo] of [
      [1, 2],
      [49, 2],
      [50, 3],
      [900, 3],
    ] as const) {
      clock.mockReturnValue(now + days * DAY);
      await evict(domain);
      expect(await runAlarm(domain)).toBe(true);
      expect(await retiredUpTo(domain)).toBe(upTo);
    }
    // The newest is never retired, and handed out.
    expect(versionsOf(await register(domain, newGuid()))).toEqual([4]);
  });

  it("brings back nothing that an operator retired, and makes no commit where there is nothing to do", async () => {
    const { domain } = await domainMade(500, 400, 300, 200);
    await configure(domain, { retireAfterDays: 450 });
    await retire(domain, { upTo: 3 });
    const { log } = await rows(domain);
    for (let times = 0; times < 2; times++) await runAlarm(domain);
    expect(await retiredUpTo(domain)).toBe(3);
    expect((await rows(domain)).log).toEqual(log);
  });

  it("leaves records of its requests that are cleared away like all others", async () => {
    const { domain } = await domainMade(500, 400, 300);
    await configure(domain, { retireAfterDays: 365 });
    await runAlarm(domain);
    expect(await retiredUpTo(domain)).toBe(1);
    const records = "select command from domain_requests";
    expect(await stored(domain, records)).toContainEqual({ command: "retire" });
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now + DAY);
    await runAlarm(domain);
    expect(await stored(domain, records)).toEqual([]);
  });
});
