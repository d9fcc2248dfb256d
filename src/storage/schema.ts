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
  },
  (table) => [primaryKey({ columns: [table.domain, table.machineGuid] })],
);

/** One row for each domain key ever made; never changed, never deleted. The private half rests wrapped, as a JWE. */
export const domainKeys = sqliteTable(
  "domain_keys",
  {
    domain: text("domain").notNull(),
    keyVersion: integer("key_version").notNull(),
    publicJwk: text("public_jwk").notNull(),
    wrappedPrivateJwk: text("wrapped_private_jwk").notNull(),
    createdAt: integer("created_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.domain, table.keyVersion] })],
);

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
  },
  (table) => [primaryKey({ columns: [table.domain, table.revision] })],
);
