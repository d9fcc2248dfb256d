import { CompactSign } from "jose";
import { DEVICE_REQUEST_TYPE } from "../protocol/token-types.ts";
import { usableKey } from "./device-keys.ts";
import type { StoredKeyPair } from "./device-state.ts";

/** Claims of a signed request besides its members. */
type RequestClaims = Readonly<{
  /** The absolute URL of the request, as the server knows itself. */
  audience: string;
  /** Milliseconds since the Unix epoch. */
  signedAt: number;
  /** An id that no other request has. */
  idempotencyKey: string;
}>;

/**
 * Signs a request as the device's.
 *
 * @see RFC 7515, JSON Web Signature (JWS), sections 3.1 and 4.1.3
 */
export async function signDeviceRequest(
  members: Readonly<Record<string, unknown>>,
  { audience, signedAt, idempotencyKey }: RequestClaims,
  { publicJwk, privateKey }: StoredKeyPair,
): Promise<string> {
  // Fractions of a second count: a leave and a join that follow each other quickly are told apart by them.
  const payload = { ...members, aud: audience, iat: signedAt / 1000, jti: idempotencyKey };
  return new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: "ES256", typ: DEVICE_REQUEST_TYPE, jwk: publicJwk })
    .sign(await usableKey(privateKey, "sign"));
}
