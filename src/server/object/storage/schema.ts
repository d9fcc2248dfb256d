import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { DomainError } from "../../../domain/refusals.ts";
import { banColumns, deletionColumns, domainColumns, keyColumns, memberColumns } from "../../database/columns.ts";

// The tables of one domain in the storage of its object: the truth. The migrations declare those with another key than an
// integer WITHOUT ROWID, as in D1. Times are milliseconds since the Unix epoch.

/** The domain: one row. */
export const domainServerInfo = sqliteTable("domain_server_info", {
  ...domainColumns(),
  /** The highest version in `domain_keys`; 0 before the first. */
  keyVersion: integer("key_version").notNull(),
  /** When that key was made; 0 if it is not known. */
  keyMadeAt: integer("key_made_at").notNull(),
  /** The keys up to this version did not come along in a take-over, or were erased with a domain of that name. */
  lostUpTo: integer("lost_up_to").notNull(),
  /** The time from which a required rollover is due. */
  rolloverNotBefore: integer("rollover_not_before").notNull(),
  /** The key of the device ids; made with the row. */
  deviceIdKey: text("device_id_key").notNull(),
  /** When this object began to hold the domain: revisions are counted from there. */
  epoch: integer("epoch").notNull(),
});

/** One row for each member. */
export const domainMembership = sqliteTable(
  "domain_membership",
  {
    ...memberColumns(),
    /** In days since the Unix epoch: one write a day at most. Not in D1: after a take-over it is that day. */
    lastRenewedOn: integer("last_renewed_on").notNull().default(sql`(unixepoch() / 86400)`),
  },
  (table) => [
    primaryKey({ columns: [table.machineGuid] }),
    index("domain_membership_by_renewal").on(table.lastRenewedOn, table.joinedAt),
    index("domain_membership_by_subject").on(table.subjectHash).where(sql`subject_hash is not null`),
  ],
);

/** One row for each domain key ever made. */
export const domainKeys = sqliteTable("domain_keys", keyColumns(), (table) => [
  primaryKey({ columns: [table.keyVersion] }),
  index("domain_keys_by_kid").on(sql`public_jwk ->> 'kid'`),
]);

/** One row for each device that an operator keeps out. */
export const domainBans = sqliteTable("domain_bans", banColumns(), (table) => [
  primaryKey({ columns: [table.machineGuid] }),
  index("domain_bans_by_device_key").on(table.deviceKeyThumbprint),
]);

/**
 * The outcomes of requests that changed the domain. A request id is a UUID of version 7, which begins with its time:
 * old ones are a range of the primary key. The ids of devices' own idempotency keys are longer; an index finds old ones.
 */
export const domainRequests = sqliteTable(
  "domain_requests",
  {
    id: text("id").primaryKey(),
    command: text("command").notNull(),
    machineGuid: text("machine_guid"),
    /** JSON. */
    outcome: text("outcome").notNull(),
    recordedAt: integer("recorded_at").notNull(),
  },
  (table) => [index("domain_requests_by_age").on(table.recordedAt).where(sql`length(id) > 36`)],
);

/** The newest signed leave of each device: when it was signed, by the device's clock. */
export const domainSignedLeaves = sqliteTable("domain_signed_leaves", {
  machineGuid: text("machine_guid").primaryKey(),
  signedAt: integer("signed_at").notNull(),
  recordedAt: integer("recorded_at").notNull(),
});

/** One row for each commit. */
export const domainLog = sqliteTable("domain_log", {
  revision: integer("revision").primaryKey(),
  committedAt: integer("committed_at").notNull(),
  /** Canonical JSON (RFC 8785). */
  changes: text("changes").notNull(),
  /** Over this entry and, by it, all before it (base64url SHA-256); see `domain/log-entry.ts`. */
  hash: text("hash").notNull(),
  /** Of the hash, under a key from the configuration; see `crypto/log-macs.ts`. */
  mac: text("mac").notNull(),
});

/** Where the log was cut: no row if it was not. */
export const domainLogCheckpoint = sqliteTable("domain_log_checkpoint", {
  /** The last revision that was cut off, and the hash of its entry. */
  revision: integer("revision").primaryKey(),
  hash: text("hash").notNull(),
  /** A compact JWS of the domain authority. */
  statement: text("statement").notNull(),
});

/** How often each error refused a request, hour by hour. */
export const domainRefusals = sqliteTable(
  "domain_refusals",
  {
    /** Hours since the Unix epoch. */
    hour: integer("hour").notNull(),
    error: text("error").$type<DomainError>().notNull(),
    refusals: integer("refusals").notNull(),
  },
  (table) => [primaryKey({ columns: [table.hour, table.error] })],
);

/** The rows that commits changed and D1 has not acknowledged; one row for each such commit. */
export const copyOutbox = sqliteTable("copy_outbox", {
  revision: integer("revision").primaryKey(),
  /** JSON: the keys of the rows, for each copied table. */
  keys: text("keys").notNull(),
});

/** How far the work that follows commits has come: one row. */
export const progress = sqliteTable("progress", {
  id: integer("id").primaryKey(),
  /** The D1 database that has the copy, by its binding. */
  database: text("database"),
  /** The revision that D1 acknowledged last, and the head there; 0 and null before the first. */
  copiedRevision: integer("copied_revision").notNull(),
  copiedHead: text("copied_head"),
  /** When the oldest change that D1 lacks was committed; null if it lacks none. */
  staleSince: integer("stale_since"),
  /** 1 if D1 lost something, so that the whole domain is to be written anew. */
  rewriteDue: integer("rewrite_due").notNull(),
  /** When D1 was last seen to hold what it acknowledged. */
  comparedAt: integer("compared_at").notNull(),
  /** The last revision whose event was sent; null while no queue is configured. */
  publishedRevision: integer("published_revision"),
  /** The key-encryption key that every private key was last wrapped with, as far as they open. */
  rewrappedKid: text("rewrapped_kid"),
});

/** The place a take-over from D1 has reached: no row if none is under way. */
export const takeOver = sqliteTable("take_over", {
  id: integer("id").primaryKey(),
  /** How many tables are done, and the last key of the next one (JSON). */
  tables: integer("tables").notNull(),
  after: text("after").notNull(),
  /** The row of the domain in D1 when it began (JSON). */
  source: text("source").notNull(),
});

/** The record of the domain that was deleted here last: no row if none was. */
export const domainDeletion = sqliteTable("domain_deletion", {
  ...deletionColumns(),
  /** The D1 database that has to know, by its binding: that of the next domain of this name, too. */
  database: text("database").notNull(),
  /** The request that deleted it: repeated, it is answered again. */
  requestId: text("request_id").notNull(),
  /** 1 until D1 has it. */
  isOwed: integer("is_owed").notNull(),
});
