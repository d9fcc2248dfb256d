// Made by `npm run types` from the schemas in src/openapi. Do not edit.

export type Activity = Readonly<{
  /** The name of a domain; case matters. */
  domain: string;
  /** Whether all of these days and refusals are here: those of a busy domain go less far back. */
  complete: boolean;
  days: ReadonlyArray<DayOfActivity>;
  /** How often each error refused a request, hour by hour. */
  refusals: ReadonlyArray<HourOfRefusals>;
}>;

/** The last line: all were sent, of the domain as of this revision or later. */
export type AuditEnd = Readonly<{
  complete: Readonly<{
    /** The change counter: each commit raises it by one. */
    revision: number;
  }>;
}>;

export type AuditLine = AuditedMember | AuditedBan | AuditedKey | ForgedEntry | DifferingTable | AuditEnd;

export type AuditedBan = Readonly<{
  ban: Readonly<{
    /** Names a device in a domain's log; the machine GUID cannot be had from it. */
    deviceId: string;
    deviceKeyThumbprint: string | null;
    reason: string;
  }>;
}>;

export type AuditedKey = Readonly<{
  key: Readonly<{
    /** The version of a domain's key: 1 for its first, and one more for each that follows. */
    keyVersion: number;
    kid: string;
  }>;
}>;

export type AuditedMember = Readonly<{
  member: Readonly<{
    /** Names a device in a domain's log; the machine GUID cannot be had from it. */
    deviceId: string;
    deviceKeyThumbprint: string | null;
  }>;
}>;

export type Ban = Readonly<{
  /** Names the device in requests to this domain's lists; opaque, and another each time. */
  handle: string;
  /** Names a device in a domain's log; the machine GUID cannot be had from it. */
  deviceId: string;
  /** The beginning of the machine GUID: the whole of it is the device's secret. */
  machineGuid: string;
  /** Whether a device key is banned with it. */
  hasDeviceKey: boolean;
  reason: string;
  /** A moment: ISO 8601, in UTC. */
  bannedAt: string;
  /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
  bannedBy: string;
}>;

export type BanPage = Readonly<{
  bans: ReadonlyArray<Ban>;
  /** The `cursor` of the next page; null after the last. */
  nextCursor: string | null;
}>;

export type BanRequest = Readonly<{
  /** Why, for operators to read. */
  reason: string;
}>;

export type CheckpointLine = Readonly<{
  /** Where the log was cut. */
  checkpoint: LogCheckpoint;
}>;

/** How far the database is behind the domains; null if nobody can say. */
export type CopyLag = Readonly<{
  /** How many domains wait for their changes to be written. */
  domains: number;
  /** How long the oldest has waited; 0 if none waits. */
  seconds: number;
}> | null;

export type DayOfActivity = Readonly<{
  /** A day in UTC. */
  day: string;
  joined: number;
  left: number;
}>;

export type DeletedDomain = Readonly<{
  /** The name of a domain; case matters. */
  domain: string;
  /** Its highest key version; 0 if it had no key. A later domain of that name goes on above it. */
  keyVersion: number;
  /** How many members it had. */
  memberCount: number;
  /** A moment: ISO 8601, in UTC. */
  deletedAt: string;
  /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
  deletedBy: string;
}>;

export type Deletion = Readonly<{
  /** The name of a domain; case matters. */
  domain: string;
  deleted: true;
  /** Whether the database has the change, and lists across domains show it; else it follows. */
  copied: boolean;
}>;

export type DeletionPage = Readonly<{
  deletions: ReadonlyArray<DeletedDomain>;
  /** The `cursor` of the next page; null after the last. */
  nextCursor: string | null;
}>;

export type Device = Readonly<{
  /** Names the device in requests of operators, about any domain or all; opaque, and another each time. */
  handle: string;
  /** The beginning of the machine GUID: the whole of it is the device's secret. */
  machineGuid: string;
  /** The device's server-wide ban; null if it has none. */
  ban: Readonly<{
    /** Whether a device key is banned with it. */
    hasDeviceKey: boolean;
    reason: string;
    /** A moment: ISO 8601, in UTC. */
    bannedAt: string;
    /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
    bannedBy: string;
  }> | null;
  /** A page of the domains it is a member of, by name, as the database has them. */
  domains: ReadonlyArray<DomainOfDevice>;
  /** The `cursor` of the next page; null after the last. */
  nextCursor: string | null;
}>;

