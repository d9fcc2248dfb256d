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
import { expectCopied } from "../support/worker/copied.ts";
import { deletionInDatabase, expectForgotten, leftIn } from "../support/worker/deletions.ts";
import { alarmIn, evict, runAlarm } from "../support/worker/objects.ts";
import { deviceId, operate } from "../support/worker/operators.ts";

const DAY = 86_400_000;
const today = () => Math.floor(Date.now() / DAY);

afterEach(() => vi.restoreAllMocks());

/** Has a member last have renewed so many days ago. */
async function renewedBefore(domain: string, machineGuid: string, days: number): Promise<void> {
  const statement = "update domain_membership set last_renewed_on = ? where machine_guid = ?";
  await stored(domain, statement, today() - days, machineGuid);
}

const membersOf = async (domain: string) => (await rows(domain)).members.map(({ machine_guid }) => machine_guid);

describe("members that are idle for longer than memberIdleDays", () => {
  it("are removed by the alarm, with a rollover due, and the log tells it", async () => {
    const [domain, idle, other] = [newDomain(), newGuid(), newGuid()];
    await configure(domain, { memberIdleDays: 30, maxMembership: 2 });
    await register(domain, idle);
    await register(domain, other);
    await renewedBefore(domain, idle, 31);
    await renewedBefore(domain, other, 30);
    expect((await register(domain, newGuid())).body.error).toBe("DOM_LIMIT_REACHED");
    await runAlarm(domain);
    expect(await membersOf(domain)).toEqual([other]);
    const { entries } = (await operate("GET", `/${domain}/log?limit=1`)).body;
    const requestId = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(entries[0].changes).toEqual([
      { type: "device-evicted", requestId, by: "memberIdleDays", deviceId: await deviceId(domain, idle) },
    ]);
    expect((await operate("GET", `/${domain}`)).body).toMatchObject({ memberCount: 1, keyRolloverRequired: true });
    // There is room again, and what is encrypted from now on is out of the reach of the one that was removed.
    expect((await register(domain, newGuid())).body).toMatchObject({ newMember: true, keyVersion: 2 });
    await expectCopied(domain);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("are kept without the setting, however idle", async () => {
    const [domain, guid] = [newDomain(), newGuid()];
    await register(domain, guid);
    await renewedBefore(domain, guid, 9_999);
    await runAlarm(domain);
    expect(await membersOf(domain)).toEqual([guid]);
  });

  it("stay if they renew, also in the moment before the alarm", async () => {
    const [domain, guid] = [newDomain(), newGuid()];
    await configure(domain, { memberIdleDays: 1 });
    await register(domain, guid);
    await renewedBefore(domain, guid, 2);
    // Noted in memory alone for some seconds.
    expect((await register(domain, guid)).status).toBe(200);
    expect(await stored(domain, "select last_renewed_on as day from domain_membership")).toEqual([
      { day: today() - 2 },
    ]);
    await runAlarm(domain);
    expect(await membersOf(domain)).toEqual([guid]);
  });

  it("are removed in commits of 500 at most, however many there are", async () => {
    const [domain, guid] = [newDomain(), newGuid()];
    await configure(domain, { memberIdleDays: 7 });
    await register(domain, guid);
    await stored(
      domain,
      `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 1200)
        insert into domain_membership select printf('%08x-6c1e-4f0a-9d3b-5a7e21c04f88', n), null, n, null, null, null, ?
        from numbers`,
      today() - 8,
    );
    await stored(domain, "update domain_server_info set member_count = member_count + 1200");
    await evict(domain);
    await runAlarm(domain);
    expect(await membersOf(domain)).toEqual([guid]);
    const evicted = await stored(
      domain,
      "select json_array_length(changes) as count from domain_log order by revision",
    );
    expect(evicted.slice(2).map(({ count }) => count)).toEqual([500, 500, 200]);
    await expectCopied(domain);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("are looked for each day, by an alarm that is set for a day ahead at most", async () => {
    const [domain, guid] = [newDomain(), newGuid()];
    await configure(domain, { memberIdleDays: 2 });
    await register(domain, guid);
    await expectCopied(domain);
    const now = Date.now();
    for (let day = 1; day <= 3; day++) {
      vi.spyOn(Date, "now").mockReturnValue(now + day * DAY);
      await runAlarm(domain);
      expect(await alarmIn(domain)).toBeLessThanOrEqual(DAY);
      expect(await membersOf(domain)).toHaveLength(day < 3 ? 1 : 0);
    }
  });
});

describe("a domain that has been empty for deleteAfterEmptyDays", () => {
  it("is deleted by its alarm, which goes off at that time, and D1 says why", async () => {
    const [domain, guid] = [newDomain(), newGuid()];
    await configure(domain, { deleteAfterEmptyDays: 3 });
    await register(domain, guid);
    await deregister(domain, guid);
    await expectCopied(domain);
    const { updated_at } = (await rows(domain)).info as { updated_at: number };
    const clock = vi.spyOn(Date, "now");
    clock.mockReturnValue(updated_at + 3 * DAY - 3_600_000);
    await runAlarm(domain);
    expect(await alarmIn(domain)).toBeLessThanOrEqual(3_600_000);
    expect((await rows(domain)).info).toBeDefined();
    clock.mockReturnValue(updated_at + 3 * DAY);
    await runAlarm(domain);
    expect(await leftIn(domain)).toEqual({ domain_deletion: 1 });
    await expectForgotten(domain);
    expect(await deletionInDatabase(domain)).toMatchObject({ deleted_by: "deleteAfterEmptyDays", key_version: 1 });
    // Nothing is left that the alarm would be for.
    await runAlarm(domain);
    expect(await alarmIn(domain)).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([
    ["has a member", async (domain: string) => register(domain, newGuid())],
    ["has no such setting", async (domain: string) => operate("PATCH", `/${domain}`, { deleteAfterEmptyDays: null })],
  ])("stays if it %s", async (_, change) => {
    const domain = newDomain();
    await configure(domain, { deleteAfterEmptyDays: 1 });
    await change(domain);
    await expectCopied(domain);
    vi.spyOn(Date, "now").mockReturnValue(Date.now() + 400 * DAY);
    await runAlarm(domain);
    expect((await rows(domain)).info).toBeDefined();
  });

  it("stays for as long again after its last idle member was removed", async () => {
    const [domain, guid] = [newDomain(), newGuid()];
    await configure(domain, { memberIdleDays: 1, deleteAfterEmptyDays: 2 });
    await register(domain, guid);
    const now = Date.now();
    const clock = vi.spyOn(Date, "now");
    for (const [day, left] of [
      [2, 1],
      [3, 1],
      [4, 0],
    ] as const) {
      clock.mockReturnValue(now + day * DAY);
      await runAlarm(domain);
      expect(await stored(domain, "select member_count from domain_server_info"), `${day}`).toHaveLength(left);
    }
    await expectForgotten(domain);
  });
});
