import { type Authority, keysOf } from "../client/authority.ts";
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
 *   `UNKNOWN_AUTHORITY`, `INVALID_DOMAIN_TOKEN` or `INVALID_DOMAIN_URL`; `UNREACHABLE` if an authority's keys cannot be had and no other knows the key
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
async function checkedByAny(
  authorities: readonly Authority[],
  token: string,
  { domain, issuer, fetch }: VerificationOptions,
): Promise<DomainTokenClaims> {
  let failure = new DeviceDomainError(
    "UNKNOWN_AUTHORITY",
    "The domain token is signed by no authority that is trusted",
  );
  for (const authority of authorities) {
    const origin = originOf(authority);
    const keys = keysOf(authority, null, (at) => keptKeys(at, fetch));
    const expectations = { issuer: issuer ?? origin, domain, now: Date.now(), tolerance: CLOCK_TOLERANCE_SECONDS };
    try {
      return await checkDomainToken(token, keys, expectations);
    } catch (error) {
      if (!(error instanceof DeviceDomainError)) throw error;
      // One whose keys cannot be had must not keep the others from theirs.
      if (error.error === "UNREACHABLE") failure = error;
      else if (error.error !== "UNKNOWN_AUTHORITY") throw error;
    }
  }
  throw failure;
}

function originOf(authority: Authority): string | undefined {
  if (typeof authority === "string" || authority instanceof URL) return serverOrigin(authority);
  return "thumbprints" in authority && authority.url !== undefined ? serverOrigin(authority.url) : undefined;
}