export type DeviceBannedChange = Readonly<{
  type: "device-banned";
  requestId: string;
  /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
  by: string;
  /** Names a device in a domain's log; the machine GUID cannot be had from it. */
  deviceId: string;
  /** The device key's thumbprint (RFC 7638); null without one. */
  deviceKeyThumbprint: string | null;
  reason: string;
}>;

export type DeviceEvictedChange = Readonly<{
  type: "device-evicted";
  requestId: string;
  /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
  by: string;
  /** Names a device in a domain's log; the machine GUID cannot be had from it. */
  deviceId: string;
}>;

export type DeviceJoinedChange = Readonly<{
  type: "device-joined";
  requestId: string;
  /** Names a device in a domain's log; the machine GUID cannot be had from it. */
  deviceId: string;
  /** The device key's thumbprint (RFC 7638); null without one. */
  deviceKeyThumbprint: string | null;
}>;

export type DeviceKeyBoundChange = Readonly<{
  type: "device-key-bound";
  requestId: string;
  /** Names a device in a domain's log; the machine GUID cannot be had from it. */
  deviceId: string;
  /** The device key's thumbprint (RFC 7638); null without one. */
  deviceKeyThumbprint: string | null;
}>;

export type DeviceLeftChange = Readonly<{
  type: "device-left";
  requestId: string;
  /** Names a device in a domain's log; the machine GUID cannot be had from it. */
  deviceId: string;
}>;

export type DeviceNamedChange = Readonly<{
  type: "device-named";
  requestId: string;
  /** Names a device in a domain's log; the machine GUID cannot be had from it. */
  deviceId: string;
  /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
  by?: string;
}>;

export type DeviceUnbannedChange = Readonly<{
  type: "device-unbanned";
  requestId: string;
  /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
  by: string;
  /** Names a device in a domain's log; the machine GUID cannot be had from it. */
  deviceId: string;
}>;

/** A table in which the database differs from the domain. */
export type DifferingTable = Readonly<{
  differingTable: Readonly<{
    name: string;
  }>;
}>;

export type DomainCreatedChange = Readonly<{
  type: "domain-created";
  /** The highest key version of a deleted domain of that name. Absent if there was none. */
  keyVersion?: number;
}>;

/** A JWK Set (RFC 7517, section 5), and which of its keys to encrypt to. */
export type DomainKeySet = Readonly<{
  /** The newest keys of the selection: at most 100, in ascending order of their versions. */
  keys: ReadonlyArray<PublicDomainKey>;
  /** The version to encrypt to. It is null before the first key, and while a rollover is due: a device that left holds the newest key. A rollover that waits for `rolloverIntervalSeconds` is not due yet. */
  currentKeyVersion: number | null;
  /** Signed by the domain authority: which key to encrypt to. `typ: domain-key-statement+jwt`. Claims: `iss`; `sub`, the domain; `iat`; `exp`, 5 minutes later; `revision`, which only grows within one `epoch`; `key_version`, which is `currentKeyVersion`; `cnf.jwk`, the key, absent if `key_version` is null. */
  statement: string;
  /** Versions below the listed ones: ask with `before`. Absent if there are none. */
  olderKeyVersions?: KeyVersionRange;
}>;

export type DomainOfDevice = Readonly<{
  /** The name of a domain; case matters. */
  domain: string;
  /** A moment: ISO 8601, in UTC. */
  joinedAt: string;
  /** Whether the membership is bound to a device key. */
  hasDeviceKey: boolean;
}>;

