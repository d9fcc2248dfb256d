import { fillPlaceholders, type SQL } from "drizzle-orm";
import { SQLiteSyncDialect } from "drizzle-orm/sqlite-core";

const dialect = new SQLiteSyncDialect();

/** The value of a column in the storage of an object. */
export type Value = string | number | null;

/** A statement whose text is made once, with values to be filled in by name each time it runs. */
export class CompiledStatement<Name extends string = never, Row extends Record<string, Value> = never> {
  readonly #text: string;
  readonly #parameters: unknown[];

  /** @param statement with `sql.placeholder(name)` wherever a value goes */
  constructor(statement: SQL) {
    const { sql, params } = dialect.sqlToQuery(statement);
    this.#text = sql;
    this.#parameters = params;
  }

  /** Runs the statement. @returns its rows */
  run(sql: SqlStorage, values: Readonly<Record<Name, Value>>): Row[] {
    return sql.exec<Row>(this.#text, ...(fillPlaceholders(this.#parameters, values) as Value[])).toArray();
  }
}
