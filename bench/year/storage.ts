import { readdirSync } from "node:fs";
import { join } from "node:path";
import { SqliteFile } from "../../test/model/sqlite-file.ts";

/** The bytes of storage in use, and how they are spread over tables with their indexes. */
export type StorageUse = Readonly<{ bytes: number; tables: Readonly<Record<string, number>> }>;

/** Pages in use, without those that are free: what a file loses, the next rows get. */
const USED_BYTES = `select (page_count - freelist_count) * page_size as bytes
  from pragma_page_count, pragma_freelist_count, pragma_page_size`;
const USED_BY_TABLE = `select coalesce(tbl_name, dbstat.name) as name, sum(pgsize) as bytes
  from dbstat left join sqlite_schema on sqlite_schema.name = dbstat.name group by 1`;

/** The bytes in use in the storage of a domain's object. @param folder of a server */
export function objectBytes(folder: string, domain: string): number {
  return reading(objectFile(folder, domain), usedBytes);
}

/** The used storage of a domain's object. */
export function objectUse(folder: string, domain: string): StorageUse {
  return reading(objectFile(folder, domain), useOf);
}

/** The used storage of D1. */
export function databaseUse(folder: string): StorageUse {
  const [file] = filesIn(join(folder, "d1", "miniflare-D1DatabaseObject"));
  if (file === undefined) throw new Error("the file of the database is not to be found");
  return reading(file, useOf);
}

/** How much more is in use after something than before, for each of some requests. */
export function growth(before: StorageUse, after: StorageUse, requests: number): StorageUse {
  const grown = Object.entries(after.tables).map(([name, bytes]) => [
    name,
    (bytes - (before.tables[name] ?? 0)) / requests,
  ]);
  return { bytes: (after.bytes - before.bytes) / requests, tables: Object.fromEntries(grown) };
}

const knownFiles = new Map<string, string>();

function objectFile(folder: string, domain: string): string {
  const id = `${folder} ${domain}`;
  const file = knownFiles.get(id) ?? objectFiles(folder).find((each) => reading(each, (open) => isOf(open, domain)));
  if (file === undefined) throw new Error(`the file of the domain ${domain} is not to be found`);
  knownFiles.set(id, file);
  return file;
}

function objectFiles(folder: string): readonly string[] {
  const objects = join(folder, "do");
  const [name] = readdirSync(objects).filter((each) => each.endsWith("-DomainObject"));
  return name === undefined ? [] : filesIn(join(objects, name));
}

function isOf(file: SqliteFile, domain: string): boolean {
  const [table] = file.all("select 1 from sqlite_schema where name = 'domain_server_info'");
  return table !== undefined && file.all("select 1 from domain_server_info where domain = ?", domain).length > 0;
}

function useOf(file: SqliteFile): StorageUse {
  const tables = file.all(USED_BY_TABLE).map(({ name, bytes }) => [String(name), Number(bytes)]);
  return { bytes: usedBytes(file), tables: Object.fromEntries(tables) };
}

function usedBytes(file: SqliteFile): number {
  return Number(file.all(USED_BYTES)[0]?.bytes);
}

function filesIn(folder: string): readonly string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite");
  return names.map((name) => join(folder, name));
}

function reading<T>(path: string, read: (file: SqliteFile) => T): T {
  const file = new SqliteFile(path);
  try {
    return file.atOnce(() => read(file));
  } finally {
    file.close();
  }
}
