import type { Context } from "hono";
import type * as z from "zod";
import { configOf } from "../config.ts";
import { openText, sealText } from "../crypto/sealed-texts.ts";
import { listOfAll, type Part, type Rows } from "../database/databases.ts";
import { checked } from "./bodies.ts";
import { invalidRequest } from "./problems.ts";
import type { AppEnv } from "./request-context.ts";

const PURPOSE = "page-cursor";

/**
 * The query of a request, and what its path has besides the domain.
 *
 * @throws Problem 400 naming each member at fault; one given twice is at fault
 */
export function queryOf<Schema extends z.ZodType>(
  c: Context,
  schema: Schema,
  path: Readonly<Record<string, string>> = {},
): z.output<Schema> {
  const given = c.req.queries();
  for (const [name, value] of Object.entries(path)) given[name] = [...(given[name] ?? []), value];
  const members = Object.entries(given).map(([name, values]) => [name, values.length === 1 ? values[0] : values]);
  return checked(schema, Object.fromEntries(members));
}

/**
 * Answers a page of a list. Its cursor is sealed: it holds the key of the last row, which may be a secret, and it is
 * good for this list alone.
 *
 * @param list what tells this list from others
 * @param read the rows after a key, up to so many; `cut` if it ended early although more follow
 * @param keyOf the key of a row
 */
export async function page<Key extends string | number, Row>(
  c: Context<AppEnv>,
  { limit, cursor }: Readonly<{ limit: number; cursor?: string | undefined }>,
  list: readonly string[],
  read: (part: Part<Key>) => Promise<Rows<Row, Key>>,
  keyOf: (row: Row) => Key,
): Promise<Readonly<{ rows: readonly Row[]; nextCursor: string | null }>> {
  const keys = configOf(c.env).keyEncryptionKeys;
  const place = JSON.stringify(list);
  const opened = cursor === undefined ? null : await openText(cursor, PURPOSE, keys);
  const [cursorPlace, after] = opened === null ? [place, null] : (JSON.parse(opened) as [string, Key]);
  if ((cursor !== undefined && opened === null) || cursorPlace !== place) {
    throw invalidRequest({ field: "cursor", detail: "must be a nextCursor of this list" });
  }
  // One more than asked for tells whether there are more.
  const { rows, cut = false, end } = await read({ after, limit: limit + 1 });
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const lastKey = last === undefined ? undefined : keyOf(last);
  const next = rows.length > limit ? lastKey : cut ? (end ?? lastKey) : undefined;
  return {
    rows: shown,
    nextCursor: next === undefined ? null : await sealText(JSON.stringify([place, next]), PURPOSE, keys),
  };
}

/** Answers a page of a list that is merged from all databases. @param read a part of one database's list */
export function pageOfAll<Key extends string | number, Row>(
  c: Context<AppEnv>,
  query: Readonly<{ limit: number; cursor?: string | undefined }>,
  list: readonly string[],
  read: (database: D1Database, part: Part<Key>) => Promise<Rows<Row> | readonly Row[]>,
  keyOf: (row: Row) => Key,
): ReturnType<typeof page<Key, Row>> {
  return page(c, query, list, (part: Part<Key>) => listOfAll(c.env, part, read, keyOf), keyOf);
}
