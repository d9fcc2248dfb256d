import { type Row, SqliteFile } from "../support/node/sqlite-file.ts";

/** The members of a domain that D1 and an object share. */
export type CopiedRows = Readonly<{
  info: Row | null;
  members: readonly Row[];
  keys: readonly Row[];
  bans: readonly Row[];
  /** The record of the last deleted domain of that name. */
  deletion: Row | null;
}>;

/** The columns that D1 and an object have alike, but for the domain's name. */
export const COPIED_COLUMNS = {
  domain_server_info: `authentication_required, auth_namespace, max_membership, device_key_required,
    rollover_interval_seconds, retire_after_days, max_membership_per_subject, owner_subject, when_full,
    min_idle_days, member_idle_days,
    delete_after_empty_days, key_rollover_required, member_count, retired_up_to, revision, head, created_at, updated_at`,
  domain_membership: "machine_guid, device_key_thumbprint, joined_at, signed_at, subject_hash, sealed_name",
  domain_keys: "key_version, public_jwk, wrapped_private_jwk, key_encryption_kid, created_at",
  domain_bans: "machine_guid, device_key_thumbprint, reason, banned_by, banned_at",
} as const;

/** The members of a deletion that D1 and an object share. */
export const DELETION_COLUMNS = "deleted_at, key_version, revision, member_count, deleted_by";

/** The D1 databases together, the copy of all domains, read from their files. */
export class DatabaseFiles {
  readonly #files: readonly SqliteFile[];

  constructor(paths: readonly string[]) {
    this.#files = paths.map((path) => new SqliteFile(path));
  }

  /** The copy of a domain. */
  domain(domain: string): CopiedRows {
    const copies = this.#files.map((file) => copyIn(file, domain));
    const found = copies.filter((copy) => Object.values(copy).some((rows) => rows !== null && rows.length !== 0));
    if (found.length > 1) throw new Error(`${domain} is in ${found.length} databases`);
    return found[0] ?? (copies[0] as CopiedRows);
  }

  /** The names of all domains that D1 knows. */
  domains(): readonly string[] {
    const query = "select domain from domain_server_info";
    return this.#files.flatMap((file) => file.all(query).map(({ domain }) => String(domain))).sort();
  }

  close(): void {
    for (const file of this.#files) file.close();
  }
}

function copyIn(file: SqliteFile, domain: string): CopiedRows {
  const of = (table: keyof typeof COPIED_COLUMNS) =>
    file.all(`select ${COPIED_COLUMNS[table]} from ${table} where domain = ? order by 1`, domain);
  return file.atOnce(() => ({
    info: of("domain_server_info")[0] ?? null,
    members: of("domain_membership"),
    keys: of("domain_keys"),
    bans: of("domain_bans"),
    deletion: file.all(`select ${DELETION_COLUMNS} from deleted_domains where domain = ?`, domain)[0] ?? null,
  }));
}
