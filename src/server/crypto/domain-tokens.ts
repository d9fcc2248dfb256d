import type { JWK } from "jose";
import { DOMAIN_TOKEN_TYPE } from "../../protocol/token-types.ts";
import { type StatementClaims, signStatement } from "./signed-statements.ts";

/** A domain token, and when it ends, in milliseconds since the Unix epoch. */
export type DomainToken = Readonly<{ token: string; expiresAt: number }>;

/** The key of a domain in one version. */
export type StatedKey = Readonly<{ keyVersion: number; publicJwk: JWK }>;

/**
 * Signs the statement that a public key is the key of a domain in one version. It names no device: all members of a
 * domain hold the same.
 *
 * @see RFC 7800, Proof-of-Possession Key Semantics for JWTs, section 3.2
 */
export async function signDomainToken(
  { keyVersion, publicJwk }: StatedKey,
  claims: Required<StatementClaims>,
  authorityKey: JWK,
): Promise<DomainToken> {
  const { kty, crv, x, y } = publicJwk;
  // Nothing but the key: a response may hold a hundred tokens, and the thumbprint follows from it.
  const stated = { key_version: keyVersion, cnf: { jwk: { kty, crv, x, y } } };
  const token = await signStatement(DOMAIN_TOKEN_TYPE, stated, claims, authorityKey);
  return { token, expiresAt: (Math.floor(claims.issuedAt / 1000) + claims.lifetimeSeconds) * 1000 };
}
