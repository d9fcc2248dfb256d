import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

// The migrations declare every table WITHOUT ROWID, which drizzle-kit cannot express: the primary key is then the
// table itself, and a new row costs one write instead of two. Times are milliseconds since the Unix epoch.

/** One row for each domain: its settings, and what its next change starts from. */
export const domainServerInfo = sqliteTable("domain_server_info", {
  domain: text("domain").primaryKey(),
  authenticationRequired: integer("authentication_required", { mode: "boolean" }).notNull().default(false),
  authNamespace: text("auth_namespace"),
  maxMembership: integer("max_membership"),
  deviceKeyRequired: integer("device_key_required", { mode: "boolean" }).notNull().default(false),
  keyRolloverRequired: integer("key_rollover_required", { mode: "boolean" }).notNull().default(true),
  memberCount: integer("member_count").notNull().default(0),
  /** The highest key version that is handed out no more. */
  retiredUpTo: integer("retired_up_to").notNull().default(0),
  revision: integer("revision").notNull(),
  createdAt: integer("created_at").notNull(),
  updatedAt: integer("updated_at").notNull(),
});

/** One row for each device of each domain. */
export const domainMembership = sqliteTable(
  "domain_membership",
  {
    domain: text("domain").notNull(),
    machineGuid: text("machine_guid").notNull(),
    deviceKeyThumbprint: text("device_key_thumbprint"),
    joinedAt: integer("joined_at").notNull(),
    /** By the device's clock, when the registration was signed that bound the key. */
    signedAt: integer("signed_at"),
    /** In days since the Unix epoch: exact enough to tell who has gone, and one write a day at the most. */
    lastRenewedOn: integer("last_renewed_on"),
  },
  (table) => [
    primaryKey({ columns: [table.domain, table.machineGuid] }),
    index("domain_membership_by_renewal").on(table.domain, table.lastRenewedOn),
  ],
);

/** One row for each device that an operator keeps out. */
export const domainBans = sqliteTable(
  "domain_bans",
  {
    domain: text("domain").notNull(),
    machineGuid: text("machine_guid").notNull(),
    /** The key it had as a member, which is kept out with it. */
    deviceKeyThumbprint: text("device_key_thumbprint"),
    reason: text("reason").notNull(),
    bannedBy: text("banned_by").notNull(),
    bannedAt: integer("banned_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.domain, table.machineGuid] }),
    index("domain_bans_by_device_key").on(table.domain, table.deviceKeyThumbprint),
  ],
);

/** How often each error refused a request for a domain, hour by hour. */
export const domainRefusals = sqliteTable(
  "domain_refusals",
  {
    domain: text("domain").notNull(),
    /** Hours since the Unix epoch. */
    hour: integer("hour").notNull(),
    error: text("error").notNull(),
    refusals: integer("refusals").notNull(),
  },
  (table) => [primaryKey({ columns: [table.domain, table.hour, table.error] })],
);

/**
 * One row for each domain key ever made; never deleted. The private half rests wrapped, as a JWE, and is all that may
 * change: it is wrapped anew when the key-encryption key rotates.
 */
export const domainKeys = sqliteTable(
  "domain_keys",
  {
    domain: text("domain").notNull(),
    keyVersion: integer("key_version").notNull(),
    publicJwk: text("public_jwk").notNull(),
    wrappedPrivateJwk: text("wrapped_private_jwk").notNull(),
    createdAt: integer("created_at").notNull(),
    /** The `kid` it is wrapped with; null for a row that was written before this was noted. */
    keyEncryptionKid: text("key_encryption_kid"),
  },
  (table) => [
    primaryKey({ columns: [table.domain, table.keyVersion] }),
    index("domain_keys_by_key_encryption").on(table.keyEncryptionKid, table.domain, table.keyVersion),
  ],
);

/** How many rows of `domain_keys` each key-encryption key wraps, kept by whoever writes them: nobody counts them. */
export const keyEncryptionUses = sqliteTable("key_encryption_uses", {
  kid: text("kid").primaryKey(),
  domainKeys: integer("domain_keys").notNull(),
});

/**
 * One row for each request that took effect and may be asked again, kept for some days: a leave by the key its device
 * chose for it, whose outcome is repeated, and a signed registration answered in the clear, which is not.
 */
export const domainRequests = sqliteTable(
  "domain_requests",
  {
    requestKey: text("request_key").primaryKey(),
    domain: text("domain").notNull(),
    machineGuid: text("machine_guid").notNull(),
    action: text("action", { enum: ["register", "deregister"] }).notNull(),
    /** By the device's clock, if the request was signed. */
    signedAt: integer("signed_at"),
    recordedAt: integer("recorded_at").notNull(),
  },
  (table) => [
    index("domain_requests_by_device").on(table.domain, table.machineGuid),
    index("domain_requests_by_age").on(table.recordedAt),
  ],
);

/**
 * One row for each commit: the history of a domain, and its fence. Its primary key lets exactly one commit take each
 * revision, so a writer that decided on an older state is undone whole.
 */
export const domainLog = sqliteTable(
  "domain_log",
  {
    domain: text("domain").notNull(),
    revision: integer("revision").notNull(),
    commitId: text("commit_id").notNull(),
    committedAt: integer("committed_at").notNull(),
    changes: text("changes").notNull(),
    /** Over this entry and, by it, all before it (base64url SHA-256); see `domain/log-entry.ts`. */
    hash: text("hash"),
  },
  (table) => [primaryKey({ columns: [table.domain, table.revision] })],
);

/** One row for each domain whose log was cut: where it begins now, and what it had come to there. */
export const domainLogCheckpoints = sqliteTable("domain_log_checkpoints", {
  domain: text("domain").primaryKey(),
  /** The last revision that was cut off, and the hash of its entry. */
  revision: integer("revision").notNull(),
  hash: text("hash"),
  /** What the authority signed of it: a compact JWS. */
  statement: text("statement").notNull(),
});
