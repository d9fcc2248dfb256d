import { afterEach, describe, expect, it, type MockInstance, vi } from "vitest";
import { UsageStatistics } from "../../src/server/object/usage-statistics.ts";
import { newRequestId } from "../../src/server/request-ids.ts";
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
import { expectCopied } from "../support/worker/copied.ts";
import { setWriterDatabase, unluckyDatabase } from "../support/worker/faulty-database.ts";
import { evict, executeAsBatch, joins, runAlarm, setEnvironment } from "../support/worker/objects.ts";
import { operate } from "../support/worker/operators.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

afterEach(() => vi.restoreAllMocks());

const count = async (domain: string, table: string) =>
  (await stored(domain, `select count(*) as count from ${table}`))[0]?.count;

/** The id of a request that came at a time. */
function requestIdAt(time: number): string {
  const clock = vi.spyOn(Date, "now").mockReturnValue(time);
  const id = newRequestId();
  clock.mockRestore();
  return id;
}

describe("the records of requests", () => {
  it("of the Worker are kept for minutes, while it may repeat them", async () => {
    const domain = newDomain();
    await register(domain, newGuid());
    const record = "insert into domain_requests values (?, 'register', null, '{}', ?)";
    const now = Date.now();
    const ages = [4 * MINUTE, 6 * MINUTE, 2 * HOUR, 400 * DAY];
    const ids = ages.map((age) => requestIdAt(now - age));
    for (const id of ids) await stored(domain, record, id, 0);
    await runAlarm(domain);
    const kept = (await stored(domain, "select id from domain_requests order by id")).map(({ id }) => id);
    // The one of the join itself, and the youngest.
    expect(kept).toHaveLength(2);
    expect(kept[0]).toBe(ids[0]);
  });

  it("of devices are limited in number: the oldest go first", { timeout: 120_000 }, async () => {
    const domain = newDomain();
    const [first, last] = [newGuid(), newGuid()];
    const now = Date.now();
    await register(domain, newGuid());
    for (const guid of [first, last]) {
      await register(domain, guid);
      await deregister(domain, guid, {}, { "idempotency-key": "key" });
    }
    await stored(domain, "update domain_requests set recorded_at = ? where id = ?", now - 2 * HOUR, `${first} key`);
    await stored(
      domain,
      `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 100010)
        insert into domain_requests
        select printf('%08x-6c1e-4f0a-9d3b-5a7e21c04f88 key', n), 'deregister', null, '{"deregistered":true}', ? + n
        from numbers`,
      now - HOUR,
    );
    await runAlarm(domain);
    expect(await stored(domain, "select count(*) as count from domain_requests where length(id) > 36")).toEqual([
      { count: 100_000 },
    ]);
    const again = (guid: string) => deregister(domain, guid, {}, { "idempotency-key": "key" });
    expect((await again(first)).body.error).toBe("DEREG_DENIED");
    expect((await again(last)).body.deregistered).toBe(true);
  });
});

describe("the records of signed requests", () => {
  it("are kept while these may be replayed, however many there are; those of registrations no longer", async () => {
    const domain = newDomain();
    await register(domain, newGuid());
    const now = Date.now();
    const insert = `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ?)
      insert into domain_requests
      select printf('%08x-6c1e-4f0a-9d3b-5a7e21c04f88 jti', n), 'register', null, '{}', ? from numbers`;
    await stored(domain, insert, 100_010, now - 9 * MINUTE);
    await runAlarm(domain);
    expect(await count(domain, "domain_requests")).toBe(100_011);
    await stored(domain, "update domain_requests set recorded_at = ? where length(id) > 36", now - 11 * MINUTE);
    await runAlarm(domain);
    expect(await count(domain, "domain_requests")).toBe(1);
  });
});

describe("the counts of refusals", () => {
  it("are kept for 90 days, and are one row for each error and hour", async () => {
    const domain = newDomain();
    await configure(domain, { maxMembership: 0 });
    const thisHour = Math.floor(Date.now() / HOUR);
    const insert = "insert into domain_refusals values (?, 'DEREG_DENIED', 1)";
    for (const age of [89 * 24, 90 * 24 + 2, 1_000 * 24]) await stored(domain, insert, thisHour - age);
    await Promise.all(Array.from({ length: 200 }, () => register(domain, newGuid())));
    await runAlarm(domain);
    const counts = await stored(domain, "select * from domain_refusals where hour < ?", thisHour);
    expect(counts).toEqual([{ hour: thisHour - 89 * 24, error: "DEREG_DENIED", refusals: 1 }]);
    const recent = await stored(domain, "select error, refusals from domain_refusals where hour >= ?", thisHour);
    expect(recent.length).toBeLessThanOrEqual(2);
    expect(recent.reduce((sum, { refusals }) => sum + (refusals as number), 0)).toBe(200);
    expect(new Set(recent.map(({ error }) => error))).toEqual(new Set(["DOM_LIMIT_REACHED"]));
  });
});

