import type {
  Activity,
  Ban,
  DeletedDomain,
  DomainOfDevice,
  DomainRow,
  KeyVersionRow,
  LogEntry,
  Member,
  ServerWideBan,
} from "../operator/index.ts";
import type { Columns } from "./admin-actions.ts";
import { entryText } from "./log-text.ts";

/** Domains, by name. */
export const DOMAINS: Columns<DomainRow> = {
  DOMAIN: (row) => row.domain,
  MEMBERS: (row) => row.memberCount,
  MAXIMUM: (row) => row.maxMembership,
  KEY: (row) => row.keyVersion,
  ROLLOVER: (row) => (row.keyRolloverRequired ? "required" : null),
  CHANGED: (row) => row.updatedAt,
};
/** Deletions. */
export const DELETIONS: Columns<DeletedDomain> = {
  DOMAIN: (row) => row.domain,
  MEMBERS: (row) => row.memberCount,
  KEY: (row) => row.keyVersion,
  DELETED: (row) => row.deletedAt,
  BY: (row) => row.deletedBy,
};
/** Members. */
export const MEMBERS: Columns<Member> = {
  DEVICE: (row) => row.machineGuid,
  JOINED: (row) => row.joinedAt,
  RENEWED: (row) => row.lastRenewedOn,
  NAME: (row) => row.name,
  SIGNS: (row) => row.hasDeviceKey,
  "DEVICE ID": (row) => row.deviceId,
  HANDLE: (row) => row.handle,
};
/** Bans. */
export const BANS: Columns<Ban> = {
  DEVICE: (row) => row.machineGuid,
  BANNED: (row) => row.bannedAt,
  BY: (row) => row.bannedBy,
  REASON: (row) => row.reason,
  "DEVICE ID": (row) => row.deviceId,
  HANDLE: (row) => row.handle,
};
/** Key versions. */
export const KEYS: Columns<KeyVersionRow> = {
  KEY: (row) => row.keyVersion,
  MADE: (row) => row.createdAt,
  KID: (row) => row.kid,
};
/** Log entries. */
export const LOG: Columns<LogEntry> = {
  REVISION: (row) => row.revision,
  COMMITTED: (row) => row.committedAt,
  CHANGES: entryText,
};

/** Days. */
export const ACTIVITY: Columns<Activity["days"][number]> = {
  DAY: (row) => row.day,
  JOINED: (row) => row.joined,
  LEFT: (row) => row.left,
};
/** Hours with refusals. */
export const REFUSALS: Columns<Activity["refusals"][number]> = {
  HOUR: (row) => row.hour,
  ERROR: (row) => row.error,
  COUNT: (row) => row.count,
};

/** The domains of a device. */
export const DOMAINS_OF_DEVICE: Columns<DomainOfDevice> = {
  DOMAIN: (row) => row.domain,
  JOINED: (row) => row.joinedAt,
  SIGNS: (row) => row.hasDeviceKey,
};

/** Server-wide bans. */
export const SERVER_WIDE_BANS: Columns<ServerWideBan> = {
  DEVICE: (row) => row.machineGuid,
  BANNED: (row) => row.bannedAt,
  BY: (row) => row.bannedBy,
  REASON: (row) => row.reason,
  HANDLE: (row) => row.handle,
};