/** A domain as its operator sees it. */
export type DomainOverview = Readonly<{
  /** The name of a domain; case matters. */
  domain: string;
  /** Whether devices need an auth token. */
  authenticationRequired: boolean;
  /** The one auth namespace whose tokens count; null for those of every trusted issuer. */
  authNamespace: string | null;
  /** Whether devices must sign every request. */
  deviceKeyRequired: boolean;
  /** How many devices may be members at once; null for no maximum. */
  maxMembership: number | null;
  /** The shortest time between two rollovers after leaves, in seconds. The server's default counts if the domain has no value of its own. */
  rolloverIntervalSeconds: number;
  /** How many devices may be members at once by tokens of one subject; null for no maximum. */
  maxMembershipPerSubject: number | null;
  /** The `sub` of the owner's auth tokens; null if the domain has no owner. Only operators see it. */
  ownerSubject: string | null;
  /** Whether a device that joins a full domain is refused, or takes the place of the member that has not renewed for longest. */
  whenFull: "refuse" | "replace-least-recent";
  /** A member is replaced only if its last renewal is more than so many days ago. */
  minIdleDays: number;
  /** Members that have not renewed for more than so many days are removed; null for never. */
  memberIdleDays: number | null;
  /** The domain is deleted once it has had no member, and no change, for so many days; null for never. */
  deleteAfterEmptyDays: number | null;
  /** Keys are retired this many days after their successor was made; null for never. */
  retireAfterDays: number | null;
  /** The domain's highest key version; 0 before its first key. */
  keyVersion: number;
  /** Whether a new key has to be made: by the first registration after `rolloverIntervalSeconds`. */
  keyRolloverRequired: boolean;
  /** Keys up to this version are not handed out any more; 0 for none. */
  retiredUpTo: number;
  /** How many devices are members. */
  memberCount: number;
  /** The change counter: each commit raises it by one. */
  revision: number;
  /** A moment: ISO 8601, in UTC. */
  createdAt: string;
  /** A moment: ISO 8601, in UTC. */
  updatedAt: string;
  /** The database that has the copy of the domain, by its binding. */
  database: string;
  /** The revision that the database has: lists show it. */
  copiedRevision: number;
  /** How long the database has lacked changes; 0 if it lacks none. */
  copySecondsBehind: number;
}>;

export type DomainPage = Readonly<{
  domains: ReadonlyArray<DomainRow>;
  /** The `cursor` of the next page; null after the last. */
  nextCursor: string | null;
}>;

export type DomainRow = Readonly<{
  /** The name of a domain; case matters. */
  domain: string;
  /** Whether devices need an auth token. */
  authenticationRequired: boolean;
  /** The one auth namespace whose tokens count; null for those of every trusted issuer. */
  authNamespace: string | null;
  /** Whether devices must sign every request. */
  deviceKeyRequired: boolean;
  /** How many devices may be members at once; null for no maximum. */
  maxMembership: number | null;
  /** The shortest time between two rollovers after leaves, in seconds. The server's default counts if the domain has no value of its own. */
  rolloverIntervalSeconds: number;
  /** How many devices may be members at once by tokens of one subject; null for no maximum. */
  maxMembershipPerSubject: number | null;
  /** The `sub` of the owner's auth tokens; null if the domain has no owner. Only operators see it. */
  ownerSubject: string | null;
  /** Whether a device that joins a full domain is refused, or takes the place of the member that has not renewed for longest. */
  whenFull: "refuse" | "replace-least-recent";
  /** A member is replaced only if its last renewal is more than so many days ago. */
  minIdleDays: number;
  /** Members that have not renewed for more than so many days are removed; null for never. */
  memberIdleDays: number | null;
  /** The domain is deleted once it has had no member, and no change, for so many days; null for never. */
  deleteAfterEmptyDays: number | null;
  /** Keys are retired this many days after their successor was made; null for never. */
  retireAfterDays: number | null;
  /** The domain's highest key version; 0 before its first key. */
  keyVersion: number;
  /** Whether a new key has to be made: by the first registration after `rolloverIntervalSeconds`. */
  keyRolloverRequired: boolean;
  /** Keys up to this version are not handed out any more; 0 for none. */
  retiredUpTo: number;
  /** How many devices are members. */
  memberCount: number;
  /** The change counter: each commit raises it by one. */
  revision: number;
  /** A moment: ISO 8601, in UTC. */
  createdAt: string;
  /** A moment: ISO 8601, in UTC. */
  updatedAt: string;
}>;

