import { dayOf } from "../../domain/evolve.ts";
import { REQUEST_MILLISECONDS, timeOfRequest } from "../request-ids.ts";
import { log } from "../worker-log.ts";
import type { Copy } from "./copy.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";
import { READS } from "./storage/reads.ts";

/** A request to delete a domain: by which operator, or by which setting. */
export type DeletionRequest = Readonly<{ requestId: string; by: string }>;

/** When a domain counts as idle: no change and no renewal since a time, and so many members at most. */
export type IdleRule = Readonly<{
  /** Milliseconds since the Unix epoch. */
  since: number;
  maxMembers: number;
}>;

/** Whether a domain is deleted, or would be by a dry run; and whether D1 has it. */
export type DeletionGrant = Readonly<{ deleted: boolean; copied: boolean }>;

/**
 * Deletes the domain: its members, keys, bans, requests and log. What is left says how far its key versions went, so that
 * a domain of this name goes on above them, and that D1 has to forget it as well.
 *
 * @param memories what remembers something of the domain
 * @param now milliseconds since the Unix epoch
 */
export function deleteDomain(
  storage: DomainStorage,
  copy: Copy,
  memories: readonly Readonly<{ forget: () => void }>[],
  { requestId, by }: DeletionRequest,
  now: number,
): void {
  const { row } = storage;
  if (!row) return;
  const { database } = storage;
  const { domain, keyVersion, revision, memberCount, createdAt } = row;
  // Not before it was created, should the clock have been set back: by these two times D1 tells it from a later domain.
  const deletedAt = Math.max(now, createdAt);
  const uncounted = copy.uncounted();
  storage.transaction(() => {
    storage.erase({
      domain,
      keyVersion,
      revision,
      memberCount,
      deletedAt,
      deletedBy: by,
      requestId,
      isOwed: 1,
      database,
    });
    copy.expect(now);
  });
  for (const memory of [copy, ...memories]) memory.forget();
  log("info", "a domain was deleted", { domain, by, requestId, memberCount, keyVersion });
  copy.count({ ...uncounted, device_domain_domains_deleted_total: 1 });
  copy.announce();
}

/**
 * Whether a request began before the last deletion of this domain. It may have been carried out then, and its record is
 * gone: a repeat of it must not create or change a later domain.
 */
export function isOvertaken({ deletion }: DomainStorage, requestId: string): boolean {
  if (!deletion) return false;
  const time = timeOfRequest(requestId);
  if (time === null) return false;
  // Not longer than a request may be repeated, should the clock have been set back.
  return time < deletion.deletedAt && deletion.deletedAt - time <= REQUEST_MILLISECONDS;
}

/** Whether a domain is idle. A renewal is known by its day: one on the day of `since` counts. */
export function isIdle(storage: DomainStorage, { since, maxMembers }: IdleRule): boolean {
  const { row } = storage;
  if (!row || row.updatedAt >= since || row.memberCount > maxMembers) return false;
  return (READS.lastRenewedOn(storage) ?? 0) < dayOf(since);
}

/** Whether the domain has had no member, and no change, for as long as its `deleteAfterEmptyDays` says. */
export function isEmptyForLong({ row }: DomainStorage, now: number): boolean {
  const endsAt = row && emptyUntil(row);
  return endsAt !== null && now >= endsAt;
}

/** When a domain is to be deleted if nothing changes; null for never. */
export function emptyUntil(
  row: Readonly<{ deleteAfterEmptyDays: number | null; memberCount: number; updatedAt: number }>,
): number | null {
  const { deleteAfterEmptyDays, memberCount, updatedAt } = row;
  return deleteAfterEmptyDays === null || memberCount > 0 ? null : updatedAt + deleteAfterEmptyDays * 86_400_000;
}
