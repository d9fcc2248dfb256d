import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

// The tables of one domain in the storage of its object: the truth. Tables with the names of D1's have the same rows,
// without the domain's name. The migrations declare those with another key than an integer WITHOUT ROWID, as in D1.
// Times are milliseconds since the Unix epoch.

/** The domain: one row. */
export const domainServerInfo = sqliteTable("domain_server_info", {
  domain: text("domain").primaryKey(),
  authenticationRequired: integer("authentication_required").notNull(),
  authNamespace: text("auth_namespace"),
  maxMembership: integer("max_membership"),
  deviceKeyRequired: integer("device_key_required").notNull(),
  keyRolloverRequired: integer("key_rollover_required").notNull(),
  memberCount: integer("member_count").notNull(),
  /** The highest version in `domain_keys`; 0 before the first. */
  keyVersion: integer("key_version").notNull(),
  retiredUpTo: integer("retired_up_to").notNull(),
  /** Every commit moves it by one. */
  revision: integer("revision").notNull(),
  /** The hash of the newest entry of the log. */
  head: text("head").notNull(),
  createdAt: integer("created_at").notNull(),
  updatedAt: integer("updated_at").notNull(),
});

/** One row for each member. */
export const domainMembership = sqliteTable(
  "domain_membership",
  {
    machineGuid: text("machine_guid").primaryKey(),
    deviceKeyThumbprint: text("device_key_thumbprint"),
    joinedAt: integer("joined_at").notNull(),
    /** By the device's clock: when the registration that bound its key was signed. */
    signedAt: integer("signed_at"),
    /** In days since the Unix epoch: one write a day at most. Not in D1. */
    lastRenewedOn: integer("last_renewed_on").notNull(),
  },
  (table) => [index("domain_membership_by_renewal").on(table.lastRenewedOn)],
);

/** One row for each domain key ever made. Only its wrapping changes, when the key-encryption key rotates. */
export const domainKeys = sqliteTable("domain_keys", {
  keyVersion: integer("key_version").primaryKey(),
  publicJwk: text("public_jwk").notNull(),
  wrappedPrivateJwk: text("wrapped_private_jwk").notNull(),
  keyEncryptionKid: text("key_encryption_kid").notNull(),
  createdAt: integer("created_at").notNull(),
});

/** One row for each device that an operator keeps out. */
export const domainBans = sqliteTable(
  "domain_bans",
  {
    machineGuid: text("machine_guid").primaryKey(),
    deviceKeyThumbprint: text("device_key_thumbprint"),
    reason: text("reason").notNull(),
    bannedBy: text("banned_by").notNull(),
    bannedAt: integer("banned_at").notNull(),
  },
  (table) => [index("domain_bans_by_device_key").on(table.deviceKeyThumbprint)],
);

/** Whether a record is that of a device's own idempotency key: its id is longer than a request id, a UUID. */
export const isIdempotencyRecord = sql`length(id) > 36`;

/**
 * The outcomes of requests that changed the domain. A request id is a UUID of version 7, which begins with its time:
 * old ones are a range of the primary key. Those of devices' own idempotency keys are found by an index.
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
  (table) => [index("domain_requests_by_age").on(table.recordedAt).where(isIdempotencyRecord)],
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
    error: text("error").notNull(),
    refusals: integer("refusals").notNull(),
  },
  (table) => [primaryKey({ columns: [table.hour, table.error] })],
);

/** The rows that commits changed and D1 has not acknowledged; one row for each such commit. */
export const copyOutbox = sqliteTable("copy_outbox", {
  revision: integer("revision").primaryKey(),
  /** JSON arrays of machine GUIDs, key versions, and machine GUIDs of bans. */
  members: text("members").notNull(),
  keys: text("keys").notNull(),
  bans: text("bans").notNull(),
});

/** How far the work that follows commits has come: one row. */
export const progress = sqliteTable("progress", {
  id: integer("id").primaryKey(),
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

/** The page a take-over from D1 has reached: no row if none is under way. */
export const takeOver = sqliteTable("take_over", {
  id: integer("id").primaryKey(),
  /** JSON: the last machine GUID, key version and banned machine GUID that were taken over. */
  position: text("position").notNull(),
});
