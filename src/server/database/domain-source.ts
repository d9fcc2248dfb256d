import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { COPIED_TABLES, type CopiedDomainRow, type CopiedTable, type Row, type RowKey } from "./copied-tables.ts";
import { inTime } from "./d1-errors.ts";
import type { DeletedDomain } from "./deletions.ts";
import { deletedDomains, domainServerInfo } from "./schema.ts";

// The reads by which an object takes its domain over from D1.

/** The entry of a name in D1: the row of its domain, and the last deletion of one; null if there is none. */
export type KnownDomain = Readonly<{ info: CopiedDomainRow | null; deletion: DeletedDomain | null }>;

/** Reads the entry of a name in D1, by one query. */
export async function findDomain(database: D1Database, domain: string): Promise<KnownDomain> {
  const query = drizzle(database)
    .select({ info: domainServerInfo, deletion: deletedDomains })
    .from(sql`(select ${domain} as name) as asked`)
    .leftJoin(domainServerInfo, sql`${domainServerInfo.domain} = asked.name`)
    .leftJoin(deletedDomains, sql`${deletedDomains.domain} = asked.name`);
  const [found] = await inTime(query.execute());
  return found ?? { info: null, deletion: null };
}

/** The rows of a table of a domain after a key, in their order. */
export function rowsAfter(
  database: D1Database,
  domain: string,
  table: CopiedTable,
  after: RowKey,
  limit: number,
): Promise<Row[]> {
  const { name, columns } = COPIED_TABLES[table];
  const [key] = columns;
  const query = `select ${columns} from ${name} where domain = ? and ${key} > ? order by ${key} limit ?`;
  return inTime(database.prepare(query).bind(domain, after, limit).raw<Row>());
}
