import { and, eq, gt, lt, type SQL, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { LogEntry } from "../../../domain/log-entry.ts";
import { loggedChanges } from "../../crypto/log-hashes.ts";
import { domainLog, domainLogCheckpoints } from "../../database/schema.ts";

/** A log entry with its hash; null where it was written before there were hashes. */
export type HashedEntry = LogEntry & Readonly<{ hash: string | null }>;

/** Which entries to read: from one side, beyond a revision (null for all), up to so many. */
export type LogPage = Readonly<{ order: "newest" | "oldest"; after: number | null; limit: number }>;

/** A page ends before it has more characters of changes than this, though not before its first entry. */
const MAX_PAGE_LENGTH = 1_000_000;

/** Log entries, in the order asked for; `cut` if there are fewer than the limit though more follow. */
export async function readLog(
  database: D1Database,
  domain: string,
  { order, after, limit }: LogPage,
): Promise<Readonly<{ rows: readonly HashedEntry[]; cut: boolean }>> {
  const { revision } = domainLog;
  const beyond = after === null ? undefined : order === "newest" ? lt(revision, after) : gt(revision, after);
  const direction: SQL = order === "newest" ? sql`desc` : sql`asc`;
  const page = sql`select *, count(*) over () as found, sum(length(changes)) over (order by revision ${direction}) as total
    from (
    select * from ${domainLog} where ${and(eq(domainLog.domain, domain), beyond)}
    order by revision ${direction} limit ${limit})`;
  const rows = await drizzle(database).all<LogRow>(sql`
    select page.found, page.revision, page.commit_id, page.committed_at, page.changes, page.hash, coalesce(
      (select before.hash from ${domainLog} as before
        where before.domain = ${domain} and before.revision = page.revision - 1),
      (select cut.hash from ${domainLogCheckpoints} as cut
        where cut.domain = ${domain} and cut.revision = page.revision - 1)) as previous
    from (${page}) as page where page.total - length(page.changes) < ${MAX_PAGE_LENGTH}
    order by page.revision ${direction}`);
  const entries = await Promise.all(
    rows.map(async (row) => ({
      domain,
      revision: row.revision,
      commitId: row.commit_id,
      committedAt: new Date(row.committed_at).toISOString(),
      previous: row.previous,
      // An entry from before there were hashes may name devices by machine GUID, which is a secret.
      changes: row.hash === null ? await loggedChanges(domain, JSON.parse(row.changes)) : JSON.parse(row.changes),
      hash: row.hash,
    })),
  );
  return { rows: entries, cut: rows.length < (rows[0]?.found ?? 0) };
}

type LogRow = {
  found: number;
  revision: number;
  commit_id: string;
  committed_at: number;
  changes: string;
  hash: string | null;
  previous: string | null;
};

/** Where a log was cut, and what was signed of that; null if it is whole. */
export async function readCheckpoint(
  database: D1Database,
  domain: string,
): Promise<Readonly<{ revision: number; statement: string }> | null> {
  const [found] = await drizzle(database)
    .select({ revision: domainLogCheckpoints.revision, statement: domainLogCheckpoints.statement })
    .from(domainLogCheckpoints)
    .where(eq(domainLogCheckpoints.domain, domain));
  return found ?? null;
}

/** The entries of a log from before a time, at most so many, oldest first; never its newest one. */
export async function readLogUntil(
  database: D1Database,
  domain: string,
  until: number,
  limit: number,
): Promise<readonly HashedEntry[]> {
  const { rows, cut } = await readLog(database, domain, { order: "oldest", after: null, limit: limit + 1 });
  const old = rows.findIndex(({ committedAt }) => Date.parse(committedAt) >= until);
  const entries = old === -1 ? rows : rows.slice(0, old);
  const newestIsAmongThem = entries.length === rows.length && !cut;
  return newestIsAmongThem ? entries.slice(0, -1) : entries;
}

/** Domains, by name, whose oldest log entry is from before a time. */
export async function domainsWithLogBefore(
  database: D1Database,
  time: number,
  after: string,
  limit: number,
): Promise<readonly string[]> {
  const rows = await drizzle(database).all<{ domain: string }>(sql`
    select info.domain from domain_server_info as info
    where info.domain > ${after} and (
      select entry.committed_at from ${domainLog} as entry where entry.domain = info.domain
      order by entry.revision limit 1) < ${time}
      and info.revision > (select entry.revision from ${domainLog} as entry where entry.domain = info.domain
        order by entry.revision limit 1)
    order by info.domain limit ${limit}`);
  return rows.map(({ domain }) => domain);
}