describe("the log, where it is kept for some days", () => {
  const KEPT = { LOG_RETENTION_DAYS: "30", DOMAIN_SERVER_URL: "https://domains.example" };

  /**
   * A domain with a log of five entries, of which two are old, and whose object keeps it for 30 days.
   *
   * @param more what else is done to its storage
   */
  async function withOldEntries(...more: string[]) {
    const domain = newDomain();
    for (let joined = 0; joined < 5; joined++) await register(domain, newGuid());
    await expectCopied(domain);
    await runAlarm(domain);
    await evict(domain);
    await setEnvironment(domain, KEPT);
    await stored(domain, "update domain_log set committed_at = ? where revision <= 2", Date.now() - 31 * DAY);
    for (const statement of more) await stored(domain, statement);
    // The renewal is to be noted by the next alarm.
    await stored(domain, "update domain_membership set last_renewed_on = 0");
    const [{ machine_guid }] = (await rows(domain)).members as [{ machine_guid: string }];
    await register(domain, machine_guid);
    return { domain, guid: machine_guid };
  }

  const told = async (domain: string) =>
    (await operate("GET", `/${domain}/log?order=oldest`)).body.entries.map(
      ({ revision }: { revision: number }) => revision,
    );

  it("is cut by the alarm of each object, which signs what it had come to there", async () => {
    const { domain } = await withOldEntries();
    const [, second] = (await rows(domain)).log;
    await runAlarm(domain);
    expect(await told(domain)).toEqual([3, 4, 5]);
    const { checkpoint } = (await operate("GET", `/${domain}/log/head`)).body;
    expect(checkpoint).toMatchObject({ revision: 2, hash: second?.hash, statement: expect.any(String) });
    expect(await count(domain, "domain_log_checkpoint")).toBe(1);
  });

  it("is cut past what D1 lacks, and D1 has all of it in the end", async () => {
    const domain = newDomain();
    await setEnvironment(domain, KEPT);
    await setWriterDatabase(unluckyDatabase(() => "fails before").database);
    const clock = vi.spyOn(Date, "now").mockReturnValue(Date.now() - 40 * DAY);
    // More rows in each commit than are handed over at once.
    for (let commit = 0; commit < 3; commit++) {
      await executeAsBatch(domain, ...Array.from({ length: 400 }, () => joins(newGuid())));
    }
    clock.mockRestore();
    await setWriterDatabase();
    await runAlarm(domain);
    await expectCopied(domain);
    expect(await count(domain, "copy_outbox")).toBe(0);
  });

  it("is cut whatever becomes of another task, and that one is logged", async () => {
    const { domain } = await withOldEntries();
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    vi.spyOn(UsageStatistics.prototype, "write").mockImplementation(() => {
      throw new Error("no statistics today");
    });
    await runAlarm(domain);
    expect(await told(domain)).toEqual([3, 4, 5]);
    expect(logged(errors)).toContainEqual(
      expect.objectContaining({ message: "writing the usage statistics failed", domain }),
    );
  });

  it("keeps no other task from being done if it cannot be cut", async () => {
    const { domain, guid } = await withOldEntries(
      "update domain_log set changes = '{' where revision = 1",
      "insert into domain_refusals values (1, 'DEREG_DENIED', 1)",
    );
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    await register(domain, newGuid());
    await runAlarm(domain);
    expect(await count(domain, "domain_log")).toBe(6);
    expect(logged(errors)).toContainEqual(expect.objectContaining({ message: "cutting the log failed", domain }));
    const [member] = await stored(domain, "select last_renewed_on from domain_membership where machine_guid = ?", guid);
    expect(member?.last_renewed_on).not.toBe(0);
    expect(await count(domain, "domain_refusals")).toBe(0);
    await expectCopied(domain);
  });

  it("of one domain that cannot be cut does not stop that of another", async () => {
    const broken = await withOldEntries("update domain_log set changes = '{' where revision = 1");
    const well = await withOldEntries();
    vi.spyOn(console, "error").mockImplementation(() => {});
    for (const { domain } of [broken, well]) await runAlarm(domain);
    expect(await told(well.domain)).toEqual([3, 4, 5]);
    expect(await count(broken.domain, "domain_log")).toBe(5);
    expect((await register(broken.domain, newGuid())).status).toBe(201);
    expect(await invariantViolations(broken.domain)).toEqual([]);
  });

  it("of an object that nobody asks anything is cut when it is time", async () => {
    const almost = Date.now() - 30 * DAY + HOUR;
    const { domain } = await withOldEntries(`update domain_log set committed_at = ${almost} where revision = 3`);
    await runAlarm(domain);
    expect(await told(domain)).toEqual([3, 4, 5]);
    const later = Date.now() + 2 * DAY;
    vi.spyOn(Date, "now").mockReturnValue(later);
    expect(await runAlarm(domain)).toBe(true);
    expect((await stored(domain, "select min(revision) as first from domain_log"))[0]?.first).toBe(4);
  });
});

function logged(spy: MockInstance): object[] {
  return spy.mock.calls.map(([line]) => JSON.parse(line as string));
}
