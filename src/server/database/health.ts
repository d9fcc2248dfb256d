import { getTableColumns, getTableName } from "drizzle-orm";
import { deletedDomains, domainBans, domainKeys, domainMembership, domainServerInfo } from "./schema.ts";

const TABLES = [domainServerInfo, domainMembership, domainKeys, domainBans, deletedDomains];

/**
 * Checks that the database answers and has its tables, with all their columns.
 *
 * @returns the region it runs in, as far as D1 says
 * @throws what D1 throws if not
 */
export async function checkDatabase(database: D1Database): Promise<string | undefined> {
  const [answer] = await database.batch(TABLES.map((table) => database.prepare(nothingOf(table))));
  return answer?.meta.served_by_region;
}

/** A query of every column that finds no row. With their table's name: SQLite takes a lone "name" it does not know for a text. */
function nothingOf(table: (typeof TABLES)[number]): string {
  const name = getTableName(table);
  const columns = Object.values(getTableColumns(table)).map((column) => `"${name}"."${column.name}"`);
  return `select ${columns.join(", ")} from "${name}" limit 0`;
}
