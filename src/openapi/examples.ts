// Example keys are those of RFC 7517, appendix A, and RFC 8037, appendix A. No example's signature verifies.

/** Values that the document's examples share. */
export const EXAMPLE = {
  origin: "https://domains.example.com",
  requestId: "01a20941-d4d8-7c0f-9d11-0a4f7b1c2d3e",
  domain: "den",
  machineGuid: "6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77",
  time: "2026-11-23T16:33:59.000Z",
  etag: '"8c1d2f0b4a6e9d7c5b3a1f0e2d4c6b8a9f7e5d3c"',
} as const;

const POINT = {
  kty: "EC",
  crv: "P-256",
  x: "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
  y: "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
} as const;
const PUBLIC_KEY = { ...POINT, kid: `${EXAMPLE.domain}/2`, use: "enc", alg: "ECDH-ES+A256KW" } as const;
const PRIVATE_KEY = { ...PUBLIC_KEY, d: "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE" } as const;
const DEVICE_KEY = { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" } as const;
const SEALING_KEY = { kty: "OKP", crv: "X25519", x: "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08" } as const;

const { domain, machineGuid } = EXAMPLE;
const SIGNED_AT = 1_795_451_639;

/** The claims that make a request's members a signed request. */
export function signedClaims(path: string) {
  return { aud: `${EXAMPLE.origin}${path}`, iat: SIGNED_AT, jti: "b5d1f7c0-2c8e-4e53-9a51-6a0f3f1f7f42" };
}

/** A signed request over these members, as it looks. */
export function signedRequest(path: string, members: object): string {
  const header = { alg: "Ed25519", typ: "device-request+jwt", jwk: DEVICE_KEY };
  return compact(header, { ...members, ...signedClaims(path) });
}

const TOKEN = compact(
  { alg: "ES256", typ: "domain-token+jwt", kid: "authority-1" },
  {
    iss: EXAMPLE.origin,
    sub: domain,
    key_version: 2,
    cnf: { jwk: PUBLIC_KEY },
    iat: SIGNED_AT,
    exp: SIGNED_AT + 2_592_000,
  },
);
const STATEMENT = { keyVersion: 2, token: TOKEN, expiresAt: "2026-12-23T16:33:59.000Z" };

/** Requests, by what they ask for. */
export const REQUEST = {
  join: { machineGuid },
  sealedJoin: { machineGuid, encryptionKey: SEALING_KEY },
  renewal: { machineGuid, afterKeyVersion: 1 },
  preview: { machineGuid, preview: true },
  leave: { machineGuid },
  settings: { authenticationRequired: true, authNamespace: "family", maxMembership: 5 },
  settingsChange: { maxMembership: null },
  rolloverNow: { when: "now" },
  retiredKeys: { upTo: 0 },
  rolloverNext: { when: "next-registration" },
  ban: { reason: "Sold in October; its new owner has another account." },
} as const;

/** Answers, by what they tell. */
export const ANSWER = {
  joined: {
    domain,
    machineGuid,
    newMember: true,
    keyVersion: 2,
    credentials: [{ ...STATEMENT, privateKey: PRIVATE_KEY }],
  },
  renewed: {
    domain,
    machineGuid,
    newMember: false,
    keyVersion: 2,
    credentials: [{ ...STATEMENT, privateKey: PRIVATE_KEY }],
  },
  sealed: {
    domain,
    machineGuid,
    newMember: true,
    keyVersion: 2,
    credentials: [STATEMENT],
    sealedKeys: `${base64url({ alg: "ECDH-ES+A256KW", enc: "A256GCM", cty: "jwk-set+json" })}.wrapped.iv.ciphertext.tag`,
  },
  previewed: { domain, machineGuid, preview: true, allowed: true, deregistered: false },
  left: { domain, machineGuid, preview: false, allowed: true, deregistered: true },
  domain: { domain, authenticationRequired: false, authNamespace: null, deviceKeyRequired: false, keyVersion: 2 },
  keys: { keys: [PUBLIC_KEY], currentKeyVersion: 2 },
  keysInRollover: { keys: [PUBLIC_KEY], currentKeyVersion: null },
  authorityKeys: { keys: [{ ...POINT, kid: "authority-1", use: "sig", alg: "ES256" }] },
  well: { status: "ok", database: "ok", secrets: "ok", copy: { domains: 0, seconds: 0 } },
  failing: { status: "failing", database: "unmigrated", secrets: "ok", copy: { domains: 12, seconds: 90.5 } },
} as const;

const RULES = { authenticationRequired: true, authNamespace: "family", maxMembership: 5, deviceKeyRequired: false };
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
const OVERVIEW = { ...ROW, copiedRevision: 7, copySecondsBehind: 0 };
const DEVICE = {
  handle: `${base64url({ alg: "dir", enc: "A256GCM", kid: "kek-1" })}..iv.ciphertext.tag`,
  deviceId: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
  machineGuid: "6f1c7a52…",
};
const MEMBER = { ...DEVICE, joinedAt: EXAMPLE.time, hasDeviceKey: true, lastRenewedOn: "2026-11-23" };
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
  statement: compact(
    { alg: "ES256", typ: "domain-log-checkpoint+jwt", kid: "authority-1" },
    { iss: EXAMPLE.origin, sub: domain, revision: 4, hash: HASH, iat: SIGNED_AT },
  ),
};

const KEY_ENCRYPTION = {
  currentKid: "kek-2",
  kids: [
    { kid: "kek-1", domainKeys: 1_200 },
    { kid: "kek-2", domainKeys: 34 },
  ],
};

/** Answers to operators, by what they tell. */
export const ADMIN_ANSWER = {
  overview: OVERVIEW,
  domains: { domains: [ROW], nextCursor: CURSOR },
  keyEncryption: { ...KEY_ENCRYPTION, done: false },
  rewrap: { rewrapped: 1_200, locked: 0, ...KEY_ENCRYPTION, kids: [{ kid: "kek-2", domainKeys: 1_234 }], done: true },
  keyVersions: {
    keys: [
      { keyVersion: 2, kid: `${domain}/2`, createdAt: EXAMPLE.time },
      { keyVersion: 1, kid: `${domain}/1`, createdAt: OVERVIEW.createdAt },
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
  log: { entries: [ENTRY], nextCursor: CURSOR },
  entry: ENTRY,
  checkpointLine: { checkpoint: CHECKPOINT },
  logHead: {
    domain,
    revision: 7,
    hash: HASH,
    committedAt: EXAMPLE.time,
    checkpoint: null,
    statement: compact(
      { alg: "ES256", typ: "domain-log-head+jwt", kid: "authority-1" },
      { iss: EXAMPLE.origin, sub: domain, revision: 7, hash: HASH, iat: SIGNED_AT },
    ),
  },
  activity: {
    domain,
    complete: true,
    days: [{ day: "2026-11-23", joined: 3, left: 1 }],
    refusals: [{ hour: "2026-11-23T16:00:00.000Z", error: "DOM_LIMIT_REACHED", count: 2 }],
  },
} as const;

function compact(header: object, payload: object): string {
  const signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
  return `${base64url(header)}.${base64url(payload)}.${signature}`;
}

function base64url(value: object): string {
  return btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
