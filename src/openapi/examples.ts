import {
  AUTHORITY_KEY,
  base64url,
  credential,
  EXAMPLE,
  FORMER_AUTHORITY_KEY,
  OLDER_PRIVATE_KEY,
  OLDER_PUBLIC_KEY,
  PRIVATE_KEY,
  PUBLIC_KEY,
  SEALING_KEY,
  SIGNED_AT,
  sealed,
  statement,
} from "./example-values.ts";

const { domain, machineGuid } = EXAMPLE;
const ROTATION = { exp: SIGNED_AT + 2_592_000, cnf: { jwk: AUTHORITY_KEY } };
const CREDENTIAL = credential(PUBLIC_KEY);
const OLDER_CREDENTIAL = credential(OLDER_PUBLIC_KEY);
const CREDENTIALS = [
  { ...OLDER_CREDENTIAL, privateKey: OLDER_PRIVATE_KEY },
  { ...CREDENTIAL, privateKey: PRIVATE_KEY },
];
const KEY_STATEMENT = { sub: domain, exp: SIGNED_AT + 300, revision: 7, epoch: 1_793_523_600_000 };
const KEYS = {
  keys: [OLDER_PUBLIC_KEY, PUBLIC_KEY],
  currentKeyVersion: 2,
  statement: statement("domain-key-statement+jwt", { ...KEY_STATEMENT, key_version: 2, cnf: { jwk: PUBLIC_KEY } }),
};

/** Requests, by what they ask for. */
export const REQUEST = {
  join: { machineGuid },
  namedJoin: { machineGuid, deviceName: "TV" },
  sealedJoin: { machineGuid, encryptionKey: SEALING_KEY },
  newestJoin: { machineGuid, credentials: "newest" },
  renewal: { machineGuid, afterKeyVersion: 1 },
  renaming: { name: "Kitchen TV" },
  unnaming: { name: null },
  preview: { machineGuid, preview: true },
  leave: { machineGuid },
  settings: {
    authenticationRequired: true,
    authNamespace: "family",
    maxMembership: 5,
    rolloverIntervalSeconds: 600,
    retireAfterDays: 365,
    maxMembershipPerSubject: 3,
    ownerSubject: null,
    whenFull: "refuse",
    minIdleDays: 30,
    memberIdleDays: null,
    deleteAfterEmptyDays: null,
  },
  settingsChange: { maxMembership: null, rolloverIntervalSeconds: null },
  rolloverNow: { when: "now" },
  retiredKeys: { upTo: 0 },
  retiredByAge: { olderThanDays: 365 },
  rolloverNext: { when: "next-registration" },
  idleDomains: { idleSince: "2026-05-01T00:00:00Z", maxMembers: 0, dryRun: true },
  ban: { reason: "Sold in October; its new owner has another account." },
} as const;

/** Responses, by what they tell. */
export const ANSWER = {
  joined: {
    domain,
    machineGuid,
    newMember: true,
    keyVersion: 2,
    credentials: CREDENTIALS,
  },
  newest: {
    domain,
    machineGuid,
    newMember: true,
    keyVersion: 2,
    olderKeyVersions: { from: 1, to: 1 },
    credentials: CREDENTIALS.slice(1),
  },
  renewed: {
    domain,
    machineGuid,
    newMember: false,
    keyVersion: 2,
    credentials: CREDENTIALS.slice(1),
  },
  sealed: {
    domain,
    machineGuid,
    newMember: true,
    keyVersion: 2,
    credentials: [OLDER_CREDENTIAL, CREDENTIAL],
    sealedKeys: sealed({}),
  },
  previewed: { domain, machineGuid, preview: true, allowed: true, deregistered: false },
  left: { domain, machineGuid, preview: false, allowed: true, deregistered: true },
  domain: {
    domain,
    authenticationRequired: true,
    authNamespace: "family",
    authorizationServers: ["https://login.example.com"],
    deviceKeyRequired: false,
    keyVersion: 2,
  },
  keys: KEYS,
  keysInRollover: {
    ...KEYS,
    currentKeyVersion: null,
    statement: statement("domain-key-statement+jwt", { ...KEY_STATEMENT, key_version: null }),
  },
  newestKeys: { ...KEYS, keys: [PUBLIC_KEY], olderKeyVersions: { from: 1, to: 1 } },
  history: {
    domain,
    keyVersion: 2,
    credentials: [OLDER_CREDENTIAL],
    sealedKeys: sealed({ kid: PUBLIC_KEY.kid }),
  },
  rolledOver: { domain, keyVersion: 2 },
  statedRollover: { domain, keyVersion: 2, statement: KEYS.statement },
  authorityKeys: { keys: [AUTHORITY_KEY] },
  rotatedAuthorityKeys: {
    keys: [AUTHORITY_KEY, FORMER_AUTHORITY_KEY],
    rotations: [statement("authority-rotation+jwt", ROTATION, FORMER_AUTHORITY_KEY.kid)],
  },
  well: { status: "ok", database: "ok", secrets: "ok", copy: { domains: 0, seconds: 0 } },
  failing: { status: "failing", database: "unmigrated", secrets: "ok", copy: { domains: 12, seconds: 90.5 } },
} as const;

