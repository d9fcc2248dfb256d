import { type JWK, SignJWT } from "jose";
import { DOMAIN_TOKEN_TYPE } from "../../protocol/token-types.ts";

/** A domain token, and when it ends, in milliseconds since the Unix epoch. */
export type DomainToken = Readonly<{ token: string; expiresAt: number }>;

/** What a domain token states. */
export type DomainStatement = Readonly<{
  issuer: string;
  domain: string;
  keyVersion: number;
  publicJwk: JWK;
  /** Milliseconds since the Unix epoch. */
  issuedAt: number;
  lifetimeSeconds: number;
}>;

/**
 * Signs the statement that a public key is the key of a domain in one version. It names no device: all members of a
 * domain hold the same.
 *
 * @param authorityKey the domain authority's private JWK, EC P-256, with `kid`
 * @see RFC 7519, JSON Web Token (JWT), section 4.1; RFC 7800, Proof-of-Possession Key Semantics for JWTs, section 3.2
 */
export async function signDomainToken(statement: DomainStatement, authorityKey: JWK): Promise<DomainToken> {
  const issuedAt = Math.floor(statement.issuedAt / 1000);
  const expiresAt = issuedAt + statement.lifetimeSeconds;
  const token = await new SignJWT({ key_version: statement.keyVersion, cnf: { jwk: statement.publicJwk } })
    .setProtectedHeader({ alg: "ES256", typ: DOMAIN_TOKEN_TYPE, kid: authorityKey.kid as string })
    .setIssuer(statement.issuer)
    .setSubject(statement.domain)
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(authorityKey);
  return { token, expiresAt: expiresAt * 1000 };
}
