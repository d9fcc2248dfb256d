import { base64url } from "jose";
import { canonicalEntry, changesOf, type LogChange, type LogEntry, machineGuidsOf } from "../../domain/log-entry.ts";
import type { DomainEvent } from "../../domain/types.ts";

const utf8 = new TextEncoder();

/**
 * The hash of a log entry, which covers all entries before it: SHA-256 over its canonical JSON, in base64url.
 *
 * @param changes the canonical JSON of its changes, for those who have it already
 */
export function logHash(entry: LogEntry, changes?: string): Promise<string> {
  return sha256(canonicalEntry(entry, changes));
}

/**
 * What a device goes by where its machine GUID must not be read: a hash over the domain and the GUID, in base64url. A
 * machine GUID has 122 random bits, so that nobody finds it by trying; and the same device has another id in each domain.
 */
export function deviceId(domain: string, machineGuid: string): Promise<string> {
  return sha256(`${domain}\n${machineGuid}`);
}

/** Events as the log keeps them, with devices by their ids. */
export async function loggedChanges(domain: string, events: readonly DomainEvent[]): Promise<readonly LogChange[]> {
  const machineGuids = machineGuidsOf(events);
  const ids = await Promise.all(machineGuids.map((machineGuid) => deviceId(domain, machineGuid)));
  const idOf = new Map(machineGuids.map((machineGuid, index) => [machineGuid, ids[index] as string]));
  return changesOf(events, (machineGuid) => idOf.get(machineGuid) as string);
}

async function sha256(text: string): Promise<string> {
  return base64url.encode(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8.encode(text))));
}
