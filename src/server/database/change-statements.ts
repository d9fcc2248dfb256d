import { type SQL, sql } from "drizzle-orm";
import { SQLiteAsyncDialect } from "drizzle-orm/sqlite-core";
import {
  type Change,
  COPIED_TABLES,
  type CopiedTable,
  type DomainRow,
  type Found,
  type Page,
  TABLE_ORDER,
} from "./copied-tables.ts";
import { domainServerInfo as info } from "./schema.ts";

// Each list is one parameter, as JSON: D1 allows no more than 100 of them, and the number of statements stays the same
// however many domains and rows there are.

const INFO_COLUMNS = Object.entries(info).map(([member, { name }]) => [member as keyof DomainRow, name] as const);

/**
 * Writes the changes of several domains in one transaction. A domain's part applies only if D1 has a revision from its
 * `base` on that is older than the part's: late and repeated parts do nothing, and none is applied over a gap.
 *
 * @returns what D1 had of each domain before, in order
 */
export async function writeChanges(database: D1Database, changes: readonly Change[]): Promise<readonly Found[]> {
  const parts = JSON.stringify(changes.map(({ info, base }) => [info.domain, base, info.revision]));
  const applies = sql`row.value ->> 0 in (
    select part.value ->> 0 from json_each(${parts}) as part left join ${info} on ${info.domain} = part.value ->> 0
    where coalesce(${info.revision}, 0) >= part.value ->> 1 and coalesce(${info.revision}, 0) < part.value ->> 2)`;
  const rowsOf = (rows: (change: Change) => readonly unknown[][]) =>
    changes.flatMap((change) => rows(change).map((row) => [change.info.domain, ...row]));
  const [found] = await batch(database, [
    sql`select ${info.domain}, ${info.revision}, ${info.head} from ${info}
      where ${info.domain} in (select value ->> 0 from json_each(${parts}))`,
    ...TABLE_ORDER.flatMap((table) => [
      remove(
        table,
        rowsOf(({ removed }) => removed[table].map((key) => [key])),
        applies,
      ),
      upsert(
        table,
        rowsOf(({ rows }) => [...rows[table]]),
        applies,
      ),
    ]),
    // Last, because it is by this row that the others tell whether their part applies.
    upsertInfo(
      changes.map(({ info }) => info),
      applies,
    ),
  ]);
  const rows = (found?.results ?? []) as { domain: string; revision: number; head: string | null }[];
  const byDomain = new Map(rows.map(({ domain, ...rest }) => [domain, rest]));
  return changes.map(({ info }) => byDomain.get(info.domain) ?? null);
}

/** Marks a domain as one that is written anew: its pages apply as long as `head` is this id. */
export async function beginRewrite(database: D1Database, row: DomainRow, id: string): Promise<void> {
  await batch(database, [upsertInfo([{ ...row, revision: 0, head: id }], sql`true`)]);
}

/** Replaces the rows of a page by those that are given. */
export async function writePage(database: D1Database, page: Page): Promise<void> {
  const { domain, id, table, after, upTo, rows } = page;
  const { name, columns } = COPIED_TABLES[table];
  const key = sql.identifier(columns[0]);
  const applies = isRewriting(domain, id);
  await batch(database, [
    sql`delete from ${sql.identifier(name)} where domain = ${domain} and ${key} > ${after}
      and ${upTo === null ? sql`true` : sql`${key} <= ${upTo}`}
      and ${key} not in (select value ->> 0 from json_each(${JSON.stringify(rows)})) and ${applies}`,
    upsert(
      table,
      rows.map((row) => [domain, ...row]),
      applies,
    ),
  ]);
}

/** Ends a rewriting. @returns whether it was still the one with this id */
export async function endRewrite(database: D1Database, row: DomainRow, id: string): Promise<boolean> {
  const [result] = await batch(database, [upsertInfo([row], isRewriting(row.domain, id))]);
  return (result?.meta.changes ?? 0) > 0;
}

function isRewriting(domain: string, id: string): SQL {
  return sql`exists (select 1 from ${info} where ${info.domain} = ${domain} and ${info.head} = ${id})`;
}

function upsertInfo(rows: readonly DomainRow[], applies: SQL): SQL {
  const values = rows.map((row) => INFO_COLUMNS.map(([member]) => row[member]));
  return insert(
    "domain_server_info",
    INFO_COLUMNS.map(([, column]) => column),
    1,
    values,
    applies,
  );
}

function upsert(table: CopiedTable, rows: readonly (readonly unknown[])[], applies: SQL): SQL {
  const { name, columns } = COPIED_TABLES[table];
  return insert(name, ["domain", ...columns], 2, rows, applies);
}

/** Inserts rows or, where there is one with the same first columns, replaces it. */
function insert(
  table: string,
  columns: readonly string[],
  keyLength: number,
  rows: readonly (readonly unknown[])[],
  applies: SQL,
): SQL {
  const listed = (parts: readonly SQL[]) => sql.join([...parts], sql`, `);
  const names = columns.map((name) => sql`${sql.identifier(name)}`);
  const values = columns.map((_, index) => sql`row.value ->> ${sql.raw(String(index))}`);
  return sql`insert into ${sql.identifier(table)} (${listed(names)})
    select ${listed(values)} from json_each(${JSON.stringify(rows)}) as row where ${applies}
    on conflict (${listed(names.slice(0, keyLength))}) do update set
    ${listed(names.slice(keyLength).map((name) => sql`${name} = excluded.${name}`))}`;
}

function remove(table: CopiedTable, rows: readonly (readonly unknown[])[], applies: SQL): SQL {
  const { name, columns } = COPIED_TABLES[table];
  return sql`delete from ${sql.identifier(name)} where (domain, ${sql.identifier(columns[0])}) in (
    select row.value ->> 0, row.value ->> 1 from json_each(${JSON.stringify(rows)}) as row where ${applies})`;
}

const dialect = new SQLiteAsyncDialect();

/** Runs statements in one transaction. Drizzle's own `batch` takes no raw statements with parameters. */
function batch(database: D1Database, statements: readonly SQL[]): Promise<D1Result[]> {
  return database.batch(
    statements.map((statement) => {
      const { sql, params } = dialect.sqlToQuery(statement);
      return database.prepare(sql).bind(...params);
    }),
  );
}