export type DomainTakenOverChange = Readonly<{
  type: "domain-taken-over";
  settings: SettingsInForce;
  keyVersion: number;
  retiredUpTo: number;
  memberCount: number;
}>;

export type DomainsOfBan = Readonly<{
  /** The domains that evicted and banned it. */
  banned: ReadonlyArray<string>;
  /** The domains that failed, and the error of each. Repeat the request. */
  failed: ReadonlyArray<FailedDomain>;
  /** Whether there are more domains than one request reaches: repeat the request for the rest. */
  more: boolean;
}>;

export type DomainsOfLiftedBan = Readonly<{
  /** The domains that lifted their bans. */
  lifted: ReadonlyArray<string>;
  /** The domains that failed, and the error of each. Repeat the request. */
  failed: ReadonlyArray<FailedDomain>;
  /** Whether there are more domains than one request reaches: repeat the request for the rest. */
  more: boolean;
}>;

export type Eviction = Readonly<{
  /** The name of a domain; case matters. */
  domain: string;
  evicted: true;
  /** Whether the database has the change, and lists across domains show it; else it follows. */
  copied: boolean;
}>;

export type FailedDomain = Readonly<{
  /** The name of a domain; case matters. */
  domain: string;
  error: "DOM_AUTHENTICATION_REQUIRED" | "DOM_LIMIT_REACHED" | "DEVICE_KEY_REQUIRED" | "DEVICE_PROOF_INVALID" | "DEVICE_BANNED" | "IDEMPOTENCY_KEY_REUSED" | "DEREG_DENIED" | "INVALID_REQUEST" | "DOMAIN_EXISTS" | "DOMAIN_NOT_FOUND" | "NOT_FOUND" | "ADMIN_AUTHENTICATION_REQUIRED" | "ADMIN_SCOPE_REQUIRED" | "RATE_LIMITED" | "OVERLOADED" | "TEMPORARILY_UNAVAILABLE" | "INTERNAL_ERROR";
}>;

/** An entry of the log that this server did not write: its MAC is not the domain's. */
export type ForgedEntry = Readonly<{
  forgedEntry: Readonly<{
    /** The change counter: each commit raises it by one. */
    revision: number;
  }>;
}>;

export type FoundMember = Readonly<{
  /** Names the device in requests to this domain's lists; opaque, and another each time. */
  handle: string;
  /** Names a device in a domain's log; the machine GUID cannot be had from it. */
  deviceId: string;
  /** The whole GUID if the request named the device by it, otherwise its beginning. */
  machineGuid: string;
  /** A moment: ISO 8601, in UTC. */
  joinedAt: string;
  /** Whether the membership is bound to a key of the device's own. */
  hasDeviceKey: boolean;
  /** The day it last joined or renewed. */
  lastRenewedOn: string;
  /** The name that its owner or the device itself gave it. Null without a name, or if its key-encryption key is gone. */
  name: string | null;
}>;

export type Health = Readonly<{
  /** Failing if anything else here is not ok. */
  status: "ok" | "failing";
  /** Whether it answers and has its tables. */
  database: "ok" | "unmigrated" | "failing";
  /** Whether the keys among the secrets do what they are for. */
  secrets: "ok" | "failing";
  /** How far the database is behind the domains; null if nobody can say. */
  copy: CopyLag;
}>;

export type HourOfRefusals = Readonly<{
  /** A moment: ISO 8601, in UTC. */
  hour: string;
  error: "DOM_AUTHENTICATION_REQUIRED" | "DOM_LIMIT_REACHED" | "DEVICE_KEY_REQUIRED" | "DEVICE_PROOF_INVALID" | "DEVICE_BANNED" | "IDEMPOTENCY_KEY_REUSED" | "DEREG_DENIED" | "INVALID_REQUEST" | "DOMAIN_EXISTS" | "DOMAIN_NOT_FOUND" | "NOT_FOUND" | "ADMIN_AUTHENTICATION_REQUIRED" | "ADMIN_SCOPE_REQUIRED" | "RATE_LIMITED" | "OVERLOADED" | "TEMPORARILY_UNAVAILABLE" | "INTERNAL_ERROR";
  count: number;
}>;

