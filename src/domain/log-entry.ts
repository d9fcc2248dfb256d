import type { DomainEvent } from "./events.ts";

/** An event as the log keeps it: the device goes by its device id, for the machine GUID is a secret. */
export type LogChange = Readonly<{ type: DomainEvent["type"]; [member: string]: unknown }>;

/** One commit, as it is hashed. */
export type LogEntry = Readonly<{
  domain: string;
  revision: number;
  /** ISO 8601, in UTC. */
  committedAt: string;
  /** The hash of the entry before; null for the first. */
  previous: string | null;
  changes: readonly LogChange[];
}>;

/**
 * Events as the log keeps them: without machine GUIDs and names, and without what has a table of its own.
 *
 * @param kids the names of the keys that were made, by their versions
 */
export function changesOf(
  events: readonly DomainEvent[],
  deviceIdOf: (machineGuid: string) => string,
  kids: ReadonlyMap<number, string>,
): readonly LogChange[] {
  return events.map((event) => {
    if (event.type === "key-made") return { ...event, kid: kids.get(event.keyVersion) };
    if (!("machineGuid" in event)) return event;
    const { machineGuid, ...rest } = event;
    const { signedAt, subjectHash, sealedName, ...change } = rest as LogChange;
    return { ...change, deviceId: deviceIdOf(machineGuid) };
  });
}

/** The text of an entry that is hashed: its canonical JSON. The changes make most of it, and need be written only once. */
export function canonicalEntry(entry: LogEntry, changes = canonicalJson(entry.changes)): string {
  const { changes: _, ...rest } = entry;
  // "changes" comes before all other members, in the order of the scheme.
  return `{"changes":${changes},${canonicalJson(rest).slice(1)}`;
}

/**
 * A value as canonical JSON: the same text for the same value, by every program.
 *
 * @see RFC 8785, JSON Canonicalization Scheme (JCS), section 3.2
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(",")}}`;
}
