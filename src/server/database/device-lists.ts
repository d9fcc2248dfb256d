import { and, asc, eq, gt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { inTime } from "./d1-errors.ts";
import type { Part } from "./databases.ts";
import { domainMembership, domainServerInfo } from "./schema.ts";

/** A domain that a device is a member of. */
export type DomainOfDevice = Readonly<{
  domain: string;
  /** In milliseconds since the Unix epoch. */
  joinedAt: number;
  /** The thumbprint of the key that the membership is bound to; null for none. */
  deviceKeyThumbprint: string | null;
}>;

/** The domains that a device is a member of, by name, after one of them. A page costs no more than its rows. */
export function listDomainsOfDevice(
  database: D1Database,
  machineGuid: string,
  { after, limit }: Part<string>,
): Promise<DomainOfDevice[]> {
  const { domain, joinedAt, deviceKeyThumbprint } = domainMembership;
  const query = drizzle(database)
    .select({ domain, joinedAt, deviceKeyThumbprint })
    .from(domainMembership)
    .innerJoin(domainServerInfo, eq(domainServerInfo.domain, domain))
    .where(and(eq(domainMembership.machineGuid, machineGuid), gt(domain, after ?? "")))
    .orderBy(asc(domain))
    .limit(limit);
  return inTime(query.execute());
}
