import { type Authority, firstThatKnows, keysOf } from "../client/authority.ts";
import { DeviceDomainError } from "../client/client-errors.ts";
import { checkDomainToken, type DomainTokenClaims } from "../client/domain-tokens.ts";
import { serverOrigin } from "../client/domain-url.ts";
import { orAborted } from "../client/retries.ts";
import { CLOCK_TOLERANCE_SECONDS } from "./clock-tolerance.ts";
import { keptKeys } from "./kept-keys.ts";

/** The requirements on a domain token. */
export type VerificationOptions = Readonly<{
  /** The authority to trust, or several, such as a partner's. Thumbprints need the `url` that publishes their keys. */
  authority: Authority | readonly Authority[];
  /** The domain it must be of; any if left out. */
  domain?: string | undefined;
  /** The lowest key version that will do. */
  minimumKeyVersion?: number | undefined;
  /** Its `iss`; the origin of its authority's URL if left out, and any where that has none. */
  issuer?: string | undefined;
  fetch?: typeof fetch | undefined;
  signal?: AbortSignal | undefined;
}>;

/**
 * Checks a domain token that a device shows. All members of a domain hold the same: it proves what the domain's key is,
 * and nothing of who shows it.
 *
 * @throws DeviceDomainError `DOMAIN_TOKEN_EXPIRED`, `DOMAIN_TOKEN_OUTDATED` below `minimumKeyVersion`, `OTHER_DOMAIN`,
 *   `UNKNOWN_AUTHORITY`, `INVALID_DOMAIN_TOKEN` or `INVALID_DOMAIN_URL`; `UNREACHABLE` if an authority's keys cannot be
 *   had, and no other authority knows the key
 */
export async function verifyDomainToken(token: string, options: VerificationOptions): Promise<DomainTokenClaims> {
  const { minimumKeyVersion = 1, signal } = options;
  const claims = await orAborted(
    checkedByAny([options.authority].flat() as readonly Authority[], token, options),
    signal,
  );
  if (claims.key_version >= minimumKeyVersion) return claims;
  throw new DeviceDomainError(
    "DOMAIN_TOKEN_OUTDATED",
    `The domain token is of key version ${claims.key_version}, and ${minimumKeyVersion} is the lowest that will do`,
  );
}

/** The claims of a token, by the first authority that knows its key. */
function checkedByAny(
  authorities: readonly Authority[],
  token: string,
  { domain, issuer, fetch }: VerificationOptions,
): Promise<DomainTokenClaims> {
  const check = async (authority: Authority) => {
    const keys = keysOf(authority, null, (at) => keptKeys(at, fetch));
    const expected = { issuer: issuer ?? originOf(authority), domain, now: Date.now() };
    return checkDomainToken(token, keys, { ...expected, tolerance: CLOCK_TOLERANCE_SECONDS });
  };
  const isUnknown = (error: unknown) => error instanceof DeviceDomainError && error.error === "UNKNOWN_AUTHORITY";
  const message = "The domain token is signed by no authority that is trusted";
  return firstThatKnows(authorities, check, isUnknown, () => new DeviceDomainError("UNKNOWN_AUTHORITY", message));
}

function originOf(authority: Authority): string | undefined {
  if (typeof authority === "string" || authority instanceof URL) return serverOrigin(authority);
  return "thumbprints" in authority && authority.url !== undefined ? serverOrigin(authority.url) : undefined;
}
