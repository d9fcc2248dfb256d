import { and, eq, lte, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { decodeJwt, type JWK } from "jose";
import { type LogCheckpoint, replayed, stateAfterCut } from "../../domain/log-replay.ts";
import { signLogCheckpoint } from "../crypto/log-statements.ts";
import { domainLog, domainLogCheckpoints } from "../database/schema.ts";
import { domainsWithLogBefore, readCheckpoint, readLogUntil } from "./storage/log-reader.ts";

const DOMAINS_AT_A_TIME = 50;
const ENTRIES_AT_A_TIME = 500;
/** How many steps a run takes at the most; what is left over is cut by the next one. */
const MAX_STEPS = 200;

/** Who signs for a log that was cut. */
export type Authority = Readonly<{ issuer: string; key: JWK }>;

/**
 * Cuts entries from before a time off every log, oldest first, and signs what each log had come to there. The newest
 * entry always stays: the next one is hashed over it.
 *
 * @param until milliseconds since the Unix epoch
 * @returns how many entries were cut off
 */
export async function cutLogs(database: D1Database, until: number, now: number, authority: Authority): Promise<number> {
  let [steps, entries, after] = [0, 0, ""];
  for (;;) {
    const domains = await domainsWithLogBefore(database, until, after, DOMAINS_AT_A_TIME);
    for (const domain of domains) {
      for (let cut = -1; cut !== 0; entries += cut) {
        if (steps++ >= MAX_STEPS) return entries;
        cut = await cutOnce(database, domain, until, now, authority);
      }
      after = domain;
    }
    if (domains.length < DOMAINS_AT_A_TIME) return entries;
  }
}

/** Cuts some entries off one log. @returns how many; 0 if there is nothing left to cut */
async function cutOnce(
  database: D1Database,
  domain: string,
  until: number,
  now: number,
  { issuer, key }: Authority,
): Promise<number> {
  const entries = await readLogUntil(database, domain, until, ENTRIES_AT_A_TIME);
  const last = entries.at(-1);
  if (!last) return 0;
  const before = await readCheckpoint(database, domain);
  const start = stateAfterCut(before && decodeJwt<LogCheckpoint>(before.statement));
  const checkpoint = { revision: last.revision, hash: last.hash, state: entries.reduce(replayed, start) };
  const row = {
    domain,
    revision: last.revision,
    hash: last.hash,
    statement: await signLogCheckpoint(domain, checkpoint, issuer, now, key),
  };
  const db = drizzle(database);
  await db.batch([
    db
      .insert(domainLogCheckpoints)
      .values(row)
      .onConflictDoUpdate({
        target: domainLogCheckpoints.domain,
        set: row,
        // Two runs at once cut the same entries; the one that comes late must not take the checkpoint back.
        setWhere: sql`excluded.revision > ${domainLogCheckpoints.revision}`,
      }),
    db.delete(domainLog).where(and(eq(domainLog.domain, domain), lte(domainLog.revision, last.revision))),
  ]);
  return entries.length;
}
