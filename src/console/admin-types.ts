/** A domain's rules, as its operator sets them. */
export type Settings = Readonly<{
  authenticationRequired: boolean;
  authNamespace: string | null;
  /** Null for no maximum. */
  maxMembership: number | null;
  deviceKeyRequired: boolean;
  /** The least time between the rollovers that leaves bring about. */
  rolloverIntervalSeconds: number;
  /** Null for never. */
  retireAfterDays: number | null;
}>;

/** Settings as the log has them: an interval of null is the server's default. */
export type LoggedSettings = Readonly<Partial<{ [Name in keyof Settings]: Settings[Name] | null }>>;

/** A domain as lists have it. Times are ISO 8601, in UTC. */
export type DomainRow = Settings &
  Readonly<{
    domain: string;
    /** 0 before the first key. */
    keyVersion: number;
    /** Also while the rollover is postponed. */
    keyRolloverRequired: boolean;
    /** The highest retired key version; 0 for none. */
    retiredUpTo: number;
    memberCount: number;
    revision: number;
    createdAt: string;
    updatedAt: string;
  }>;

/** A domain at a glance, with how far the database is behind it. */
export type Overview = DomainRow & Readonly<{ copiedRevision: number; copySecondsBehind: number }>;

/** How far the database is behind all domains. */
export type CopyLag = Readonly<{ domains: number; seconds: number }>;

/** A device that is a member; `handle` is what to call it in requests, `deviceId` what the log calls it. */
export type Member = Readonly<{
  handle: string;
  deviceId: string;
  /** Shortened in lists, for it is a secret; whole only for whoever asked with the whole of it. */
  machineGuid: string;
  joinedAt: string;
  hasDeviceKey: boolean;
  /** A day. */
  lastRenewedOn: string;
}>;

/** A device that may not come back. */
export type Ban = Readonly<{
  handle: string;
  deviceId: string;
  machineGuid: string;
  reason: string;
  bannedAt: string;
  bannedBy: string;
  hasDeviceKey: boolean;
}>;

/** A key version of the domain; `kid` is the RFC 7638 thumbprint of its public key. */
export type KeyVersion = Readonly<{ keyVersion: number; createdAt: string; kid: string }>;

/** One fact in the log. Which members it has depends on its type. */
export type Change = Readonly<{
  type: string;
  deviceId?: string;
  by?: string;
  reason?: string;
  keyVersion?: number;
  upTo?: number;
  keyEncryptionKid?: string;
  keys?: number;
  memberCount?: number;
  settings?: LoggedSettings;
  previous?: LoggedSettings;
}>;

/** One commit of a domain. */
export type LogEntry = Readonly<{
  revision: number;
  committedAt: string;
  changes: readonly Change[];
  hash: string;
}>;

/** How many devices came and went on a day of the server's calendar. */
export type DayCount = Readonly<{ day: string; joined: number; left: number }>;

/** Who came and went on each day that anybody did, and what was refused in each hour. */
export type Activity = Readonly<{
  /** False if the log is too long to count all of it: then the earliest days are not whole. */
  complete: boolean;
  days: readonly DayCount[];
  refusals: readonly Readonly<{ hour: string; error: string; count: number }>[];
}>;

/** A part of a list, and where the next one begins. */
export type Page<Item> = Readonly<{ items: readonly Item[]; nextCursor: string | null }>;
