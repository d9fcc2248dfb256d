import { and, asc, eq, gt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { inTime } from "./d1-errors.ts";
import { domainBans, domainKeys, domainMembership, domainServerInfo } from "./schema.ts";

// What an object reads when it takes its domain over from D1.

/** The row of a domain; null if D1 does not know it. */
export async function findDomain(database: D1Database, domain: string) {
  const rows = drizzle(database).select().from(domainServerInfo).where(eq(domainServerInfo.domain, domain));
  return (await inTime(rows.then((found) => found)))[0] ?? null;
}

/** Members after a machine GUID, in their order. */
export function membersAfter(database: D1Database, domain: string, after: string, limit: number) {
  return drizzle(database)
    .select()
    .from(domainMembership)
    .where(and(eq(domainMembership.domain, domain), gt(domainMembership.machineGuid, after)))
    .orderBy(asc(domainMembership.machineGuid))
    .limit(limit);
}

/** Keys after a version, in their order. */
export function keysAfter(database: D1Database, domain: string, after: number, limit: number) {
  return drizzle(database)
    .select()
    .from(domainKeys)
    .where(and(eq(domainKeys.domain, domain), gt(domainKeys.keyVersion, after)))
    .orderBy(asc(domainKeys.keyVersion))
    .limit(limit);
}

/** Bans after a machine GUID, in their order. */
export function bansAfter(database: D1Database, domain: string, after: string, limit: number) {
  return drizzle(database)
    .select()
    .from(domainBans)
    .where(and(eq(domainBans.domain, domain), gt(domainBans.machineGuid, after)))
    .orderBy(asc(domainBans.machineGuid))
    .limit(limit);
}
