import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { authorityKeys, checkDomainToken, type DomainTokenClaims } from "../client/domain-tokens.ts";
import { serverOrigin } from "../client/domain-url.ts";
import { DeviceDomainError } from "../client/errors.ts";
import { orAborted } from "../client/retries.ts";

/** What a domain token is held against. */
export type VerificationOptions = Readonly<{
  /** The server's URL, whose keys are fetched and kept for minutes; or the keys themselves, as a JWK Set. */
  authority: string | URL | JSONWebKeySet;
  /** The domain it must be of; any if left out. */
  domain?: string | undefined;
  /** The lowest key version that will do. */
  minimumKeyVersion?: number | undefined;
  /** Its `iss`; the origin of the authority's URL if left out, and any where the authority is a JWK Set. */
  issuer?: string | undefined;
  fetch?: typeof fetch | undefined;
  signal?: AbortSignal | undefined;
}>;

/** How far the server's clock and this one may be apart, in seconds. */
const CLOCK_TOLERANCE_SECONDS = 60;

/** How long tokens of unknown keys, which anybody can make, do not have the keys fetched again. */
const COOLDOWN_MILLISECONDS = 30_000;

/**
 * Checks a domain token that a device shows. All members of a domain hold the same: it proves what the domain's key is,
 * and nothing of who shows it.
 *
 * @throws DeviceDomainError `INVALID_DOMAIN_TOKEN`, `INVALID_DOMAIN_URL`, or `UNREACHABLE` if the authority's keys cannot
 *   be had
 */
export async function verifyDomainToken(token: string, options: VerificationOptions): Promise<DomainTokenClaims> {
  const { authority, domain, minimumKeyVersion = 1, signal } = options;
  const origin = typeof authority === "string" || authority instanceof URL ? serverOrigin(authority) : undefined;
  const keys = origin === undefined ? createLocalJWKSet(authority as JSONWebKeySet) : keptKeys(origin, options.fetch);
  const expectations = {
    issuer: options.issuer ?? origin,
    domain,
    now: Date.now(),
    tolerance: CLOCK_TOLERANCE_SECONDS,
  };
  const claims = await orAborted(checkDomainToken(token, keys, expectations), signal);
  if (claims.key_version >= minimumKeyVersion) return claims;
  throw new DeviceDomainError(
    "INVALID_DOMAIN_TOKEN",
    `The domain token is of key version ${claims.key_version}, and ${minimumKeyVersion} is the lowest that will do`,
  );
}

const kept = new WeakMap<typeof fetch, Map<string, JWTVerifyGetKey>>();

/** The keys of an authority: the same source for every token, so that they are not fetched for each. */
function keptKeys(origin: string, fetch: typeof globalThis.fetch = globalThis.fetch): JWTVerifyGetKey {
  const byOrigin = kept.get(fetch) ?? new Map<string, JWTVerifyGetKey>();
  kept.set(fetch, byOrigin);
  const keys =
    byOrigin.get(origin) ?? authorityKeys(origin, (input, init) => fetch(input, init), COOLDOWN_MILLISECONDS);
  byOrigin.set(origin, keys);
  return keys;
}
