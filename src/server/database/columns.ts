import { sql } from "drizzle-orm";
import { integer, text } from "drizzle-orm/sqlite-core";

// The columns that D1 and the storage of an object have alike. Times are milliseconds since the Unix epoch.

const time = (column: string) => integer(column).notNull().default(sql`(unixepoch() * 1000)`);
const flag = (column: string, set: boolean) => integer(column).notNull().default(Number(set));

/** A domain: its settings, its state, and the revision they are of. */
export const domainColumns = () => ({
  domain: text("domain").primaryKey(),
  authenticationRequired: flag("authentication_required", false),
  authNamespace: text("auth_namespace"),
  maxMembership: integer("max_membership"),
  deviceKeyRequired: flag("device_key_required", false),
  rolloverIntervalSeconds: integer("rollover_interval_seconds"),
  retireAfterDays: integer("retire_after_days"),
  maxMembershipPerSubject: integer("max_membership_per_subject"),
  ownerSubject: text("owner_subject"),
  whenFull: text("when_full").$type<"refuse" | "replace-least-recent">().notNull().default("refuse"),
  minIdleDays: integer("min_idle_days").notNull().default(30),
  memberIdleDays: integer("member_idle_days"),
  deleteAfterEmptyDays: integer("delete_after_empty_days"),
  keyRolloverRequired: flag("key_rollover_required", true),
  memberCount: integer("member_count").notNull().default(0),
  /** The highest key version that is no longer handed out. */
  retiredUpTo: integer("retired_up_to").notNull().default(0),
  /** Every commit moves it by one. */
  revision: integer("revision").notNull().default(1),
  /** The hash of the newest entry of the log. */
  head: text("head"),
  createdAt: time("created_at"),
  updatedAt: time("updated_at"),
});

/** A member. */
export const memberColumns = () => ({
  machineGuid: text("machine_guid").notNull(),
  deviceKeyThumbprint: text("device_key_thumbprint"),
  joinedAt: time("joined_at"),
  /** By the device's clock: when the registration that bound its key was signed. */
  signedAt: integer("signed_at"),
  /** The hash of the issuer and the subject of the token it joined by; null if it joined without. */
  subjectHash: text("subject_hash"),
  /** The name its owner gave it: a compact JWE, see `crypto/sealed-texts.ts`; null if it has no name. */
  sealedName: text("sealed_name"),
});

/** A domain key. Only its wrapping changes, when the key-encryption key rotates. */
export const keyColumns = () => ({
  keyVersion: integer("key_version").notNull(),
  publicJwk: text("public_jwk").notNull(),
  /** The private half, as a compact JWE. */
  wrappedPrivateJwk: text("wrapped_private_jwk").notNull(),
  /** The `kid` of the key-encryption key that wraps it. */
  keyEncryptionKid: text("key_encryption_kid").notNull(),
  createdAt: time("created_at"),
});

/** The record of a deleted domain. */
export const deletionColumns = () => ({
  domain: text("domain").primaryKey(),
  /** Its highest key version, and its last revision: a later domain of that name goes on above them. */
  keyVersion: integer("key_version").notNull(),
  revision: integer("revision").notNull(),
  memberCount: integer("member_count").notNull(),
  /** Not before it was created; a later domain of that name is created after it. */
  deletedAt: integer("deleted_at").notNull(),
  /** The operator, or the setting that ended it. */
  deletedBy: text("deleted_by").notNull(),
});

/** A device that an operator keeps out. */
export const banColumns = () => ({
  machineGuid: text("machine_guid").notNull(),
  /** The key it had as a member, which is kept out with it. */
  deviceKeyThumbprint: text("device_key_thumbprint"),
  reason: text("reason").notNull(),
  bannedBy: text("banned_by").notNull(),
  bannedAt: time("banned_at"),
});
