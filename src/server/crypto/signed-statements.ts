import { type JWK, SignJWT } from "jose";

/** Claims of every statement. */
export type StatementClaims = Readonly<{
  /** The `iss`: this server's URL. */
  issuer: string;
  /** The `sub`: the domain; none for a statement that is of no domain. */
  domain?: string;
  /** Milliseconds since the Unix epoch. */
  issuedAt: number;
  /** None for a statement that does not expire. */
  lifetimeSeconds?: number;
}>;

/**
 * Signs a statement of the domain authority: a JWS, ES256.
 *
 * @param typ its kind, so that one is not taken for another
 * @param authorityKey the domain authority's private JWK, EC P-256, with `kid`
 * @see RFC 7519, JSON Web Token (JWT), section 4.1; RFC 8725, JSON Web Token Best Current Practices, section 3.11
 */
export function signStatement(
  typ: string,
  claims: Readonly<Record<string, unknown>>,
  { issuer, domain, issuedAt, lifetimeSeconds }: StatementClaims,
  authorityKey: JWK,
): Promise<string> {
  const iat = Math.floor(issuedAt / 1000);
  const jwt = new SignJWT({ ...claims })
    .setProtectedHeader({ alg: "ES256", typ, kid: authorityKey.kid as string })
    .setIssuer(issuer)
    .setIssuedAt(iat);
  if (domain !== undefined) jwt.setSubject(domain);
  if (lifetimeSeconds !== undefined) jwt.setExpirationTime(iat + lifetimeSeconds);
  return jwt.sign(authorityKey);
}