export type IdleDomainPage = Readonly<{
  /** Whether nothing was changed. */
  dryRun: boolean;
  /** The domains that were deleted, or would be. */
  domains: ReadonlyArray<string>;
  /** The `cursor` of the next request; null after the last. There may be more domains even if none is named. */
  nextCursor: string | null;
}>;

export type IdleDomains = Readonly<{
  /** Selects the domains in which nothing has changed, and no member has renewed, since this moment. Renewals are known by their day in UTC: one on the day of this moment counts. */
  idleSince: string;
  /** Selects the domains with at most so many members. By default, those without any. */
  maxMembers?: number;
  /** Whether to say which domains would be deleted, and change nothing. By default, yes. */
  dryRun?: boolean;
  /** The maximum number of domains. */
  limit?: number;
  /** The `nextCursor` of the response before. */
  cursor?: string;
}>;

export type KeyEncryption = Readonly<{
  /** The key-encryption key that wraps from now on: the first. */
  currentKid: string;
  /** How many domain keys each key-encryption key wraps. */
  kids: ReadonlyArray<KeyEncryptionUse>;
  /** Whether the first wraps all, so that the others may go. */
  done: boolean;
}>;

export type KeyEncryptionUse = Readonly<{
  kid: string;
  domainKeys: number;
}>;

export type KeyMadeChange = Readonly<{
  type: "key-made";
  /** The version of a domain's key: 1 for its first, and one more for each that follows. */
  keyVersion: number;
  kid: string;
  requestId?: string;
  /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
  by?: string;
}>;

export type KeyVersionPage = Readonly<{
  keys: ReadonlyArray<KeyVersionRow>;
  /** The `cursor` of the next page; null after the last. */
  nextCursor: string | null;
}>;

/** Key versions from one to another, both included. */
export type KeyVersionRange = Readonly<{
  /** The version of a domain's key: 1 for its first, and one more for each that follows. */
  from: number;
  /** The version of a domain's key: 1 for its first, and one more for each that follows. */
  to: number;
}>;

export type KeyVersionRow = Readonly<{
  /** The version of a domain's key: 1 for its first, and one more for each that follows. */
  keyVersion: number;
  /** The thumbprint of the public key (RFC 7638). It does not name the domain. */
  kid: string;
  /** A moment: ISO 8601, in UTC. */
  createdAt: string;
}>;

export type KeysRetiredChange = Readonly<{
  type: "keys-retired";
  requestId: string;
  /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
  by: string;
  /** The highest retired key version from now on; 0 for none. */
  upTo: number;
  /** The highest retired key version before; 0 for none. */
  previous: number;
}>;

export type KeysRewrappedChange = Readonly<{
  type: "keys-rewrapped";
  keyEncryptionKid: string;
  keys: number;
}>;

export type LiftedBan = Readonly<{
  /** The name of a domain; case matters. */
  domain: string;
  banned: false;
  /** Whether the database has the change, and lists across domains show it; else it follows. */
  copied: boolean;
}>;

export type LiftedServerWideBan = Readonly<{
  /** Names the device in requests of operators, about any domain or all; opaque, and another each time. */
  handle: string;
  /** The beginning of the machine GUID: the whole of it is the device's secret. */
  machineGuid: string;
  banned: false;
  domains: DomainsOfLiftedBan;
}>;

export type LogChange = DomainCreatedChange | DeviceJoinedChange | DeviceKeyBoundChange | DeviceNamedChange | DeviceLeftChange | RequestUsedChange | DeviceEvictedChange | DeviceBannedChange | DeviceUnbannedChange | RolloverRequiredChange | KeyMadeChange | KeysRetiredChange | KeysRewrappedChange | NamesResealedChange | DomainTakenOverChange | SettingsChangedChange;

/** Where the log was cut. */
export type LogCheckpoint = Readonly<{
  /** The change counter: each commit raises it by one. */
  revision: number;
  /** Signed by this server: where the log was cut, and what the domain was. */
  statement: string;
}>;

