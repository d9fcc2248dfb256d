import { stored } from "./client.ts";
import { sha256 } from "./operators.ts";

/** A log entry as it is told. */
export type Entry = {
  domain: string;
  revision: number;
  committedAt: string;
  previous: string | null;
  changes: { type: string; [member: string]: unknown }[];
  hash: string;
};

/** RFC 8785 for what a log holds: objects, arrays, strings, whole numbers, booleans and null. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical)}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = value as Record<string, unknown>;
  const names = Object.keys(members).toSorted();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(members[name])}`)}}`;
}

/** The revisions at which a chain of entries, oldest first and from the first on, is broken. */
export async function breaks(entries: readonly Entry[]): Promise<number[]> {
  const found = new Set<number>();
  for (const [index, { hash, ...entry }] of entries.entries()) {
    const before = entries[index - 1];
    if (entry.revision !== (before?.revision ?? 0) + 1) found.add(entry.revision);
    if (entry.previous !== (before?.hash ?? null)) found.add(entry.revision);
    if (hash !== (await sha256(canonical(entry)))) found.add(entry.revision);
  }
  return [...found];
}

/** The entries of a domain as its object has stored them, each with the hash of the row before. */
export async function storedEntries(domain: string): Promise<Entry[]> {
  type Row = { revision: number; committed_at: number; changes: string; hash: string };
  const rows = (await stored(domain, "select * from domain_log order by revision")) as Row[];
  return rows.map(({ revision, committed_at, changes, hash }, index) => ({
    domain,
    revision,
    committedAt: new Date(committed_at).toISOString(),
    previous: rows[index - 1]?.hash ?? null,
    changes: JSON.parse(changes),
    hash,
  }));
}
