import type { DomainEvent, DomainState } from "./types.ts";

/** The most members that leave for one newcomer. More than one leave only after the maximum was lowered. */
export const MAX_REPLACED = 100;

/**
 * The removals that make room for a newcomer, by the domain's `whenFull`: none if there is room; null if the newcomer has
 * to be refused. The domain then has as many members as its maximum, also if that was lowered.
 *
 * @param requestId the newcomer's request
 * @param today in days since the Unix epoch
 */
export function replacementEvents(
  { settings, memberCount, members, leastRecent }: DomainState,
  requestId: string,
  today: number,
): readonly DomainEvent[] | null {
  const { maxMembership, whenFull, minIdleDays } = settings;
  if (maxMembership === null || memberCount < maxMembership) return [];
  const needed = memberCount + 1 - maxMembership;
  if (whenFull === "refuse" || needed > MAX_REPLACED) return null;
  const replaced: DomainEvent[] = [];
  for (let index = leastRecent.length - 1; index >= 0 && replaced.length < needed; index--) {
    const machineGuid = leastRecent[index] as string;
    const renewedOn = members.get(machineGuid)?.lastRenewedOn ?? today;
    if (renewedOn < today - minIdleDays) {
      replaced.push({ type: "device-evicted", machineGuid, requestId, by: "whenFull" });
      // The rest renewed later. Only those that left, came back or renewed in this batch are out of order.
    } else if (renewedOn < today) break;
  }
  return replaced.length === needed ? replaced : null;
}
