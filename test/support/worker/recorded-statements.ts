import { runInDurableObject } from "cloudflare:test";
import { objectOf } from "./objects.ts";

/** A statement as it was run on the storage of an object, and how many rows it read. */
export type Executed = Readonly<{ sql: string; values: readonly Value[]; rowsRead: () => number }>;

type Value = string | number | null;

/** The statements that a domain's object runs on its storage while `work` is done. */
export async function executedDuring<T>(domain: string, work: () => Promise<T>): Promise<[T, readonly Executed[]]> {
  const executed: Executed[] = [];
  const restore = await runInDurableObject(objectOf(domain), (_, { storage: { sql } }) => {
    const { exec } = sql;
    const recording: SqlStorage["exec"] = (query, ...values) => {
      const cursor = exec.call(sql, query, ...values);
      executed.push({ sql: query, values, rowsRead: () => cursor.rowsRead });
      return cursor as never;
    };
    Object.defineProperty(sql, "exec", { value: recording, configurable: true });
    return () => Reflect.deleteProperty(sql, "exec");
  });
  try {
    return [await work(), executed];
  } finally {
    await runInDurableObject(objectOf(domain), restore);
  }
}

/** How a domain's object carries a statement out. */
export function planOf(domain: string, { sql, values }: Executed): Promise<string[]> {
  return runInDurableObject(objectOf(domain), (_, { storage }) =>
    storage.sql
      .exec<{ detail: string }>(`explain query plan ${sql}`, ...values)
      .toArray()
      .map(({ detail }) => detail),
  );
}
