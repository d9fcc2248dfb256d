import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { MAX_BYTES } from "../../src/server/object/batch-queue.ts";
import { newDevice } from "../support/devices.ts";
import { configure, deregister, newDomain, newGuid, register, stored } from "../support/worker/client.ts";
import { execute, joins, objectOf, runAlarm } from "../support/worker/objects.ts";
import { operate, signedBy } from "../support/worker/operators.ts";

const DAY = 24 * 60 * 60 * 1_000;
const HOUR = 60 * 60 * 1_000;
const dayOf = (time: number) => new Date(time).toISOString().slice(0, 10);

/** The tables in the storage of a domain's object. */
const tables = (domain: string) =>
  runInDurableObject(objectOf(domain), (_, { storage }) =>
    storage.sql.exec("select name from sqlite_master where name like 'domain%'").toArray(),
  );

type Refusal = { hour: string; error: string; count: number };

const activity = async (domain: string, query = "") => (await operate("GET", `/${domain}/activity${query}`)).body;

/** How often each error refused, over all hours: also what the object has not written yet. */
async function refused(domain: string): Promise<Record<string, number>> {
  await runAlarm(domain);
  const counts: Record<string, number> = {};
  for (const { error, count } of (await activity(domain)).refusals as Refusal[]) {
    counts[error] = (counts[error] ?? 0) + count;
  }
  return counts;
}

/** Has the commit of a revision have been made some days ago. */
async function backdate(domain: string, revision: number, days: number) {
  await stored(domain, "update domain_log set committed_at = ? where revision = ?", Date.now() - days * DAY, revision);
}

describe("the activity of a domain", () => {
  it("counts who joined and who left, by day", async () => {
    const domain = newDomain();
    const [one, two, three] = [newGuid(), newGuid(), newGuid()];
    for (const guid of [one, two, three]) await register(domain, guid);
    await deregister(domain, one);
    await operate("DELETE", `/${domain}/members/${two}`);
    await operate("PUT", `/${domain}/bans/${three}`, { reason: "stolen" });
    await configure(domain, { maxMembership: 3 });
    const ages = [20, 20, 3, 3, 2, 1, 1];
    for (const [index, age] of ages.entries()) await backdate(domain, index + 1, age);
    const now = Date.now();
    const days = [
      { day: dayOf(now - 20 * DAY), joined: 2, left: 0 },
      { day: dayOf(now - 3 * DAY), joined: 1, left: 1 },
      { day: dayOf(now - 2 * DAY), joined: 0, left: 1 },
      { day: dayOf(now - 1 * DAY), joined: 0, left: 1 },
    ];
    expect(await activity(domain)).toEqual({ domain, complete: true, days, refusals: [] });
    expect((await activity(domain, "?days=4")).days).toEqual(days.slice(1));
    expect((await activity(domain, "?days=3")).days).toEqual(days.slice(2));
    expect((await activity(domain, "?days=1")).days).toEqual([]);
    expect((await activity(domain, "?days=90")).days).toEqual(days);
  });

  it("counts every device of a commit that many joined by", async () => {
    const domain = newDomain();
    await Promise.all(Array.from({ length: 100 }, () => register(domain, newGuid())));
    const { days } = await activity(domain);
    expect(days.reduce((sum: number, { joined }: { joined: number }) => sum + joined, 0)).toBe(100);
  });

  it("says if there was more than it counts", async () => {
    const domain = newDomain();
    await configure(domain, {});
    const now = Date.now();
    await stored(
      domain,
      `with recursive numbers(n) as (select 2 union all select n + 1 from numbers where n < 5100)
        insert into domain_log select n, ?, '[{"type":"device-joined"}]', 'hash-' || n, '' from numbers`,
      now,
    );
    const { complete, days } = await activity(domain);
    expect(complete).toBe(false);
    expect(days).toEqual([{ day: dayOf(now), joined: 5_000, left: 0 }]);
  });

  it.each(["0", "91", "-1", "1.5", "", "x", "7&days=8"])("takes no %s days", async (days) => {
    const domain = newDomain();
    await configure(domain, {});
    const { status, body } = await operate("GET", `/${domain}/activity?days=${days}`);
    expect(status).toBe(400);
    expect(body.errors).toEqual([expect.objectContaining({ field: "days" })]);
  });
});

