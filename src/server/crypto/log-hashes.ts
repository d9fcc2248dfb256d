import { createHash, createHmac } from "node:crypto";
import { canonicalEntry, type LogEntry } from "../../domain/log-entry.ts";

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
 * The id a device has where its machine GUID must not be read: HMAC-SHA-256 in base64url. It has another one in each
 * domain.
 *
 * @param key the domain's own, from its object
 */
export function deviceId(key: string, machineGuid: string): string {
  return createHmac("sha256", key).update(machineGuid).digest("base64url");
}

/** The SHA-256 hash of a text, in base64url. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
