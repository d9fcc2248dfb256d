import { calculateJwkThumbprint } from "jose";

// Example keys are those of RFC 7515, RFC 7517, appendix A, and RFC 8037, appendix A. No example's signature verifies.

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
const OLDER_POINT = {
  kty: "EC",
  crv: "P-256",
  x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
  y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
} as const;
const PUBLIC_KEY = await domainKey(POINT, 2);
const PRIVATE_KEY = { ...PUBLIC_KEY, d: "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE" } as const;
const OLDER_PUBLIC_KEY = await domainKey(OLDER_POINT, 1);
const OLDER_PRIVATE_KEY = { ...OLDER_PUBLIC_KEY, d: "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI" } as const;
const FORMER_AUTHORITY_KEY = { ...OLDER_POINT, kid: "authority-0", use: "sig", alg: "ES256" } as const;
const AUTHORITY_KEY = { ...POINT, kid: "authority-1", use: "sig", alg: "ES256" } as const;
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

const ROTATION = { exp: SIGNED_AT + 2_592_000, cnf: { jwk: AUTHORITY_KEY } };

/** The server's time, for the device whose signed request it refused. */
export const SERVER_TIME = statement("server-time+jwt", { jti: signedClaims("").jti });

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
  sealedJoin: { machineGuid, encryptionKey: SEALING_KEY },
  newestJoin: { machineGuid, credentials: "newest" },
  renewal: { machineGuid, afterKeyVersion: 1 },
  preview: { machineGuid, preview: true },
  leave: { machineGuid },
  settings: {
    authenticationRequired: true,
    authNamespace: "family",
    maxMembership: 5,
    rolloverIntervalSeconds: 600,
    retireAfterDays: 365,
  },
  settingsChange: { maxMembership: null, rolloverIntervalSeconds: null },
  rolloverNow: { when: "now" },
  retiredKeys: { upTo: 0 },
  retiredByAge: { olderThanDays: 365 },
  rolloverNext: { when: "next-registration" },
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
  domain: { domain, authenticationRequired: false, authNamespace: null, deviceKeyRequired: false, keyVersion: 2 },
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
  statement: statement("domain-log-checkpoint+jwt", { sub: domain, revision: 4, hash: HASH }),
};

const KEY_ENCRYPTION = {
  currentKid: "kek-2",
  kids: [
    { kid: "kek-1", domainKeys: 1_200 },
    { kid: "kek-2", domainKeys: 34 },
  ],
};

/** Responses to operators, by what they tell. */
export const ADMIN_ANSWER = {
  overview: OVERVIEW,
  domains: { domains: [ROW], nextCursor: CURSOR },
  keyEncryption: { ...KEY_ENCRYPTION, done: false },
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
  log: { entries: [ENTRY], nextCursor: CURSOR },
  entry: ENTRY,
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

/** The public half of a domain key, with its metadata. */
async function domainKey<Point extends typeof POINT | typeof OLDER_POINT>(point: Point, keyVersion: number) {
  const kid = await calculateJwkThumbprint(point);
  return { ...point, kid, key_version: keyVersion, use: "enc", alg: "ECDH-ES+A256KW" } as const;
}

/** The domain token of a key, and when it ends. */
function credential({ key_version, kty, crv, x, y }: Awaited<ReturnType<typeof domainKey>>) {
  const claims = { sub: domain, key_version, cnf: { jwk: { kty, crv, x, y } }, exp: SIGNED_AT + 2_592_000 };
  const token = statement("domain-token+jwt", claims);
  return { keyVersion: key_version, token, expiresAt: "2026-12-23T16:33:59.000Z" };
}

/** A statement of the domain authority. */
function statement(typ: string, claims: object, kid: string = AUTHORITY_KEY.kid): string {
  return compact({ alg: "ES256", typ, kid }, { iss: EXAMPLE.origin, iat: SIGNED_AT, ...claims });
}

/** An Encrypted JWK Set. */
function sealed(header: object): string {
  const all = { alg: "ECDH-ES+A256KW", enc: "A256GCM", cty: "jwk-set+json", ...header };
  return `${base64url(all)}.wrapped.iv.ciphertext.tag`;
}

function compact(header: object, payload: object): string {
  const signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
  return `${base64url(header)}.${base64url(payload)}.${signature}`;
}

function base64url(value: object): string {
  return btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
