import { decideBatch } from "../../domain/decide.ts";
import { dayOf } from "../../domain/evolve.ts";
import { newRequestId } from "../request-ids.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";
import { READS } from "./storage/reads.ts";
import type { UsageStatistics } from "./usage-statistics.ts";

/** The most members that one commit removes. */
const MEMBERS_AT_A_TIME = 500;

/**
 * Removes the members whose last renewal is more days ago than the domain's `memberIdleDays`.
 *
 * @param now milliseconds since the Unix epoch
 * @param committed called in the transaction of each commit
 */
export async function removeIdleMembers(
  storage: DomainStorage,
  statistics: UsageStatistics,
  now: number,
  committed: (now: number) => void,
): Promise<void> {
  while (removeSome(storage, statistics, now, committed) === MEMBERS_AT_A_TIME) {
    // There may be many, and devices wait.
    await scheduler.wait(0);
  }
}

/** Looks and removes in one turn, so that no member renews in between. @returns how many were removed */
function removeSome(
  storage: DomainStorage,
  statistics: UsageStatistics,
  now: number,
  committed: (now: number) => void,
): number {
  const { memberIdleDays } = storage.domainState.settings;
  if (memberIdleDays === null) return 0;
  // The newest renewals are in memory.
  statistics.write();
  const idle = READS.lastRenewedBefore(storage, dayOf(now) - memberIdleDays, MEMBERS_AT_A_TIME);
  if (idle.length === 0) return 0;
  const evictions = idle.map(
    (machineGuid) => ({ type: "evict", requestId: newRequestId(), machineGuid, by: "memberIdleDays" }) as const,
  );
  storage.transaction(() => {
    const before = storage.stateFor(evictions);
    storage.commit(before, decideBatch(before, evictions, now), [], now);
    committed(now);
  });
  return idle.length;
}
