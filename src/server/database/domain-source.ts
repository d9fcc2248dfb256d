import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { COPIED_TABLES, type CopiedTable, type DomainRow, type Row, type RowKey } from "./copied-tables.ts";
import { inTime } from "./d1-errors.ts";
import { domainServerInfo } from "./schema.ts";

// What an object reads when it takes its domain over from D1.

/** The row of a domain; null if D1 does not know it. */
export async function findDomain(database: D1Database, domain: string): Promise<DomainRow | null> {
  const query = drizzle(database).select().from(domainServerInfo).where(eq(domainServerInfo.domain, domain));
  return (await inTime(query.execute()))[0] ?? null;
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