describe("the refusals of a domain", () => {
  it("are counted by error and hour", async () => {
    const [domain, device] = [newDomain(), await newDevice()];
    const from = Math.floor(Date.now() / HOUR) * HOUR;
    await signedBy(device, domain, "register");
    await operate("PUT", `/${domain}/bans/${device.machineGuid}`, { reason: "stolen" });
    await configure(domain, { maxMembership: 0 });
    await Promise.all(Array.from({ length: 5 }, () => register(domain, newGuid())));
    for (let count = 0; count < 3; count++) await deregister(domain, newGuid());
    await deregister(domain, newGuid(), { preview: true });
    for (let count = 0; count < 2; count++) await register(domain, device.machineGuid);
    await configure(domain, { authenticationRequired: true });
    await register(domain, newGuid());
    const expected = { DOM_LIMIT_REACHED: 5, DEREG_DENIED: 4, DEVICE_BANNED: 2, DOM_AUTHENTICATION_REQUIRED: 1 };
    expect(await refused(domain)).toEqual(expected);
    const { refusals } = await activity(domain);
    for (const { hour } of refusals as Refusal[]) {
      expect(new Date(hour).toISOString()).toBe(hour);
      expect(Date.parse(hour) % HOUR).toBe(0);
      expect(Date.parse(hour)).toBeGreaterThanOrEqual(from);
      expect(Date.parse(hour)).toBeLessThanOrEqual(Date.now());
    }
  });

  it("count what the queue has no room for", async () => {
    const domain = newDomain();
    await register(domain, newGuid());
    const auth = { kind: "verified", namespace: "n".repeat(MAX_BYTES / 2), keyThumbprint: null } as const;
    const answer = await execute(domain, joins(newGuid(), { auth }));
    expect(answer).toEqual({ granted: false, refusal: { error: "OVERLOADED", reason: "the queue is full" } });
    expect(await refused(domain)).toEqual({ OVERLOADED: 1 });
  });

  it("go on being counted where they were left", async () => {
    const domain = newDomain();
    await configure(domain, { maxMembership: 0 });
    for (const total of [2, 4]) {
      for (let count = 0; count < 2; count++) await register(domain, newGuid());
      expect(await refused(domain)).toEqual({ DOM_LIMIT_REACHED: total });
    }
  });

  it("are told newest first, as far back as asked for", async () => {
    const domain = newDomain();
    await configure(domain, {});
    const thisHour = Math.floor(Date.now() / HOUR);
    const rows: [number, string, number][] = [
      [thisHour, "DEREG_DENIED", 1],
      [thisHour, "DOM_LIMIT_REACHED", 2],
      [thisHour - 1, "DEREG_DENIED", 3],
      [thisHour - 24 * 40, "DEREG_DENIED", 4],
    ];
    for (const row of rows.toReversed()) await stored(domain, "insert into domain_refusals values (?, ?, ?)", ...row);
    const told = async (query: string) =>
      ((await activity(domain, query)).refusals as Refusal[]).map(({ hour, error, count }) => [
        Date.parse(hour) / HOUR,
        error,
        count,
      ]);
    expect(await told("?days=90")).toEqual(rows);
    expect(await told("?days=30")).toEqual(rows.slice(0, 3));
  });

  it("are told to be incomplete where they go back further than is told", async () => {
    const domain = newDomain();
    await configure(domain, {});
    const thisHour = Math.floor(Date.now() / HOUR);
    const insert = `insert into domain_refusals
      select ? - value / 2, iif(value % 2, 'DEREG_DENIED', 'DOM_LIMIT_REACHED'), 1 from json_each(?)`;
    const fill = (rows: number) =>
      stored(domain, insert, thisHour, JSON.stringify(Array.from({ length: rows }, (_, index) => index)));
    await fill(1_000);
    expect(await activity(domain, "?days=90")).toMatchObject({ complete: true });
    await stored(domain, "delete from domain_refusals");
    await fill(1_001);
    const { complete, refusals } = await activity(domain, "?days=90");
    expect([complete, refusals.length]).toEqual([false, 1_000]);
  });

  it("of a domain that does not exist leave nothing behind", async () => {
    const [unknown, known] = [newDomain(), newDomain()];
    await configure(known, {});
    await deregister(unknown, newGuid());
    await deregister(known, newGuid());
    expect(await refused(known)).toEqual({ DEREG_DENIED: 1 });
    expect(await runAlarm(unknown)).toBe(false);
    expect(await tables(unknown)).toEqual([]);
    expect((await operate("GET", `/${unknown}`)).status).toBe(404);
  });
});
