import { fillPlaceholders, type SQL } from "drizzle-orm";
import { SQLiteAsyncDialect } from "drizzle-orm/sqlite-core";

const dialect = new SQLiteAsyncDialect();

/** A statement whose text is made once, with values to be filled in by name each time it runs. */
export class CompiledStatement<Name extends string> {
  readonly #text: string;
  readonly #parameters: readonly unknown[];

  /** @param statement with `sql.placeholder(name)` wherever a value goes */
  constructor(statement: SQL) {
    const { sql, params } = dialect.sqlToQuery(statement);
    this.#text = sql;
    this.#parameters = params;
  }

  /** The statement with its values, ready to run. */
  with(database: D1Database, values: Readonly<Record<Name, string | number | null>>): D1PreparedStatement {
    return database.prepare(this.#text).bind(...fillPlaceholders([...this.#parameters], values));
  }
}
