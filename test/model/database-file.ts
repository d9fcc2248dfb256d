import { createHash } from "node:crypto";
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import type { LogChange } from "../../src/domain/log-entry.ts";

/** A row as SQLite gives it. */
export type Row = Readonly<Record<string, SQLOutputValue>>;

/** What the log says of one commit. */
export type LogRow = Readonly<{ domain: string; revision: number; changes: readonly LogChange[] }>;

/** Everything the database holds of a domain. */
export type DomainRows = Readonly<{
  info: Row | null;
  members: readonly Row[];
  keys: readonly Row[];
  bans: readonly Row[];
  log: readonly LogRow[];
}>;

/** The tables, but for what is counted of requests that change nothing. */
const TABLES = {
  domain_server_info: "*",
  domain_membership: "domain, machine_guid, device_key_thumbprint, joined_at, signed_at",
  domain_keys: "*",
  domain_bans: "*",
  domain_requests: "*",
  domain_log: "*",
};

/** The database of a running server, read from its file: no part of the server has a say in what is found there. */
export class DatabaseFile {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.#database = new DatabaseSync(path, { readOnly: true });
  }

  /** A domain. */
  domain(domain: string): DomainRows {
    const of = (table: string, order: string) =>
      this.#all(`select * from ${table} where domain = ? order by ${order}`, domain);
    return {
      info: of("domain_server_info", "domain")[0] ?? null,
      members: of("domain_membership", "machine_guid"),
      keys: of("domain_keys", "key_version"),
      bans: of("domain_bans", "machine_guid"),
      log: of("domain_log", "revision").map(logRow),
    };
  }

  /** The names of all domains. */
  domains(): readonly string[] {
    return this.#all("select domain from domain_server_info order by domain").map(({ domain }) => String(domain));
  }

  /** How many commits there are. */
  commits(): number {
    return Number(this.#all("select count(*) as commits from domain_log")[0]?.commits);
  }

  /** The commits of a time, in milliseconds since the Unix epoch, and later. */
  log(from: number): readonly LogRow[] {
    return this.#all("select * from domain_log where committed_at >= ?", from).map(logRow);
  }

  /** A hash over everything that requests can change. */
  fingerprint(): string {
    const hash = createHash("sha256");
    for (const [table, columns] of Object.entries(TABLES)) {
      for (const row of this.#all(`select ${columns} from ${table}`)) hash.update(JSON.stringify(row));
    }
    return hash.digest("base64url");
  }

  close(): void {
    this.#database.close();
  }

  #all(sql: string, ...values: (string | number)[]): readonly Row[] {
    const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement.all(...values);
  }
}

function logRow({ domain, revision, changes }: Row): LogRow {
  return { domain: String(domain), revision: Number(revision), changes: JSON.parse(String(changes)) };
}
