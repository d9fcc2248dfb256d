import { type Row, SqliteFile } from "./sqlite-file.ts";

/** What D1 and an object have alike of a domain. */
export type CopiedRows = Readonly<{
  info: Row | null;
  members: readonly Row[];
  keys: readonly Row[];
  bans: readonly Row[];
  /** What is left of the last domain of that name that was deleted. */
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

/** What D1 and an object have alike of a deletion. */
export const DELETION_COLUMNS = "deleted_at, key_version, revision, member_count, deleted_by";

/** D1, the copy of all domains, read from its file. */
export class DatabaseFile {
  readonly #file: SqliteFile;

  constructor(path: string) {
    this.#file = new SqliteFile(path);
  }

  /** The copy of a domain. */
  domain(domain: string): CopiedRows {
    const of = (table: keyof typeof COPIED_COLUMNS) =>
      this.#file.all(`select ${COPIED_COLUMNS[table]} from ${table} where domain = ? order by 1`, domain);
    return this.#file.atOnce(() => ({
      info: of("domain_server_info")[0] ?? null,
      members: of("domain_membership"),
      keys: of("domain_keys"),
      bans: of("domain_bans"),
      deletion: this.#file.all(`select ${DELETION_COLUMNS} from deleted_domains where domain = ?`, domain)[0] ?? null,
    }));
  }

  /** The names of all domains that D1 knows. */
  domains(): readonly string[] {
    return this.#file.all("select domain from domain_server_info order by domain").map(({ domain }) => String(domain));
  }

  close(): void {
    this.#file.close();
  }
}
