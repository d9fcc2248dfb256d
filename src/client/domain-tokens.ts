import { errors, type JWK, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import { DOMAIN_TOKEN_TYPE } from "../protocol/token-types.ts";
import { DeviceDomainError, type DeviceErrorName } from "./client-errors.ts";

/** The claims of a domain token: that `cnf.jwk` is the public key of the domain `sub` in version `key_version`. */
export type DomainTokenClaims = Readonly<{
  iss: string;
  sub: string;
  key_version: number;
  cnf: Readonly<{ jwk: JWK }>;
  iat: number;
  exp: number;
}>;

/** The requirements on a statement of the domain authority. */
export type TokenExpectations = Readonly<{
  issuer?: string | undefined;
  domain?: string | undefined;
  /** Milliseconds since the Unix epoch. */
  now: number;
  /** How far the clocks may be apart, in seconds. */
  tolerance: number;
}>;

/**
 * Checks a domain token.
 *
 * @throws DeviceDomainError as `checkStatement` does
 * @see RFC 8725, JSON Web Token Best Current Practices, section 3
 */
export async function checkDomainToken(
  token: string,
  keys: JWTVerifyGetKey,
  expectations: TokenExpectations,
): Promise<DomainTokenClaims> {
  const claims = await checkStatement(token, DOMAIN_TOKEN_TYPE, ["key_version", "cnf"], keys, expectations);
  if (isStatedKey(claims)) return claims as unknown as DomainTokenClaims;
  throw new DeviceDomainError("INVALID_DOMAIN_TOKEN", "The domain token does not state a key of a domain");
}

/**
 * Checks a statement of the domain authority.
 *
 * @param typ its kind
 * @param claims the claims it must have besides `iss`, `sub`, `iat` and `exp`
 * @throws DeviceDomainError `DOMAIN_TOKEN_EXPIRED`, `OTHER_DOMAIN`, `UNKNOWN_AUTHORITY` or `INVALID_DOMAIN_TOKEN`;
 *   `UNREACHABLE` if the authority's keys cannot be had
 */
export async function checkStatement(
  statement: string,
  typ: string,
  claims: readonly string[],
  keys: JWTVerifyGetKey,
  { issuer, domain, now, tolerance }: TokenExpectations,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(statement, keys, {
      algorithms: ["ES256"],
      typ,
      requiredClaims: ["iss", "sub", "iat", "exp", ...claims],
      currentDate: new Date(now),
      clockTolerance: tolerance,
      ...(issuer === undefined ? {} : { issuer }),
      ...(domain === undefined ? {} : { subject: domain }),
    });
    if ((payload.iat ?? 0) * 1000 > now + tolerance * 1000) throw new errors.JWTInvalid("iat lies ahead");
    return payload;
  } catch (cause) {
    if (cause instanceof DeviceDomainError) throw cause;
    const name = nameOf(cause);
    const what = typ === DOMAIN_TOKEN_TYPE ? "domain token" : "key statement";
    throw new DeviceDomainError(name, `The ${what} ${FAULTS[name]}`, { cause });
  }
}

/** Whether `key_version` and `cnf.jwk` are a domain's. */
export function isStatedKey({ key_version, cnf }: JWTPayload): boolean {
  const jwk = (cnf as { jwk?: JWK } | null | undefined)?.jwk;
  return (
    Number.isSafeInteger(key_version) &&
    (key_version as number) >= 1 &&
    jwk?.kty === "EC" &&
    jwk.crv === "P-256" &&
    typeof jwk.x === "string" &&
    typeof jwk.y === "string" &&
    !("d" in jwk)
  );
}

/** The faults of a statement, by the names of the errors. */
const FAULTS = {
  DOMAIN_TOKEN_EXPIRED: "has expired",
  OTHER_DOMAIN: "is of another domain",
  UNKNOWN_AUTHORITY: "is signed by no authority that is trusted",
  INVALID_DOMAIN_TOKEN: "is malformed, or its signature does not verify",
} as const satisfies Partial<Record<DeviceErrorName, string>>;

function nameOf(cause: unknown): keyof typeof FAULTS {
  if (cause instanceof errors.JWTExpired) return "DOMAIN_TOKEN_EXPIRED";
  if (cause instanceof errors.JWKSNoMatchingKey) return "UNKNOWN_AUTHORITY";
  if (cause instanceof errors.JWTClaimValidationFailed && cause.claim === "sub") return "OTHER_DOMAIN";
  if (cause instanceof errors.JWTClaimValidationFailed && cause.claim === "iss") return "UNKNOWN_AUTHORITY";
  return "INVALID_DOMAIN_TOKEN";
}
