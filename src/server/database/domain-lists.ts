import { and, asc, getTableColumns, gt, gte, lt, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { Part } from "./databases.ts";
import { domainKeys, domainServerInfo } from "./schema.ts";

/** Sorts behind every character that a domain name may have. */
const AFTER_ALL_NAMES = "\x7f";

const { head: _, ...columns } = getTableColumns(domainServerInfo);

/** Of the domain that the outer query reads; in full, because Drizzle drops the table from a column in a select. */
const keyVersion = sql<number>`(
  select coalesce(max(key.key_version), 0) from ${domainKeys} as key where key.domain = ${domainServerInfo}.domain)`;

/** How many domains are looked at for a page of those that are idle. */
const DOMAINS_LOOKED_AT = 10_000;

/**
 * Domains that may be idle, by name: those not changed since a time, with so many members at most. As long as there are
 * more to look at, the last one looked at is the last row, idle or not.
 *
 * @param since milliseconds since the Unix epoch
 */
export async function listIdleDomains(
  database: D1Database,
  { since, maxMembers }: Readonly<{ since: number; maxMembers: number }>,
  { after, limit }: Part<string>,
) {
  const rows = await drizzle(database).all<{ domain: string; isIdle: number; isLast: number }>(sql`
    with looked as (
      select domain, updated_at < ${since} and member_count <= ${maxMembers} as isIdle from ${domainServerInfo}
      where domain > ${after ?? ""} order by domain limit ${DOMAINS_LOOKED_AT})
    select domain, isIdle, 0 as isLast from looked where isIdle
    union all
    select max(domain), 0, 1 from looked having count(*) = ${DOMAINS_LOOKED_AT}
    order by domain, isLast limit ${limit}`);
  return { rows, cut: rows.some(({ isLast }) => isLast === 1) };
}

/**
 * Domains whose names begin with a prefix, by name. A page costs no more than its rows.
 *
 * @param after the name after which the page begins; null for the first page
 */
export async function listDomains(database: D1Database, prefix: string, { after, limit }: Part<string>) {
  const rows = await drizzle(database)
    .select({ ...columns, keyVersion })
    .from(domainServerInfo)
    .where(
      and(
        // One lower bound: given two, SQLite would seek the one and go through all rows up to the other.
        after === null ? gte(domainServerInfo.domain, prefix) : gt(domainServerInfo.domain, after),
        lt(domainServerInfo.domain, `${prefix}${AFTER_ALL_NAMES}`),
      ),
    )
    .orderBy(asc(domainServerInfo.domain))
    .limit(limit);
  return rows.map(({ authenticationRequired, deviceKeyRequired, keyRolloverRequired, ...rest }) => ({
    ...rest,
    authenticationRequired: authenticationRequired === 1,
    deviceKeyRequired: deviceKeyRequired === 1,
    keyRolloverRequired: keyRolloverRequired === 1,
  }));
}