/** One commit. */
export type LogEntry = Readonly<{
  /** The name of a domain; case matters. */
  domain: string;
  /** The change counter: each commit raises it by one. */
  revision: number;
  /** A moment: ISO 8601, in UTC. */
  committedAt: string;
  /** The hash of the entry before; null for the first. */
  previous: string | null;
  changes: ReadonlyArray<LogChange>;
  /** This entry's hash. */
  hash: string;
}>;

export type LogHead = Readonly<{
  /** The name of a domain; case matters. */
  domain: string;
  /** The change counter: each commit raises it by one. */
  revision: number;
  /** The newest entry's hash. */
  hash: string;
  /** When the newest entry was written. */
  committedAt: string;
  /** Where the log was cut; null if it is whole. */
  checkpoint: LogCheckpoint | null;
  /** Signed by this server: `typ: domain-log-head+jwt`, claims `iss`, `sub`, `revision`, `hash`, `iat`. */
  statement: string | null;
}>;

export type LogLine = LogEntry | CheckpointLine;

export type LogPage = Readonly<{
  entries: ReadonlyArray<LogEntry>;
  /** The `cursor` of the next page; null after the last. */
  nextCursor: string | null;
}>;

export type Member = Readonly<{
  /** Names the device in requests to this domain's lists; opaque, and another each time. */
  handle: string;
  /** Names a device in a domain's log; the machine GUID cannot be had from it. */
  deviceId: string;
  /** The beginning of the machine GUID: the whole of it is the device's secret. */
  machineGuid: string;
  /** A moment: ISO 8601, in UTC. */
  joinedAt: string;
  /** Whether the membership is bound to a key of the device's own. */
  hasDeviceKey: boolean;
  /** The day it last joined or renewed. */
  lastRenewedOn: string;
  /** The name that its owner or the device itself gave it. Null without a name, or if its key-encryption key is gone. */
  name: string | null;
}>;

export type MemberPage = Readonly<{
  members: ReadonlyArray<Member>;
  /** The `cursor` of the next page; null after the last. */
  nextCursor: string | null;
}>;

export type NamesResealedChange = Readonly<{
  type: "names-resealed";
  keyEncryptionKid: string;
  names: number;
}>;

export type NewBan = Readonly<{
  /** Names the device in requests to this domain's lists; opaque, and another each time. */
  handle: string;
  /** Names a device in a domain's log; the machine GUID cannot be had from it. */
  deviceId: string;
  /** The beginning of the machine GUID: the whole of it is the device's secret. */
  machineGuid: string;
  /** Whether a device key is banned with it. */
  hasDeviceKey: boolean;
  reason: string;
  /** A moment: ISO 8601, in UTC. */
  bannedAt: string;
  /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
  bannedBy: string;
  /** Whether the database has the change, and lists across domains show it; else it follows. */
  copied: boolean;
}>;

export type NewServerWideBan = Readonly<{
  /** Names the device in requests of operators, about any domain or all; opaque, and another each time. */
  handle: string;
  /** The beginning of the machine GUID: the whole of it is the device's secret. */
  machineGuid: string;
  /** Whether a device key is banned with it. */
  hasDeviceKey: boolean;
  reason: string;
  /** A moment: ISO 8601, in UTC. */
  bannedAt: string;
  /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
  bannedBy: string;
  domains: DomainsOfBan;
}>;

export type Operator = Readonly<{
  /** `admin-token`; or the issuer and the `sub` of a token; or whom Cloudflare Access let through. */
  identity: string;
  /** The scopes of the credential. */
  scopes: ReadonlyArray<"domains:read" | "domains:write" | "domains:evict" | "metrics:read">;
  /** The auth namespaces that tokens of the trusted issuers may have: names, or prefixes that end in `*`. No other `authNamespace` of a domain lets a device in. */
  authNamespaces: ReadonlyArray<string>;
}>;

