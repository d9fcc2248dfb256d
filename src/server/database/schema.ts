import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

// The tables of D1: the copy of all domains. Each domain's object writes its own rows here, a moment after its commits.
// The migrations declare every table WITHOUT ROWID, which drizzle-kit cannot express: the primary key is then the
// table itself, and a new row costs one write instead of two. Times are milliseconds since the Unix epoch.

const time = (column: string) => integer(column).notNull().default(sql`(unixepoch() * 1000)`);

/** One row for each domain. */
export const domainServerInfo = sqliteTable("domain_server_info", {
  domain: text("domain").primaryKey(),
  authenticationRequired: integer("authentication_required", { mode: "boolean" }).notNull().default(false),
  authNamespace: text("auth_namespace"),
  maxMembership: integer("max_membership"),
  deviceKeyRequired: integer("device_key_required", { mode: "boolean" }).notNull().default(false),
  keyRolloverRequired: integer("key_rollover_required", { mode: "boolean" }).notNull().default(true),
  memberCount: integer("member_count").notNull().default(0),
  /** The highest key version that is no longer handed out. */
  retiredUpTo: integer("retired_up_to").notNull().default(0),
  /** The object's revision that these rows show; 0 while a domain is written anew. */
  revision: integer("revision").notNull().default(1),
  /** The hash of the log's entry of that revision. While a domain is written anew, the id of that rewriting. */
  head: text("head"),
  createdAt: time("created_at"),
  updatedAt: time("updated_at"),
});

/** One row for each device of each domain. */
export const domainMembership = sqliteTable(
  "domain_membership",
  {
    domain: text("domain").notNull(),
    machineGuid: text("machine_guid").notNull(),
    deviceKeyThumbprint: text("device_key_thumbprint"),
    joinedAt: time("joined_at"),
    /** By the device's clock: when the registration that bound its key was signed. */
    signedAt: integer("signed_at"),
  },
  (table) => [
    primaryKey({ columns: [table.domain, table.machineGuid] }),
    index("domain_membership_by_device").on(table.machineGuid),
  ],
);

/** One row for each domain key. The private half rests wrapped, as a compact JWE. */
export const domainKeys = sqliteTable(
  "domain_keys",
  {
    domain: text("domain").notNull(),
    keyVersion: integer("key_version").notNull(),
    publicJwk: text("public_jwk").notNull(),
    wrappedPrivateJwk: text("wrapped_private_jwk").notNull(),
    /** The `kid` of the key-encryption key that wraps it. */
    keyEncryptionKid: text("key_encryption_kid").notNull(),
    createdAt: time("created_at"),
  },
  (table) => [
    primaryKey({ columns: [table.domain, table.keyVersion] }),
    index("domain_keys_by_key_encryption").on(table.keyEncryptionKid, table.domain),
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
  (table) => [primaryKey({ columns: [table.domain, table.machineGuid] })],
);
