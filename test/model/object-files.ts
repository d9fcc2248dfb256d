import { createHash } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { LogChange } from "../../src/domain/log-entry.ts";
import { type Row, SqliteFile } from "../support/node/sqlite-file.ts";
import { COPIED_COLUMNS, type CopiedRows, DELETION_COLUMNS } from "./database-file.ts";

/** The log's entry of one commit. */
export type LogRow = Readonly<{
  domain: string;
  revision: number;
  /** In milliseconds since the Unix epoch. */
  committedAt: number;
  hash: string;
  changes: readonly LogChange[];
}>;

/** Everything that an object holds of its domain, but for usage statistics and the progress of its own work. */
export type DomainRows = Readonly<{
  info: Row | null;
  members: readonly Row[];
  keys: readonly Row[];
  bans: readonly Row[];
  log: readonly LogRow[];
  /** The record of the last domain of that name that was deleted. */
  deletion: Row | null;
}>;

const NO_ROWS = { info: null, members: [], keys: [], bans: [], deletion: null };

/**
 * The tables that requests change, but for what is counted of those that change nothing, and for the records of request
 * ids: each of these comes with an entry of the log, and goes after some minutes.
 */
const CHANGED_BY_REQUESTS = [
  "select * from domain_server_info",
  "select machine_guid, device_key_thumbprint, joined_at, signed_at, subject_hash, sealed_name from domain_membership",
  "select * from domain_keys",
  "select * from domain_bans",
  "select * from domain_requests where length(id) > 36",
  "select * from domain_signed_leaves",
  "select * from domain_log",
  `select ${DELETION_COLUMNS}, request_id from domain_deletion`,
];

/** The files of the domains' objects: the truth. */
export class ObjectFiles {
  readonly #folder: string;
  /** The file of each domain whose file was looked for, or found on the way. */
  readonly #paths = new Map<string, string>();
  /** The hash of a file's rows, and by what to see that the file changed. */
  readonly #hashes = new Map<string, { version: string; hash: string }>();

  /** @param folder of the objects of one class */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The rows of the object of a domain; none if there is no such domain. */
  domain(domain: string): DomainRows {
    const rows = this.#read(domain, (file) => ({ ...rowsOf(file, "*"), log: logOf(file, domain) }));
    return rows ?? { ...NO_ROWS, log: [] };
  }

  /** The part of it that D1 has to have. */
  copied(domain: string): CopiedRows {
    return this.#read(domain, (file) => rowsOf(file)) ?? NO_ROWS;
  }

  /** The names of all domains, also of those that were deleted. */
  domains(): readonly string[] {
    this.#find();
    return [...this.#paths.keys()].sort();
  }

  /** The commits of a domain from a time on, in milliseconds since the Unix epoch. */
  log(domain: string, from: number): readonly LogRow[] {
    return this.#read(domain, (file) => logOf(file, domain, "where committed_at >= ?", from)) ?? [];
  }

  /** A hash over everything that requests can change. */
  fingerprint(): string {
    const hash = createHash("sha256");
    for (const domain of this.domains()) hash.update(domain).update(this.#hashOf(domain));
    return hash.digest("base64url");
  }

  #hashOf(domain: string): string {
    const path = this.#paths.get(domain) as string;
    const version = [path, `${path}-wal`]
      .map((each) => statSync(each, { throwIfNoEntry: false }))
      .map((stat) => `${stat?.mtimeMs} ${stat?.size}`)
      .join();
    const known = this.#hashes.get(domain);
    if (known?.version === version) return known.hash;
    const hash = createHash("sha256");
    this.#read(domain, (file) => {
      for (const sql of CHANGED_BY_REQUESTS) hash.update(JSON.stringify(file.all(sql)));
    });
    const fresh = { version, hash: hash.digest("base64url") };
    this.#hashes.set(domain, fresh);
    return fresh.hash;
  }

  #read<T>(domain: string, read: (file: SqliteFile) => T): T | null {
    if (!this.#paths.has(domain)) this.#find();
    const path = this.#paths.get(domain);
    if (path === undefined) return null;
    return SqliteFile.read(path, read);
  }

  /** Finds files of domains not known so far. One that has no domain in it yet is looked at again the next time. */
  #find(): void {
    if (!existsSync(this.#folder)) return;
    const known = new Set(this.#paths.values());
    for (const name of readdirSync(this.#folder)) {
      const path = join(this.#folder, name);
      if (!name.endsWith(".sqlite") || name === "metadata.sqlite" || known.has(path)) continue;
      const domain = SqliteFile.read(path, domainIn);
      if (domain !== null) this.#paths.set(domain, path);
    }
  }
}

function domainIn(file: SqliteFile): string | null {
  const [table] = file.all("select 1 from sqlite_master where name = 'domain_server_info'");
  const [row] = table ? file.all("select domain from domain_server_info union select domain from domain_deletion") : [];
  return row ? String(row.domain) : null;
}

/** @param columns which ones; those that D1 has too if left out */
function rowsOf(file: SqliteFile, columns?: "*"): CopiedRows {
  const of = (table: keyof typeof COPIED_COLUMNS, key: string) =>
    file.all(`select ${columns ?? COPIED_COLUMNS[table]} from ${table} order by ${key}`);
  return {
    info: of("domain_server_info", "domain")[0] ?? null,
    members: of("domain_membership", "machine_guid"),
    keys: of("domain_keys", "key_version"),
    bans: of("domain_bans", "machine_guid"),
    deletion: file.all(`select ${DELETION_COLUMNS} from domain_deletion`)[0] ?? null,
  };
}

function logOf(file: SqliteFile, domain: string, condition = "", ...values: number[]): readonly LogRow[] {
  return file
    .all(`select revision, committed_at, changes, hash from domain_log ${condition} order by revision`, ...values)
    .map(({ revision, committed_at, changes, hash }) => ({
      domain,
      revision: Number(revision),
      committedAt: Number(committed_at),
      hash: String(hash),
      changes: JSON.parse(String(changes)),
    }));
}
