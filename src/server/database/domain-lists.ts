import { and, asc, desc, eq, getTableColumns, gt, gte, lt, type SQL, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { Membership } from "../../domain/types.ts";
import { type DomainOverview, highestKeyVersion } from "./domain-reader.ts";
import { domainBans, domainKeys, domainMembership, domainRefusals, domainServerInfo } from "./schema.ts";

// Every list goes by its table's primary key from where the page before ended: no page costs more than its rows, and
// rows that come and go elsewhere neither hide nor repeat any.

/** A page of rows: up to so many, after the row with this key; null for the first page. */
export type Page<Key> = Readonly<{ after: Key | null; limit: number }>;

/** Sorts behind every character that a domain name may have. */
const AFTER_ALL_NAMES = "\x7f";

/** Domains whose names begin with a prefix, by name. */
export async function listDomains(
  database: D1Database,
  prefix: string,
  { after, limit }: Page<string>,
): Promise<readonly DomainOverview[]> {
  return drizzle(database)
    .select({ ...getTableColumns(domainServerInfo), keyVersion: highestKeyVersion })
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
}

/** A member of a domain, with its whole machine GUID. */
export type MemberRow = Membership & Readonly<{ machineGuid: string }>;

const member = {
  machineGuid: domainMembership.machineGuid,
  deviceKeyThumbprint: domainMembership.deviceKeyThumbprint,
  joinedAt: domainMembership.joinedAt,
  signedAt: domainMembership.signedAt,
  lastRenewedOn: domainMembership.lastRenewedOn,
};

/** Members by machine GUID. */
export async function listMembers(
  database: D1Database,
  domain: string,
  { after, limit }: Page<string>,
): Promise<readonly MemberRow[]> {
  return drizzle(database)
    .select(member)
    .from(domainMembership)
    .where(and(eq(domainMembership.domain, domain), gt(domainMembership.machineGuid, after ?? "")))
    .orderBy(asc(domainMembership.machineGuid))
    .limit(limit);
}

/** One member; null if the device is none. */
export async function readMember(database: D1Database, domain: string, machineGuid: string): Promise<MemberRow | null> {
  const [found] = await drizzle(database)
    .select(member)
    .from(domainMembership)
    .where(and(eq(domainMembership.domain, domain), eq(domainMembership.machineGuid, machineGuid)));
  return found ?? null;
}

/** The members that have not renewed for longest. */
export async function leastRecentlyRenewed(
  database: D1Database,
  domain: string,
  limit: number,
): Promise<readonly MemberRow[]> {
  return drizzle(database)
    .select(member)
    .from(domainMembership)
    .where(eq(domainMembership.domain, domain))
    .orderBy(asc(domainMembership.lastRenewedOn))
    .limit(limit);
}

/** A banned device, with its whole machine GUID. */
export type BanRow = Omit<typeof domainBans.$inferSelect, "domain">;

/** Bans by machine GUID. */
export async function listBans(
  database: D1Database,
  domain: string,
  { after, limit }: Page<string>,
): Promise<readonly BanRow[]> {
  return drizzle(database)
    .select()
    .from(domainBans)
    .where(and(eq(domainBans.domain, domain), gt(domainBans.machineGuid, after ?? "")))
    .orderBy(asc(domainBans.machineGuid))
    .limit(limit);
}

/** One ban; null if the device is not banned. */
export async function readBan(database: D1Database, domain: string, machineGuid: string): Promise<BanRow | null> {
  const [found] = await drizzle(database)
    .select()
    .from(domainBans)
    .where(and(eq(domainBans.domain, domain), eq(domainBans.machineGuid, machineGuid)));
  return found ?? null;
}

/** A domain key without the key: its version, and when it was made. */
export type KeyVersionRow = Readonly<{ keyVersion: number; createdAt: number }>;

/** Key versions, newest first. */
export async function listKeyVersions(
  database: D1Database,
  domain: string,
  { after, limit }: Page<number>,
): Promise<readonly KeyVersionRow[]> {
  return drizzle(database)
    .select({ keyVersion: domainKeys.keyVersion, createdAt: domainKeys.createdAt })
    .from(domainKeys)
    .where(and(eq(domainKeys.domain, domain), after === null ? undefined : lt(domainKeys.keyVersion, after)))
    .orderBy(desc(domainKeys.keyVersion))
    .limit(limit);
}

/** How often an error refused requests within an hour, in hours since the Unix epoch. */
export type RefusalRow = Readonly<{ hour: number; error: string; refusals: number }>;

/** The counts of refusals from an hour on, newest first. */
export async function listRefusals(
  database: D1Database,
  domain: string,
  fromHour: number,
  limit: number,
): Promise<readonly RefusalRow[]> {
  const { hour, error, refusals } = domainRefusals;
  return drizzle(database)
    .select({ hour, error, refusals })
    .from(domainRefusals)
    .where(and(eq(domainRefusals.domain, domain), gte(hour, fromHour)))
    .orderBy(desc(hour), asc(error))
    .limit(limit);
}

/** The joins and departures of one day, in days since the Unix epoch. */
export type ActivityRow = Readonly<{ day: number; joined: number; left: number }>;

/** Joins and departures by day, from a day on, out of the newest commits of the log. */
export async function listActivity(
  database: D1Database,
  domain: string,
  fromDay: number,
  commits: number,
): Promise<Readonly<{ days: readonly ActivityRow[]; complete: boolean }>> {
  const db = drizzle(database);
  const newest = sql`(select committed_at, changes from domain_log where domain = ${domain}
    order by revision desc limit ${commits})`;
  const [days, oldest] = await Promise.all([
    db.all<ActivityRow>(sql`
      select cast(commits.committed_at / 86400000 as integer) as day,
        sum(${typed("device-joined")}) as joined, sum(${typed("device-left")} or ${typed("device-evicted")}) as left
      from ${newest} as commits, json_each(commits.changes) as change
      where commits.committed_at >= ${fromDay * 86_400_000} group by 1 order by 1`),
    db.get<{ seen: number; since: number | null }>(
      sql`select count(*) as seen, min(committed_at) as since from ${newest}`,
    ),
  ]);
  const complete = oldest.seen < commits || (oldest.since ?? 0) < fromDay * 86_400_000;
  return { days: days.filter(({ joined, left }) => joined > 0 || left > 0), complete };
}

function typed(type: string): SQL {
  return sql`(change.value ->> '$.type' = ${type})`;
}
