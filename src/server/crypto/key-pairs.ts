import { calculateJwkThumbprint, type JWK } from "jose";

/** The JOSE key agreement that secrets for a domain are encrypted with. */
const DOMAIN_KEY_ALGORITHM = "ECDH-ES+A256KW";

/** A domain key pair as JWKs: EC P-256, for key agreement. */
export type DomainKeyPair = Readonly<{ publicJwk: JWK; privateJwk: JWK }>;

/**
 * Makes a new domain key pair.
 *
 * @see RFC 7517, JSON Web Key (JWK), section 4; RFC 7518, JSON Web Algorithms (JWA), section 6.2
 */
export async function generateDomainKeyPair(keyVersion: number): Promise<DomainKeyPair> {
  const pair = (await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, [
    "deriveBits",
  ])) as CryptoKeyPair;
  return domainKeyPair((await crypto.subtle.exportKey("jwk", pair.privateKey)) as JWK, keyVersion);
}

/**
 * The JWKs of a private P-256 key as a domain key: with its metadata, and their members always in the same order. Its
 * `kid` is its thumbprint.
 *
 * @see RFC 7638, JSON Web Key (JWK) Thumbprint, section 3
 */
export async function domainKeyPair({ kty, crv, x, y, d }: JWK, keyVersion: number): Promise<DomainKeyPair> {
  if (!kty || !crv || !x || !y || !d) throw new Error("a private P-256 key is incomplete");
  const kid = await calculateJwkThumbprint({ kty, crv, x, y } as JWK);
  const publicJwk = { kty, crv, x, y, kid, key_version: keyVersion, use: "enc", alg: DOMAIN_KEY_ALGORITHM } as JWK;
  return { publicJwk, privateJwk: { ...publicJwk, d } };
}
