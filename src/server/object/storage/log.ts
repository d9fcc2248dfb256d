import type { LogEntry } from "../../../domain/log-entry.ts";
import type { DomainStorage } from "./domain-storage.ts";

/** A log entry with its hash. */
export type HashedEntry = LogEntry & Readonly<{ hash: string }>;

/** A log entry as it is stored. */
type StoredEntry = HashedEntry & Readonly<{ mac: string }>;

/** Which entries to read: from one side, beyond a revision (null for all), up to so many. */
export type LogPage = Readonly<{ order: "newest" | "oldest"; after: number | null; limit: number }>;

/** A search: entries with a change of this type, of this device, or of both at once. */
export type LogFilter = Readonly<{ type?: string | undefined; deviceId?: string | undefined }>;

/** Where a log was cut, and what the domain authority signed of that. */
export type CheckpointRow = Readonly<{ revision: number; hash: string; statement: string }>;

/** A page ends before it has more characters of changes than this, though not before its first entry. */
const MAX_PAGE_LENGTH = 1_000_000;

/** A search looks at so many entries and no more, for meanwhile the object does nothing else. */
const MAX_SEARCHED_ENTRIES = 2_000;

const FITS = `exists (select 1 from json_each(changes) as change
  where (?4 is null or change.value ->> '$.type' = ?4) and (?5 is null or change.value ->> '$.deviceId' = ?5))`;

type LogRow = {
  found: number;
  revision: number;
  committedAt: number;
  changes: string;
  hash: string;
  mac: string;
  previous: string | null;
};

/**
 * Log entries, in the order asked for; `cut` if there are fewer than the limit though more may follow: after the last, or
 * after `end` if more were looked at than found.
 */
export function readLog(
  { sql, name }: DomainStorage,
  { order, after, limit }: LogPage,
  { type = null, deviceId = null }: { [Name in keyof LogFilter]: LogFilter[Name] | null } = {},
): Readonly<{ rows: readonly StoredEntry[]; cut: boolean; end?: number }> {
  const [direction, beyond] = order === "newest" ? ["desc", "<"] : ["asc", ">"];
  const from = after ?? (order === "newest" ? Number.MAX_SAFE_INTEGER : 0);
  const searches = type !== null || deviceId !== null;
  const entries = `select * from domain_log where revision ${beyond} ?1 order by revision ${direction} limit`;
  const fitting = `select * from (${entries} ${MAX_SEARCHED_ENTRIES}) where ${FITS} order by revision ${direction} limit`;
  const rows = sql
    .exec<LogRow>(
      `select page.found, page.revision, page.committed_at as committedAt, page.changes, page.hash, page.mac, coalesce(
          (select hash from domain_log where revision = page.revision - 1),
          (select hash from domain_log_checkpoint where revision = page.revision - 1)) as previous
        from (
          select *, count(*) over () as found,
            sum(length(changes)) over (order by revision ${direction}) - length(changes) as before
          from (${searches ? fitting : entries} ?2)) as page
        where page.before < ?3 order by page.revision ${direction}`,
      ...[from, limit, MAX_PAGE_LENGTH],
      ...(searches ? [type, deviceId] : []),
    )
    .toArray();
  const read = rows.map((row) => ({
    domain: name,
    revision: row.revision,
    committedAt: new Date(row.committedAt).toISOString(),
    previous: row.previous,
    changes: JSON.parse(row.changes),
    hash: row.hash,
    mac: row.mac,
  }));
  const cut = rows.length < (rows[0]?.found ?? 0);
  if (!searches || cut || rows.length === limit) return { rows: read, cut };
  const { looked, end } = sql
    .exec<{ looked: number; end: number }>(
      `select count(*) as looked, ${order === "newest" ? "min" : "max"}(revision) as end from (${entries} ?2)`,
      ...[from, MAX_SEARCHED_ENTRIES],
    )
    .one();
  return looked < MAX_SEARCHED_ENTRIES ? { rows: read, cut } : { rows: read, cut: true, end };
}

/** Where the log was cut; null if it is whole. */
export function readCheckpoint({ sql }: DomainStorage): CheckpointRow | null {
  return sql.exec<CheckpointRow>("select revision, hash, statement from domain_log_checkpoint").toArray()[0] ?? null;
}

/** When the oldest entry was committed, in milliseconds since the epoch, if it is not the newest; else null. */
export function oldestEntryTime({ sql }: DomainStorage): number | null {
  const [oldest] = sql.exec<{ committedAt: number; isNewest: number }>(
    `select committed_at as committedAt, revision = (select max(revision) from domain_log) as isNewest
      from domain_log order by revision limit 1`,
  );
  return oldest && oldest.isNewest === 0 ? oldest.committedAt : null;
}
