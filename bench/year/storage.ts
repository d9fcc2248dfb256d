import { type Row, SqliteFile } from "../../test/support/node/sqlite-file.ts";

/** The bytes of storage in use, and how they are spread over tables with their indexes. */
export type StorageUse = Readonly<{ bytes: number; tables: Readonly<Record<string, number>> }>;

/** Pages in use, without those that are free: what a file loses, the next rows get. */
const USED_BYTES = `select (page_count - freelist_count) * page_size as bytes
  from pragma_page_count, pragma_freelist_count, pragma_page_size`;
const USED_BY_TABLE = `select coalesce(tbl_name, dbstat.name) as name, sum(pgsize) as bytes
  from dbstat left join sqlite_schema on sqlite_schema.name = dbstat.name group by 1`;

/** The bytes in use in a file of a server. */
export function usedBytes(path: string): number {
  return bytesOf(SqliteFile.read(path, (file) => file.all(USED_BYTES))[0]);
}

/** The same, and for each table. */
export function storageUse(path: string): StorageUse {
  const rows = SqliteFile.read(path, (file) => file.all(USED_BY_TABLE));
  return { bytes: usedBytes(path), tables: Object.fromEntries(rows.map((row) => [String(row.name), bytesOf(row)])) };
}

/** How much more is in use after something than before, for each of some requests. */
export function growth(before: StorageUse, after: StorageUse, requests: number): StorageUse {
  const grown = Object.entries(after.tables).map(([name, bytes]) => [
    name,
    (bytes - (before.tables[name] ?? 0)) / requests,
  ]);
  return { bytes: (after.bytes - before.bytes) / requests, tables: Object.fromEntries(grown) };
}

function bytesOf(row: Row | undefined): number {
  return Number(row?.bytes);
}
