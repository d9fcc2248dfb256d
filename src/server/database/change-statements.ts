import { fillPlaceholders, type SQL, sql } from "drizzle-orm";
import { SQLiteAsyncDialect } from "drizzle-orm/sqlite-core";
import {
  COPIED_TABLES,
  type CopiedChange,
  type CopiedDomainRow,
  type CopiedTable,
  type CopyPage,
  type Found,
  TABLE_ORDER,
} from "./copied-tables.ts";
import { deletedDomains as deleted, domainServerInfo as info } from "./schema.ts";

// Each list is one parameter, as JSON: D1 allows no more than 100 of them, and the number of statements does not grow
// with the domains and rows. The texts are made once.

const INFO_COLUMNS = Object.entries(info).map(([member, { name }]) => [member as keyof CopiedDomainRow, name] as const);

const value = sql.placeholder;
const identifier = (name: string) => sql`${sql.identifier(name)}`;

/** Whether a domain that was created at a time has been deleted. */
const isDeleted = (domain: SQL, createdAt: SQL) => sql`exists (
  select 1 from ${deleted} where ${deleted.domain} = ${domain} and ${deleted.deletedAt} >= ${createdAt})`;

/** Whether a row's domain has a part that applies; `parts` is an array of domain, base, revision and creation of each. */
const PART_APPLIES = sql`row.value ->> 0 in (
  select part.value ->> 0 from json_each(${value("parts")}) as part left join ${info} on ${info.domain} = part.value ->> 0
  where coalesce(${info.revision}, 0) >= part.value ->> 1 and coalesce(${info.revision}, 0) < part.value ->> 2
    and not ${isDeleted(sql`part.value ->> 0`, sql`part.value ->> 3`)})`;

/** Whether a domain is being written anew, under an id. */
const IS_REWRITING = sql`exists (
  select 1 from ${info} where ${info.domain} = ${value("domain")} and ${info.head} = ${value("id")})`;

/** The statements for each table; `rows` is an array of domain and columns of each row. */
const statementsOf = (table: CopiedTable) => {
  const { name, columns } = COPIED_TABLES[table];
  const [at, key] = [identifier(name), identifier(columns[0])];
  return {
    upsert: compiled(insert(name, ["domain", ...columns], 2, PART_APPLIES)),
    remove: compiled(sql`delete from ${at} where (domain, ${key}) in (
      select row.value ->> 0, row.value ->> 1 from json_each(${value("rows")}) as row where ${PART_APPLIES})`),
    upsertPage: compiled(insert(name, ["domain", ...columns], 2, IS_REWRITING)),
    /** Removes the rows between two keys, null for no end, that are not among those given. */
    clearPage: compiled(sql`delete from ${at} where domain = ${value("domain")} and ${key} > ${value("after")}
      and (${value("upTo")} is null or ${key} <= ${value("upTo")})
      and ${key} not in (select value ->> 1 from json_each(${value("rows")})) and ${IS_REWRITING}`),
  };
};

const dialect = new SQLiteAsyncDialect();

const FIND = compiled(sql`select ${info.domain}, ${info.revision}, ${info.head} from ${info}
  where ${info.domain} in (select value ->> 0 from json_each(${value("parts")}))`);
const UPSERT_INFO = compiled(insertInfo(PART_APPLIES));
const BEGIN_REWRITE = compiled(insertInfo(sql`not ${isDeleted(sql`row.value ->> 0`, infoValue("createdAt"))}`));
const END_REWRITE = compiled(insertInfo(IS_REWRITING));
const TABLES = { members: statementsOf("members"), keys: statementsOf("keys"), bans: statementsOf("bans") };

/**
 * Writes the changes of several domains in one transaction. A domain's part applies only if D1 has a revision from its
 * `base` on that is older than the part's, and the domain has not been deleted: late and repeated parts do nothing, and
 * none is applied over a gap.
 *
 * @returns what D1 had of each domain before, in order
 */