const RULES = { ...REQUEST.settings, deviceKeyRequired: false };
const ROW = {
  domain,
  ...RULES,
  keyVersion: 2,
  keyRolloverRequired: false,
  retiredUpTo: 0,
  memberCount: 3,
  revision: 7,
  createdAt: "2026-11-01T09:00:00.000Z",
  updatedAt: EXAMPLE.time,
};
const OVERVIEW = { ...ROW, database: "DB", copiedRevision: 7, copySecondsBehind: 0 };
const DEVICE = {
  handle: `${base64url({ alg: "dir", enc: "A256GCM", kid: "kek-1" })}..iv.ciphertext.tag`,
  deviceId: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
  machineGuid: "6f1c7a52…",
};
const MEMBER = { ...DEVICE, joinedAt: EXAMPLE.time, hasDeviceKey: true, lastRenewedOn: "2026-11-23", name: "TV" };
const OWNED_DEVICE = {
  handle: DEVICE.handle,
  deviceId: DEVICE.deviceId,
  name: "Kitchen TV",
  joinedAt: EXAMPLE.time,
  lastRenewedOn: "2026-11-23",
  thisDevice: true,
};
const BAN = { ...DEVICE, ...REQUEST.ban, hasDeviceKey: true, bannedAt: EXAMPLE.time, bannedBy: "admin-token" };
const CURSOR = "eyJhbGciOiJkaXIifQ..iv.ciphertext.tag";
const HASH = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
const CHANGE = { requestId: EXAMPLE.requestId, by: "admin-token" };
const ENTRY = {
  domain,
  revision: 7,
  committedAt: EXAMPLE.time,
  previous: "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
  changes: [
    { type: "device-evicted", ...CHANGE, deviceId: DEVICE.deviceId },
    { type: "settings-changed", ...CHANGE, settings: RULES, previous: { ...RULES, maxMembership: null } },
  ],
  hash: HASH,
};
const CHECKPOINT = {
  revision: 4,
  statement: statement("domain-log-checkpoint+jwt", { sub: domain, revision: 4, hash: HASH }),
};

const KEY_ENCRYPTION = {
  currentKid: "kek-2",
  kids: [
    { kid: "kek-1", domainKeys: 1_200 },
    { kid: "kek-2", domainKeys: 34 },
  ],
};

/** Responses to owners, by what they tell. */
export const OWNER_ANSWER = {
  devices: { domain, memberCount: 1, maxMembership: 5, devices: [OWNED_DEVICE], nextCursor: null },
  device: OWNED_DEVICE,
  unnamed: { ...OWNED_DEVICE, name: null },
  removed: { domain, removed: 1 },
  removedAll: { domain, removed: 4 },
  signIn: {
    issuers: [
      { issuer: "https://login.example.com", clientId: "devices-page", scope: "openid", audience: EXAMPLE.origin },
    ],
  },
  ownDomain: { domain: "family:alice" },
} as const;

/** Responses to operators, by what they tell. */
export const ADMIN_ANSWER = {
  metrics: `# TYPE device_domain_joins counter
# HELP device_domain_joins Devices that joined a domain.
device_domain_joins_total{database="DB"} 7
# EOF
`,
  overview: OVERVIEW,
  domains: { domains: [ROW], nextCursor: CURSOR },
  keyEncryption: { ...KEY_ENCRYPTION, done: false },
  operator: {
    identity: "admin-token",
    scopes: ["domains:read", "domains:write", "domains:evict", "metrics:read"],
    authNamespaces: ["family", "acme/*"],
  },
  rewrap: { rewrapped: 1_200, locked: 0, ...KEY_ENCRYPTION, kids: [{ kid: "kek-2", domainKeys: 1_234 }], done: true },
  keyVersions: {
    keys: [
      { keyVersion: 2, kid: PUBLIC_KEY.kid, createdAt: EXAMPLE.time },
      { keyVersion: 1, kid: OLDER_PUBLIC_KEY.kid, createdAt: OVERVIEW.createdAt },
    ],
    nextCursor: null,
  },
  members: { members: [MEMBER], nextCursor: null },
  member: MEMBER,
  wholeMember: { ...MEMBER, machineGuid },
  evicted: { domain, evicted: true, copied: true },
  bans: { bans: [BAN], nextCursor: null },
  ban: { ...BAN, copied: true },
  unbanned: { domain, banned: false, copied: true },
  deleted: { domain, deleted: true, copied: true },
  deletions: {
    deletions: [
      { domain: "attic", keyVersion: 3, memberCount: 0, deletedAt: EXAMPLE.time, deletedBy: "deleteAfterEmptyDays" },
    ],
    nextCursor: null,
  },
  idleDomains: { dryRun: true, domains: ["attic", "cellar"], nextCursor: null },
  log: { entries: [ENTRY], nextCursor: CURSOR },
  entry: ENTRY,
  auditedMember: { member: { deviceId: DEVICE.deviceId, deviceKeyThumbprint: null } },
  checkpointLine: { checkpoint: CHECKPOINT },
  logHead: {
    domain,
    revision: 7,
    hash: HASH,
    committedAt: EXAMPLE.time,
    checkpoint: null,
    statement: statement("domain-log-head+jwt", { sub: domain, revision: 7, hash: HASH }),
  },
  activity: {
    domain,
    complete: true,
    days: [{ day: "2026-11-23", joined: 3, left: 1 }],
    refusals: [{ hour: "2026-11-23T16:00:00.000Z", error: "DOM_LIMIT_REACHED", count: 2 }],
  },
} as const;
