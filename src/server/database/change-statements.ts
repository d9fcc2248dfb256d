import { type SQL, sql } from "drizzle-orm";
import { SQLiteAsyncDialect } from "drizzle-orm/sqlite-core";
import type { Change, Found, InfoCopy, Page } from "./change.ts";
import { domainBans, domainKeys, domainMembership, domainServerInfo } from "./schema.ts";

// Each list is one parameter, as JSON: D1 allows no more than 100 of them, and the number of statements stays the same
// however many domains and rows there are.

const info = domainServerInfo;

/** The columns of the row of a domain, in the order of their statement. */
const INFO_COLUMNS = [
  "domain",
  "authenticationRequired",
  "authNamespace",
  "maxMembership",
  "deviceKeyRequired",
  "keyRolloverRequired",
  "memberCount",
  "retiredUpTo",
  "revision",
  "head",
  "createdAt",
  "updatedAt",
] as const satisfies readonly (keyof InfoCopy)[];

/** The columns of each table, the first of which with the domain are its primary key. */
const TABLES = {
  members: { table: domainMembership, columns: ["machine_guid", "device_key_thumbprint", "joined_at", "signed_at"] },
  bans: {
    table: domainBans,
    columns: ["machine_guid", "device_key_thumbprint", "reason", "banned_by", "banned_at"],
  },
  keys: {
    table: domainKeys,
    columns: ["key_version", "public_jwk", "wrapped_private_jwk", "key_encryption_kid", "created_at"],
  },
} as const;

type TableName = keyof typeof TABLES;

/**
 * Writes the changes of several domains in one transaction. A domain's part applies only if D1 has a revision from its
 * `base` on that is older than the part's: late and repeated parts do nothing, and none is applied over a gap.
 *
 * @returns what D1 had of each domain before, in order
 */
export async function writeChanges(database: D1Database, changes: readonly Change[]): Promise<readonly Found[]> {
  const parts = JSON.stringify(changes.map(({ info, base }) => [info.domain, base, info.revision]));
  const applicable = sql`(
    select part.value ->> 0 from json_each(${parts}) as part left join ${info} on ${info.domain} = part.value ->> 0
    where coalesce(${info.revision}, 0) >= part.value ->> 1 and coalesce(${info.revision}, 0) < part.value ->> 2)`;
  const rowsOf = (select: (change: Change) => readonly (readonly unknown[])[]) =>
    changes.flatMap((change) => select(change).map((row) => [change.info.domain, ...row]));
  const applies = sql`row.value ->> 0 in ${applicable}`;
  const removed = (name: TableName, select: (change: Change) => readonly string[]) =>
    remove(
      name,
      rowsOf((change) => select(change).map((key) => [key])),
      applies,
    );
  const [found] = await batch(database, [
    sql`select ${info.domain}, ${info.revision}, ${info.head} from ${info}
      where ${info.domain} in (select value ->> 0 from json_each(${parts}))`,
    removed("members", (change) => change.removedMembers),
    removed("bans", (change) => change.removedBans),
    upsert(
      "members",
      rowsOf((change) => change.members),
      applies,
    ),
    upsert(
      "bans",
      rowsOf((change) => change.bans),
      applies,
    ),
    upsert(
      "keys",
      rowsOf((change) => change.keys),
      applies,
    ),
    // Last, because it is by this row that the others tell whether their part applies.
    upsertInfo(
      changes.map((change) => change.info),
      applies,
    ),
  ]);
  const rows = (found?.results ?? []) as { domain: string; revision: number; head: string | null }[];
  const byDomain = new Map(rows.map(({ domain, ...rest }) => [domain, rest]));
  return changes.map((change) => byDomain.get(change.info.domain) ?? null);
}

/** Marks a domain as one that is written anew: its pages apply as long as `head` is this id. */
export function beginRewrite(database: D1Database, row: InfoCopy, id: string): Promise<unknown> {
  return batch(database, [upsertInfo([{ ...row, revision: 0, head: id }], sql`true`)]);
}

/** Replaces the rows of a page by those that are given. */
export function writePage(database: D1Database, page: Page): Promise<unknown> {
  const { domain, id, table: name, after, upTo, rows } = page;
  const { table, columns } = TABLES[name];
  const key = sql`${table}.${sql.identifier(columns[0])}`;
  const applies = sql`exists (select 1 from ${info} where ${info.domain} = ${domain} and ${info.head} = ${id})`;
  return batch(database, [
    sql`delete from ${table} where ${table.domain} = ${domain} and ${key} > ${after}
        and ${upTo === null ? sql`true` : sql`${key} <= ${upTo}`}
        and ${key} not in (select value ->> 0 from json_each(${JSON.stringify(rows)})) and ${applies}`,
    upsert(
      name,
      rows.map((row) => [domain, ...row]),
      applies,
    ),
  ]);
}

/** Ends a rewriting. @returns whether it was still the one with this id */
export async function endRewrite(database: D1Database, row: InfoCopy, id: string): Promise<boolean> {
  const applies = sql`exists (select 1 from ${info} where ${info.domain} = ${row.domain} and ${info.head} = ${id})`;
  const [result] = await batch(database, [upsertInfo([row], applies)]);
  return (result?.meta.changes ?? 0) > 0;
}

function upsertInfo(rows: readonly InfoCopy[], applies: SQL): SQL {
  const columns = INFO_COLUMNS.map((name) => info[name].name);
  const values = rows.map((row) => INFO_COLUMNS.map((name) => row[name]));
  return insert(sql`${info}`, columns, ["domain"], values, applies);
}

function upsert(name: TableName, rows: readonly (readonly unknown[])[], applies: SQL): SQL {
  const { table, columns } = TABLES[name];
  return insert(sql`${table}`, ["domain", ...columns], ["domain", columns[0]], rows, applies);
}

function insert(
  table: SQL,
  columns: readonly string[],
  key: readonly string[],
  rows: readonly (readonly unknown[])[],
  applies: SQL,
): SQL {
  const identifiers = (names: readonly string[]) => sql.join(names.map(sql.identifier), sql`, `);
  const values = columns.map((_, index) => sql`row.value ->> ${sql.raw(String(index))}`);
  const others = columns.filter((name) => !key.includes(name));
  const updates = others.map((name) => sql`${sql.identifier(name)} = excluded.${sql.identifier(name)}`);
  return sql`insert into ${table} (${identifiers(columns)})
    select ${sql.join(values, sql`, `)} from json_each(${JSON.stringify(rows)}) as row where ${applies}
    on conflict (${identifiers(key)}) do update set ${sql.join(updates, sql`, `)}`;
}

function remove(name: TableName, rows: readonly (readonly unknown[])[], applies: SQL): SQL {
  const { table, columns } = TABLES[name];
  return sql`delete from ${table} where (${table.domain}, ${sql.identifier(columns[0])}) in (
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