export async function writeChanges(database: D1Database, changes: readonly CopiedChange[]): Promise<readonly Found[]> {
  const parts = JSON.stringify(changes.map(({ info, base }) => [info.domain, base, info.revision, info.createdAt]));
  const written = (statement: Compiled, rowsOf: (change: CopiedChange) => readonly (readonly unknown[])[]) => {
    const rows = changes.flatMap((change) => rowsOf(change).map((row) => [change.info.domain, ...row]));
    return rows.length === 0 ? [] : [statement(database, { parts, rows: JSON.stringify(rows) })];
  };
  const [found] = await database.batch<{ domain: string; revision: number; head: string | null }>([
    FIND(database, { parts }),
    ...TABLE_ORDER.flatMap((table) => [
      ...written(TABLES[table].remove, ({ removed }) => removed[table].map((key) => [key])),
      ...written(TABLES[table].upsert, ({ rows }) => rows[table]),
    ]),
    // Last, because it is by this row that the others tell whether their part applies.
    UPSERT_INFO(database, { parts, rows: infoRows(changes.map(({ info }) => info)) }),
  ]);
  const byDomain = new Map(found?.results.map(({ domain, ...rest }) => [domain, rest]));
  return changes.map(({ info }) => byDomain.get(info.domain) ?? null);
}

/** Marks a domain as one that is written anew: its pages apply as long as `head` is this id. */
export async function beginRewrite(database: D1Database, row: CopiedDomainRow, id: string): Promise<void> {
  await BEGIN_REWRITE(database, { rows: infoRows([{ ...row, revision: 0, head: id }]) }).run();
}

/** Replaces the rows of a page by those that are given. */
export async function writePage(database: D1Database, { table, rows, ...page }: CopyPage): Promise<void> {
  const values = { ...page, rows: JSON.stringify(rows.map((row) => [page.domain, ...row])) };
  await database.batch([TABLES[table].clearPage(database, values), TABLES[table].upsertPage(database, values)]);
}

/** Ends a rewriting. @returns whether it was still the one with this id */
export async function endRewrite(database: D1Database, row: CopiedDomainRow, id: string): Promise<boolean> {
  const { meta } = await END_REWRITE(database, { rows: infoRows([row]), domain: row.domain, id }).run();
  return meta.changes > 0;
}

/** A value of a row in `rows`. */
function infoValue(name: keyof CopiedDomainRow): SQL {
  return sql`row.value ->> ${sql.raw(String(INFO_COLUMNS.findIndex(([member]) => member === name)))}`;
}

function infoRows(rows: readonly CopiedDomainRow[]): string {
  return JSON.stringify(rows.map((row) => INFO_COLUMNS.map(([member]) => row[member])));
}

function insertInfo(applies: SQL): SQL {
  return insert(
    "domain_server_info",
    INFO_COLUMNS.map(([, column]) => column),
    1,
    applies,
  );
}

/** Inserts `rows` or, where there is one with the same first columns, replaces it. */
function insert(table: string, columns: readonly string[], keyLength: number, applies: SQL): SQL {
  const listed = (parts: readonly SQL[]) => sql.join([...parts], sql`, `);
  const names = columns.map(identifier);
  const values = columns.map((_, index) => sql`row.value ->> ${sql.raw(String(index))}`);
  return sql`insert into ${identifier(table)} (${listed(names)})
    select ${listed(values)} from json_each(${value("rows")}) as row where ${applies}
    on conflict (${listed(names.slice(0, keyLength))}) do update set
    ${listed(names.slice(keyLength).map((name) => sql`${name} = excluded.${name}`))}`;
}

/** A statement with its values, by name. */
type Compiled = (database: D1Database, values: Readonly<Record<string, unknown>>) => D1PreparedStatement;

function compiled(statement: SQL): Compiled {
  const { sql: text, params } = dialect.sqlToQuery(statement);
  return (database, values) => database.prepare(text).bind(...fillPlaceholders(params, values));
}
