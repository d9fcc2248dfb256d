import type { Samples } from "./metrics.ts";
import type { domainServerInfo } from "./schema.ts";

/**
 * The tables of a domain's rows that D1 and the object both have: their columns in the order of every list of rows. The
 * first column is the key; D1 has the domain before it. A page of `pageRows` rows stays far below 2 MB, the longest text that
 * either takes.
 */
export const COPIED_TABLES = {
  members: {
    name: "domain_membership",
    columns: ["machine_guid", "device_key_thumbprint", "joined_at", "signed_at", "subject_hash", "sealed_name"],
    pageRows: 1_000,
  },
  keys: {
    name: "domain_keys",
    columns: ["key_version", "public_jwk", "wrapped_private_jwk", "key_encryption_kid", "created_at"],
    pageRows: 500,
  },
  bans: {
    name: "domain_bans",
    columns: ["machine_guid", "device_key_thumbprint", "reason", "banned_by", "banned_at"],
    pageRows: 500,
  },
} as const;

/** One of the tables. */
export type CopiedTable = keyof typeof COPIED_TABLES;

/** The tables, in the order in which they are gone through. */
export const TABLE_ORDER = ["members", "keys", "bans"] as const satisfies readonly CopiedTable[];

/** A row, and its key: a machine GUID or a key version. */
export type Row = (string | number | null)[];
export type RowKey = string | number;

/** Sorts before every key. */
export const BEFORE_ALL_KEYS = -1;

/** Something of each table. */
export type PerTable<T> = Readonly<Record<CopiedTable, T>>;

/** The row of a domain. */
export type CopiedDomainRow = typeof domainServerInfo.$inferSelect;

/** The final states of the rows that a domain changed after the revision `base`, up to `info.revision`. */
export type CopiedChange = Readonly<{
  info: CopiedDomainRow;
  /** The revision D1 acknowledged last; 0 if none. */
  base: number;
  rows: PerTable<readonly Row[]>;
  removed: PerTable<readonly RowKey[]>;
  /** The events between the two revisions, counted for the metrics. */
  counts: Samples;
}>;

/** The revision D1 had of a domain before a change; null if it did not know the domain. */
export type Found = Readonly<{ revision: number; head: string | null }> | null;

/** A page of a domain that is written anew: all rows of a table after a key, up to another (null: to the end). */
export type CopyPage = Readonly<{
  domain: string;
  /** The id of the rewriting. */
  id: string;
  table: CopiedTable;
  after: RowKey;
  upTo: RowKey | null;
  rows: readonly Row[];
}>;
