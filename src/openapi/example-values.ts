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
/** The newest domain key. */
export const PUBLIC_KEY = await domainKey(POINT, 2);
/** The newest domain key with its private part. */
export const PRIVATE_KEY = { ...PUBLIC_KEY, d: "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE" } as const;
/** The domain key before. */
export const OLDER_PUBLIC_KEY = await domainKey(OLDER_POINT, 1);
/** The domain key before, with its private part. */
export const OLDER_PRIVATE_KEY = { ...OLDER_PUBLIC_KEY, d: "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI" } as const;
/** A former key of the domain authority. */
export const FORMER_AUTHORITY_KEY = { ...OLDER_POINT, kid: "authority-0", use: "sig", alg: "ES256" } as const;
/** The present key of the domain authority. */
export const AUTHORITY_KEY = { ...POINT, kid: "authority-1", use: "sig", alg: "ES256" } as const;
const DEVICE_KEY = { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" } as const;
/** A key to seal to. */
export const SEALING_KEY = { kty: "OKP", crv: "X25519", x: "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08" } as const;

/** When the examples were signed, in seconds since the Unix epoch. */
export const SIGNED_AT = 1_795_451_639;

/** The claims that make a request's members a signed request. */
function signedClaims(path: string) {
  return { aud: `${EXAMPLE.origin}${path}`, iat: SIGNED_AT, jti: "b5d1f7c0-2c8e-4e53-9a51-6a0f3f1f7f42" };
}

/** A signed request over these members, as it looks. */
export function signedRequest(path: string, members: object): string {
  const header = { alg: "Ed25519", typ: "device-request+jwt", jwk: DEVICE_KEY };
  return compact(header, { ...members, ...signedClaims(path) });
}

/** The server's time, for the device whose signed request it refused. */
export const SERVER_TIME = statement("server-time+jwt", { jti: signedClaims("").jti });

/** The public half of a domain key, with its metadata. */
async function domainKey<Point extends typeof POINT | typeof OLDER_POINT>(point: Point, keyVersion: number) {
  const kid = await calculateJwkThumbprint(point);
  return { ...point, kid, key_version: keyVersion, use: "enc", alg: "ECDH-ES+A256KW" } as const;
}

/** The domain token of a key, and when it ends. */
export function credential({ key_version, kty, crv, x, y }: Awaited<ReturnType<typeof domainKey>>) {
  const claims = { sub: EXAMPLE.domain, key_version, cnf: { jwk: { kty, crv, x, y } }, exp: SIGNED_AT + 2_592_000 };
  const token = statement("domain-token+jwt", claims);
  return { keyVersion: key_version, token, expiresAt: "2026-12-23T16:33:59.000Z" };
}

/** A statement of the domain authority. */
export function statement(typ: string, claims: object, kid: string = AUTHORITY_KEY.kid): string {
  return compact({ alg: "ES256", typ, kid }, { iss: EXAMPLE.origin, iat: SIGNED_AT, ...claims });
}

/** An Encrypted JWK Set. */
export function sealed(header: object): string {
  const all = { alg: "ECDH-ES+A256KW", enc: "A256GCM", cty: "jwk-set+json", ...header };
  return `${base64url(all)}.wrapped.iv.ciphertext.tag`;
}

function compact(header: object, payload: object): string {
  const signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
  return `${base64url(header)}.${base64url(payload)}.${signature}`;
}

/** A value as JSON in base64url. */
export function base64url(value: object): string {
  return btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
