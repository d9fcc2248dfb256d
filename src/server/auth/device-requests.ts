import { calculateJwkThumbprint, compactVerify, decodeProtectedHeader, EmbeddedJWK, errors, type JWK } from "jose";
import type { Refusal } from "../../domain/refusals.ts";
import type { DeviceProof } from "../../domain/types.ts";
import { MAX_CLOCK_SKEW_SECONDS } from "../../protocol/limits.ts";
import { DEVICE_REQUEST_TYPE } from "../../protocol/token-types.ts";

/** The keys a device may sign with: what `alg` goes with what `kty` and `crv`. `EdDSA` is the older name of `Ed25519`. */
const KEY_TYPES: Readonly<Record<string, { kty: string; crv: string }>> = {
  ES256: { kty: "EC", crv: "P-256" },
  Ed25519: { kty: "OKP", crv: "Ed25519" },
  EdDSA: { kty: "OKP", crv: "Ed25519" },
};

/** Header parameters that would have the key come from elsewhere than `jwk`. */
const OTHER_KEY_SOURCES = ["jku", "x5u", "x5c", "x5t", "x5t#S256"] as const;

/** A signed request that holds: its payload without `aud`, `iat` and `jti`, and what it proves. */
type DeviceRequest = Readonly<{ payload: Record<string, unknown>; proof: DeviceProof }>;

/**
 * Checks a signed device request: a compact JWS with the device's public key in its protected header.
 *
 * @param audience the absolute URL of the request
 * @param now milliseconds since the Unix epoch
 * @returns the request, or why it is refused: `INVALID_REQUEST` where it is not well formed, else
 *   `DEVICE_PROOF_INVALID`; with the `jti` of a request that the clock alone speaks against
 * @see RFC 7515, JSON Web Signature (JWS), sections 4.1.3 and 5.2
 * @see RFC 7638, JSON Web Key (JWK) Thumbprint
 * @see RFC 8037, section 3.1, and RFC 9864, section 2.2, of the two names
 */
export async function verifyDeviceRequest(
  jws: string,
  audience: string,
  now: number,
): Promise<{ request: DeviceRequest } | { refusal: Refusal; untimelyJti?: string }> {
  const header = readHeader(jws);
  if (!header) return malformed("body", "must be a compact JWS");
  const fault = headerFault(header);
  if (fault) return unproven(fault);

  const jwk = header.jwk as JWK;
  const thumbprint = await calculateJwkThumbprint(jwk).catch(() => null);
  if (thumbprint === null) return unproven("jwk in the header is not a public key");
  if (header.kid !== undefined && header.kid !== thumbprint) return unproven("kid names another key than jwk");

  const verified = await compactVerify(jws, EmbeddedJWK, { algorithms: Object.keys(KEY_TYPES) }).catch(
    (error) => error,
  );
  if (verified instanceof errors.JWSInvalid) return malformed("body", "must be a compact JWS");
  if (verified instanceof Error) return unproven("the signature does not fit the key in the header");

  const claims = readClaims(verified.payload);
  if (!claims) return malformed("body", "must have a JSON object as its payload");
  const { aud, iat, jti, ...payload } = claims;
  if (typeof aud !== "string") return malformed("aud", "must be a string");
  if (typeof iat !== "number") return malformed("iat", "must be a number");
  if (typeof jti !== "string" || !isIdempotencyKey(jti)) {
    return malformed("jti", "must be 1 to 128 visible ASCII characters");
  }
  if (!URL.canParse(aud) || new URL(aud).href !== new URL(audience).href) {
    // Without the query: nobody knows what somebody put there, and the reason is logged.
    return unproven(`aud must be ${audience.split("?", 1)[0]}, with the query of the request if there is one`);
  }
  if (!(Math.abs(iat * 1000 - now) <= MAX_CLOCK_SKEW_SECONDS * 1000)) {
    return { ...unproven(`iat must be within ${MAX_CLOCK_SKEW_SECONDS} seconds of now`), untimelyJti: jti };
  }
  return { request: { payload, proof: { thumbprint, signedAt: Math.floor(iat * 1000), idempotencyKey: jti } } };
}

/** Whether a text may be an idempotency key: 1 to 128 visible ASCII characters. */
export function isIdempotencyKey(text: string): boolean {
  return /^[\x21-\x7e]{1,128}$/.test(text);
}

function readHeader(jws: string) {
  try {
    return decodeProtectedHeader(jws);
  } catch {
    return null;
  }
}

/** Checks a protected header. @returns the rule that it breaks; null if it breaks none */
function headerFault(header: NonNullable<ReturnType<typeof readHeader>>): string | null {
  if (header.typ !== DEVICE_REQUEST_TYPE) return `typ must be ${DEVICE_REQUEST_TYPE}`;
  const other = OTHER_KEY_SOURCES.find((name) => name in header);
  if (other) return `the key must come from jwk, not from ${other}`;
  const expected = typeof header.alg === "string" && Object.hasOwn(KEY_TYPES, header.alg) && KEY_TYPES[header.alg];
  if (!expected) return "alg must be ES256, Ed25519 or EdDSA";
  const { jwk } = header;
  if (!jwk || jwk.kty !== expected.kty || jwk.crv !== expected.crv) {
    return `jwk must be a public key of type ${expected.kty}, curve ${expected.crv}`;
  }
  return "d" in jwk ? "jwk must not hold the private key" : null;
}

function readClaims(payload: Uint8Array): Record<string, unknown> | null {
  try {
    const claims: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(payload));
    return typeof claims === "object" && claims !== null && !Array.isArray(claims)
      ? (claims as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

function malformed(field: string, detail: string): { refusal: Refusal } {
  return {
    refusal: { error: "INVALID_REQUEST", reason: "malformed signed request", fields: [{ field, detail }] },
  };
}

function unproven(reason: string): { refusal: Refusal } {
  return { refusal: { error: "DEVICE_PROOF_INVALID", reason } };
}