/** The public half of a domain's key: encrypt to it. */
export type PublicDomainKey = Readonly<{
  kty: "EC";
  crv: "P-256";
  /** 32 bytes in base64url. */
  x: string;
  /** 32 bytes in base64url. */
  y: string;
  /** The thumbprint of the public key (RFC 7638). It does not name the domain. */
  kid: string;
  /** The version of a domain's key: 1 for its first, and one more for each that follows. */
  key_version: number;
  use: "enc";
  alg: "ECDH-ES+A256KW";
}>;

export type RequestUsedChange = Readonly<{
  type: "request-used";
  requestId: string;
  /** Names a device in a domain's log; the machine GUID cannot be had from it. */
  deviceId: string;
}>;

/** Either `upTo` or `olderThanDays`. */
export type RetiredKeys = Readonly<{
  /** The highest retired key version, below the newest; 0 if no key is to be retired. */
  upTo: number;
}> | Readonly<{
  /** Retires the keys whose successor was made at least this many days ago. It never brings a key back. */
  olderThanDays: number;
}>;

export type RewrapRun = Readonly<{
  /** How many keys were wrapped anew. */
  rewrapped: number;
  /** How many keys were found that do not open; the log says which. */
  locked: number;
  /** The key-encryption key that wraps from now on: the first. */
  currentKid: string;
  /** How many domain keys each key-encryption key wraps. */
  kids: ReadonlyArray<KeyEncryptionUse>;
  /** Whether the first wraps all, so that the others may go. */
  done: boolean;
}>;

export type Rollover = Readonly<{
  /** Whether the new key is made at once, or by the next registration. */
  when: "now" | "next-registration";
}>;

export type RolloverRequiredChange = Readonly<{
  type: "rollover-required";
  requestId: string;
  /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
  by: string;
}>;

export type ServerWideBan = Readonly<{
  /** Names the device in requests of operators, about any domain or all; opaque, and another each time. */
  handle: string;
  /** The beginning of the machine GUID: the whole of it is the device's secret. */
  machineGuid: string;
  /** Whether a device key is banned with it. */
  hasDeviceKey: boolean;
  reason: string;
  /** A moment: ISO 8601, in UTC. */
  bannedAt: string;
  /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
  bannedBy: string;
}>;

export type ServerWideBanPage = Readonly<{
  bans: ReadonlyArray<ServerWideBan>;
  /** The `cursor` of the next page; null after the last. */
  nextCursor: string | null;
}>;

export type ServerWideEviction = Readonly<{
  /** The domains that it is no longer a member of. */
  evicted: ReadonlyArray<string>;
  /** The domains that failed, and the error of each. Repeat the request. */
  failed: ReadonlyArray<FailedDomain>;
  /** Whether there are more domains than one request reaches: repeat the request for the rest. */
  more: boolean;
}>;

export type Settings = Readonly<{
  /** Whether registrations and de-registrations need an auth token. By default, no. */
  authenticationRequired?: boolean;
  /** The one auth namespace whose tokens count; null for those of every trusted issuer. Needs `authenticationRequired`. */
  authNamespace?: string | null;
  /** How many devices may be members at once; null, the default, for no maximum. */
  maxMembership?: number | null;
  /** Whether devices must sign every request with a key of their own. By default, no. */
  deviceKeyRequired?: boolean;
  /** The shortest time between two rollovers after leaves, in seconds. Until then, a device that left can decrypt what is encrypted to the domain. Evictions, bans and rollovers of operators do not wait. Null, the default, for the server's default. */
  rolloverIntervalSeconds?: number | null;
  /** Keys are retired this many days after their successor was made; null, the default, for never. */
  retireAfterDays?: number | null;
  /** How many devices may be members at once by auth tokens of one subject; null, the default, for no maximum. Needs `authenticationRequired`. */
  maxMembershipPerSubject?: number | null;
  /** The `sub` of the owner's auth tokens: with `authNamespace`, which it needs, only these count. Null, the default, for no owner. */
  ownerSubject?: string | null;
  /** Whether a device that joins a full domain is refused, the default, or takes the place of the member that has not renewed for longest. */
  whenFull?: "refuse" | "replace-least-recent";
  /** Replaces only a member whose last renewal is more than so many days ago, in UTC; 30 by default. Counts with `whenFull`. */
  minIdleDays?: number;
  /** Removes members that have not renewed for more than so many days, in UTC. A rollover is then due. Null, the default, for never. */
  memberIdleDays?: number | null;
  /** Deletes the domain once it has had no member, and no change, for so many days; null, the default, for never. */
  deleteAfterEmptyDays?: number | null;
}>;

