import { asc, eq, getTableColumns, getTableName, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { currentKeyVersion } from "../../domain/rollover.ts";
import type { DomainSettings } from "../../domain/types.ts";
import {
  domainBans,
  domainKeys,
  domainLog,
  domainLogCheckpoints,
  domainMembership,
  domainRefusals,
  domainRequests,
  domainServerInfo,
  keyEncryptionUses,
} from "./schema.ts";

const TABLES = [
  domainServerInfo,
  domainMembership,
  domainBans,
  domainRefusals,
  domainKeys,
  domainRequests,
  domainLog,
  domainLogCheckpoints,
  keyEncryptionUses,
];

/** A domain as anyone may see it and as its operator does; times in milliseconds since the Unix epoch. */
export type DomainOverview = DomainSettings &
  Readonly<{
    domain: string;
    keyVersion: number;
    retiredUpTo: number;
    keyRolloverRequired: boolean;
    memberCount: number;
    revision: number;
    createdAt: number;
    updatedAt: number;
  }>;

/** The public keys of a domain (JWKs as JSON, oldest first), and the version to encrypt to, if there is one now. */
export type PublicKeys = Readonly<{ currentKeyVersion: number | null; publicJwks: readonly string[] }>;

/** A domain's settings and counters; null if there is no such domain. Creates nothing. */
export async function readDomain(database: D1Database, domain: string): Promise<DomainOverview | null> {
  const [overview] = await drizzle(database)
    .select({ ...getTableColumns(domainServerInfo), keyVersion: highestKeyVersion })
    .from(domainServerInfo)
    .where(eq(domainServerInfo.domain, domain));
  return overview ?? null;
}

/** A domain's public keys; null if there is no such domain. Creates nothing. */
export async function readPublicKeys(database: D1Database, domain: string): Promise<PublicKeys | null> {
  const db = drizzle(database);
  const [[info], keys] = await db.batch([
    db
      .select({ keyRolloverRequired: domainServerInfo.keyRolloverRequired, keyVersion: highestKeyVersion })
      .from(domainServerInfo)
      .where(eq(domainServerInfo.domain, domain)),
    db
      .select({ publicJwk: domainKeys.publicJwk })
      .from(domainKeys)
      .where(eq(domainKeys.domain, domain))
      .orderBy(asc(domainKeys.keyVersion)),
  ]);
  return info ? { currentKeyVersion: currentKeyVersion(info), publicJwks: keys.map((key) => key.publicJwk) } : null;
}

/** Of the domain that the outer query reads; in full, because Drizzle drops the table from a column in a select. */
export const highestKeyVersion = sql<number>`(
  select coalesce(max(key.key_version), 0) from ${domainKeys} as key where key.domain = ${domainServerInfo}.domain)`;

/** Whether the database answers and has its tables, with all their columns. @throws what D1 throws if not */
export async function checkDatabase(database: D1Database): Promise<void> {
  await database.batch(TABLES.map((table) => database.prepare(nothingOf(table))));
}

/** A query of every column that finds no row. With their table's name: SQLite takes a lone "name" it does not know for a text. */
function nothingOf(table: (typeof TABLES)[number]): string {
  const name = getTableName(table);
  const columns = Object.values(getTableColumns(table)).map((column) => `"${name}"."${column.name}"`);
  return `select ${columns.join(", ")} from "${name}" limit 0`;
}
