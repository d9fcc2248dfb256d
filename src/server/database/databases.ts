import { DATABASE_BINDING } from "./database-choice.ts";

/** A part of a list: the rows after a key, so many at most. */
export type Part<Key> = Readonly<{ after: Key | null; limit: number }>;

/**
 * Rows of a list in their order; `cut` if there may be more although these are fewer than asked for. They come after the last
 * row, or after the key `end`.
 */
export type Rows<Row, Key = never> = Readonly<{ rows: readonly Row[]; cut?: boolean; end?: Key }>;

/** The D1 databases that are bound, by their bindings, in the order of their numbers. */
export function databasesOf(env: object): ReadonlyMap<string, D1Database> {
  const known = databases.get(env);
  if (known) return known;
  const names = Object.keys(env).filter((name) => DATABASE_BINDING.test(name));
  const inOrder = names.sort((one, other) => numberOf(one) - numberOf(other));
  const found = new Map(inOrder.map((name) => [name, env[name as keyof typeof env] as D1Database]));
  databases.set(env, found);
  return found;
}

const databases = new WeakMap<object, ReadonlyMap<string, D1Database>>();

function numberOf(name: string): number {
  return Number(DATABASE_BINDING.exec(name)?.[2] ?? 1);
}

/** The D1 database of a binding. @throws Error if it is not bound */
export function databaseNamed(env: object, name: string): D1Database {
  const database = databasesOf(env).get(name);
  if (!database) throw new Error(`the D1 database ${name} is not bound`);
  return database;
}

/**
 * A part of a list over all databases, merged in the order of its keys.
 *
 * @param read the same part of one database's list
 */
export async function listOfAll<Key extends string | number, Row>(
  env: object,
  part: Part<Key>,
  read: (database: D1Database, part: Part<Key>) => Promise<Rows<Row> | readonly Row[]>,
  keyOf: (row: Row) => Key,
): Promise<Rows<Row>> {
  const parts = await Promise.all(
    [...databasesOf(env).values()].map(async (database): Promise<Rows<Row>> => {
      const found = await read(database, part);
      return "rows" in found ? found : { rows: found };
    }),
  );
  if (parts.length === 1) return parts[0] as Rows<Row>;
  // Beyond the last row of a part that was cut, that database may have more rows that come earlier.
  const ends = parts.flatMap(({ rows, cut }) => (cut && rows.length > 0 ? [keyOf(rows.at(-1) as Row)] : []));
  const rows = parts
    .flatMap((each) => each.rows)
    .filter((row) => ends.every((end) => keyOf(row) <= end))
    .sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
  return { rows: rows.slice(0, part.limit), cut: ends.length > 0 && rows.length <= part.limit };
}
