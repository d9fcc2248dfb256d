import { createRemoteJWKSet, customFetch, errors, type JWK, type JWTVerifyGetKey, jwtVerify } from "jose";
import { DOMAIN_TOKEN_TYPE } from "../protocol/token-types.ts";
import { DeviceDomainError } from "./errors.ts";

/** The claims of a domain token: that `cnf.jwk` is the public key of the domain `sub` in version `key_version`. */
export type DomainTokenClaims = Readonly<{
  iss: string;
  sub: string;
  key_version: number;
  cnf: Readonly<{ jwk: JWK }>;
  iat: number;
  exp: number;
}>;

/** What a token is held against. */
export type TokenExpectations = Readonly<{
  issuer?: string | undefined;
  domain?: string | undefined;
  /** Milliseconds since the Unix epoch. */
  now: number;
  /** How far the clocks may be apart, in seconds. */
  tolerance: number;
}>;

/**
 * The keys that a server signs domain tokens with; fetched when needed, and kept for minutes.
 *
 * @param cooldown how long after that a token of an unknown key does not have them fetched again, in milliseconds: not 0
 *   where anybody may show tokens
 */
export function authorityKeys(origin: string, fetch: typeof globalThis.fetch, cooldown: number): JWTVerifyGetKey {
  return createRemoteJWKSet(new URL("/.well-known/jwks.json", origin), {
    cooldownDuration: cooldown,
    [customFetch]: async (url, options) => {
      const response = await fetch(url, options).catch((cause) => Promise.reject(keysMissing(cause)));
      if (response.status !== 200) throw keysMissing(`status ${response.status}`);
      return response;
    },
  });
}

/**
 * Checks a domain token.
 *
 * @throws DeviceDomainError `INVALID_DOMAIN_TOKEN`, or `UNREACHABLE` if the authority's keys cannot be had
 * @see RFC 8725, JSON Web Token Best Current Practices, section 3
 */
export async function checkDomainToken(
  token: string,
  keys: JWTVerifyGetKey,
  { issuer, domain, now, tolerance }: TokenExpectations,
): Promise<DomainTokenClaims> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ["ES256"],
      typ: DOMAIN_TOKEN_TYPE,
      requiredClaims: ["iss", "sub", "iat", "exp", "key_version", "cnf"],
      currentDate: new Date(now),
      clockTolerance: tolerance,
      ...(issuer === undefined ? {} : { issuer }),
      ...(domain === undefined ? {} : { subject: domain }),
    });
    if (!isStatement(payload)) throw new errors.JWTInvalid("key_version or cnf.jwk is not a domain's");
    return payload;
  } catch (cause) {
    if (cause instanceof DeviceDomainError) throw cause;
    const { code = "", message = "" } = cause as Partial<errors.JOSEError>;
    if (KEYS_UNREADABLE.includes(code)) throw keysMissing(cause);
    throw new DeviceDomainError("INVALID_DOMAIN_TOKEN", `The domain token does not hold: ${message}`, { cause });
  }
}

/** The errors of jose for a key set that came too late, or cut. */
const KEYS_UNREADABLE: readonly string[] = [errors.JWKSTimeout.code, errors.JOSEError.code];

function keysMissing(cause: unknown): DeviceDomainError {
  return new DeviceDomainError("UNREACHABLE", "The keys of the domain authority could not be had", { cause });
}

function isStatement(payload: object): payload is DomainTokenClaims {
  const { key_version, cnf } = payload as { key_version: unknown; cnf: { jwk?: JWK } | null };
  const jwk = cnf?.jwk;
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
