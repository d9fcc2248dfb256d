import { DomainInMemory, joins, leaves } from "../../test/support/node/domain-in-memory.ts";
import { seededRandom } from "../../test/support/node/seeded-random.ts";

const DAY = 86_400_000;
const DEVICES = 5;
const FIRST_DAY = 20_454;
/** One in a hundred leaves each month. */
const DAYS_TO_LEAVE = 3_000;
const RETIRE_AFTER_DAYS = 180;

/** The average counts of a household's year, by the real rules. */
export type HouseholdYear = Readonly<{
  renewals: number;
  joins: number;
  leaves: number;
  commits: number;
  keyVersions: number;
  /** Key versions that are neither retired nor of the future: what a newcomer gets. */
  keysInForce: number;
  members: number;
}>;

/**
 * Lets households live for a year: five devices that renew weekly; one in a hundred leaves each month, and another takes
 * its place the next day. Keys retire after half a year.
 */
export function householdYear(households: number, seed: string): HouseholdYear {
  const random = seededRandom(seed);
  const sum = { renewals: 0, joins: 0, leaves: 0, commits: 0, keyVersions: 0, keysInForce: 0, members: 0 };
  for (let household = 0; household < households; household++) {
    const domain = new DomainInMemory({ retireAfterDays: RETIRE_AFTER_DAYS });
    const devices = Array.from({ length: DEVICES }, (_, index) => ({
      guid: `${household} ${index}`,
      day: random.below(7),
    }));
    const madeOn: number[] = [];
    let bought = DEVICES;
    for (let day = 0; day < 365; day++) {
      const at = (FIRST_DAY + day) * DAY;
      for (const device of devices) {
        const isMember = domain.state.members.has(device.guid);
        if (isMember && random.below(DAYS_TO_LEAVE) === 0) {
          domain.carryOut(at, leaves(device.guid));
          sum.leaves++;
          device.guid = `${household} ${bought++}`;
        } else if (!isMember || day % 7 === device.day) {
          domain.carryOut(at, joins(device.guid));
          sum[isMember ? "renewals" : "joins"]++;
        }
      }
      while (madeOn.length < domain.state.keyVersion) madeOn.push(day);
      // As the alarm of its object does once a day.
      const upTo = madeOn.filter((_, index) => (madeOn[index + 1] ?? day) < day - RETIRE_AFTER_DAYS).length;
      domain.carryOut(at, {
        type: "retire",
        requestId: `${household} ${day}`,
        by: "simulation",
        upTo,
        bringsNoneBack: true,
      });
    }
    const { keyVersion, retiredUpTo, revision, memberCount } = domain.state;
    sum.keyVersions += keyVersion;
    sum.keysInForce += keyVersion - retiredUpTo;
    sum.commits += revision;
    sum.members += memberCount;
  }
  return Object.fromEntries(Object.entries(sum).map(([name, total]) => [name, total / households])) as HouseholdYear;
}
