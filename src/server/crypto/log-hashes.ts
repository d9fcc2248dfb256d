import { createHash } from "node:crypto";
import { canonicalEntry, changesOf, type LogChange, type LogEntry } from "../../domain/log-entry.ts";
import type { DomainEvent } from "../../domain/types.ts";

// Synchronous, because a commit hashes its log entry within its transaction.

/**
 * The hash of a log entry, which covers all entries before it: SHA-256 over its canonical JSON, in base64url.
 *
 * @param changes the canonical JSON of its changes, for those who have it already
 */
export function logHash(entry: LogEntry, changes?: string): string {
  return sha256(canonicalEntry(entry, changes));
}

/**
 * The id a device has where its machine GUID must not be read: a hash over the domain and the GUID, in base64url. A
 * machine GUID has 122 random bits, so that nobody finds it by trying; and the same device has another id in each domain.
 */
export function deviceId(domain: string, machineGuid: string): string {
  return sha256(`${domain}\n${machineGuid}`);
}

/** Events as the log keeps them, with devices by their ids. */
export function loggedChanges(domain: string, events: readonly DomainEvent[]): readonly LogChange[] {
  return changesOf(events, (machineGuid) => deviceId(domain, machineGuid));
}

/** The SHA-256 hash of a text, in base64url. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
