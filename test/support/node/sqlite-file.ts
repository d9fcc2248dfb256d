import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";

/** How long the server may keep a file to itself: it does while it opens or closes one. */
const LOCKED_MILLISECONDS = 10_000;

/** A row as SQLite gives it. */
export type Row = Readonly<Record<string, SQLOutputValue>>;

/** A database file of a running server, read past the server: no part of it has a say in what is found there. */
export class SqliteFile {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** Reads several things of one moment from a file that is open for no longer than that. */
  static read<T>(path: string, read: (file: SqliteFile) => T): T {
    const file = new SqliteFile(path);
    try {
      return file.atOnce(() => read(file));
    } finally {
      file.close();
    }
  }

  constructor(path: string) {
    this.#database = new DatabaseSync(path, { readOnly: true, timeout: LOCKED_MILLISECONDS });
  }

  /** The rows of a query. */
  all(sql: string, ...values: (string | number)[]): readonly Row[] {
    const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement.all(...values);
  }

  /** Reads several things of one moment. */
  atOnce<T>(read: () => T): T {
    this.#database.exec("begin");
    try {
      return read();
    } finally {
      this.#database.exec("rollback");
    }
  }

  close(): void {
    this.#database.close();
  }
}