export type SettingsChangedChange = Readonly<{
  type: "settings-changed";
  requestId: string;
  /** The operator, or the setting that did it: `retireAfterDays`, `memberIdleDays`, `whenFull`, `deleteAfterEmptyDays` or `DOMAIN_DEFAULTS`. Or `owner`: the owner of the domain. Or `token`: an auth token created the domain, or named another maximum. */
  by: string;
  settings: SettingsInForce;
  previous: SettingsInForce;
}>;

export type SettingsInForce = Readonly<{
  /** Whether devices need an auth token. */
  authenticationRequired: boolean;
  /** The one auth namespace whose tokens count; null for those of every trusted issuer. */
  authNamespace: string | null;
  /** Whether devices must sign every request. */
  deviceKeyRequired: boolean;
  /** How many devices may be members at once; null for no maximum. */
  maxMembership: number | null;
  /** The shortest time between two rollovers after leaves, in seconds; null for the server's default. */
  rolloverIntervalSeconds: number | null;
  /** How many devices may be members at once by tokens of one subject; null for no maximum. */
  maxMembershipPerSubject: number | null;
  /** The `sub` of the owner's auth tokens; null if the domain has no owner. Only operators see it. */
  ownerSubject: string | null;
  /** Whether a device that joins a full domain is refused, or takes the place of the member that has not renewed for longest. */
  whenFull: "refuse" | "replace-least-recent";
  /** A member is replaced only if its last renewal is more than so many days ago. */
  minIdleDays: number;
  /** Members that have not renewed for more than so many days are removed; null for never. */
  memberIdleDays: number | null;
  /** The domain is deleted once it has had no member, and no change, for so many days; null for never. */
  deleteAfterEmptyDays: number | null;
  /** Keys are retired this many days after their successor was made; null for never. */
  retireAfterDays: number | null;
}>;

export type SettingsPatch = Readonly<{
  /** Whether registrations and de-registrations need an auth token. By default, no. */
  authenticationRequired?: boolean | null;
  /** The one auth namespace whose tokens count; null for those of every trusted issuer. Needs `authenticationRequired`. */
  authNamespace?: string | null;
  /** How many devices may be members at once; null, the default, for no maximum. */
  maxMembership?: number | null;
  /** Whether devices must sign every request with a key of their own. By default, no. */
  deviceKeyRequired?: boolean | null;
  /** The shortest time between two rollovers after leaves, in seconds. Until then, a device that left can decrypt what is encrypted to the domain. Evictions, bans and rollovers of operators do not wait. Null, the default, for the server's default. */
  rolloverIntervalSeconds?: number | null;
  /** Keys are retired this many days after their successor was made; null, the default, for never. */
  retireAfterDays?: number | null;
  /** How many devices may be members at once by auth tokens of one subject; null, the default, for no maximum. Needs `authenticationRequired`. */
  maxMembershipPerSubject?: number | null;
  /** The `sub` of the owner's auth tokens: with `authNamespace`, which it needs, only these count. Null, the default, for no owner. */
  ownerSubject?: string | null;
  /** Whether a device that joins a full domain is refused, the default, or takes the place of the member that has not renewed for longest. */
  whenFull?: "refuse" | "replace-least-recent" | null;
  /** Replaces only a member whose last renewal is more than so many days ago, in UTC; 30 by default. Counts with `whenFull`. */
  minIdleDays?: number | null;
  /** Removes members that have not renewed for more than so many days, in UTC. A rollover is then due. Null, the default, for never. */
  memberIdleDays?: number | null;
  /** Deletes the domain once it has had no member, and no change, for so many days; null, the default, for never. */
  deleteAfterEmptyDays?: number | null;
}>;
