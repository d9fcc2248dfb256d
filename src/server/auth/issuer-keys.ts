import { createLocalJWKSet, createRemoteJWKSet, errors, type JWTVerifyGetKey } from "jose";
import { OneAtATime } from "../one-at-a-time.ts";
import type { TrustedIssuer } from "./trusted-issuers.ts";

/** How long fetched keys are used. */
const MAX_AGE_MILLISECONDS = 600_000;

/** The keys at an issuer's address, fetched when they are needed: by one request at a time, and seldom. */
class FetchedKeys {
  // Told that its keys never age, it fetches only when it is told to. Left alone, it would fetch for each request.
  readonly #remote: ReturnType<typeof createRemoteJWKSet>;
  readonly #fetches: OneAtATime;
  readonly #restMilliseconds: number;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  /** Since then, no fetch for a while: anyone may send a token that seems to need one. */
  #restSince = Number.NEGATIVE_INFINITY;
  /** Whether the newest fetch failed, or was lost. */
  #failed = false;

  constructor(address: string, { cooldownSeconds, timeoutSeconds }: TrustedIssuer) {
    const timeoutDuration = Math.round(timeoutSeconds * 1000);
    this.#remote = createRemoteJWKSet(new URL(address), {
      timeoutDuration,
      cooldownDuration: Number.POSITIVE_INFINITY,
      cacheMaxAge: Number.POSITIVE_INFINITY,
    });
    this.#fetches = new OneAtATime(timeoutDuration);
    this.#restMilliseconds = Math.min(cooldownSeconds * 1000, MAX_AGE_MILLISECONDS);
  }

  readonly key: JWTVerifyGetKey = async (header, token) => {
    // Absolute, should the clock have been set back.
    if (Math.abs(Date.now() - this.#fetchedAt) >= MAX_AGE_MILLISECONDS) await this.#renew();
    try {
      return await this.#remote(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    await this.#renew();
    return this.#remote(header, token);
  };

  async #renew(): Promise<void> {
    if (Math.abs(Date.now() - this.#restSince) >= this.#restMilliseconds) await this.#fetches.run(() => this.#fetch());
    if (this.#failed) throw new Error("the issuer's keys could not be fetched");
  }

  async #fetch(): Promise<void> {
    this.#failed = true;
    try {
      await this.#remote.reload();
      this.#fetchedAt = Date.now();
      this.#failed = false;
    } finally {
      this.#restSince = Date.now();
    }
  }
}

const fetched = new WeakMap<TrustedIssuer, FetchedKeys>();

/** Where the keys of an issuer come from: for one address once, whichever entries and verifiers of a configuration ask. */
export function keysOf(issuer: TrustedIssuer, issuers: readonly TrustedIssuer[]): JWTVerifyGetKey {
  const { jwks, jwksUri } = issuer;
  if (jwksUri === undefined) return createLocalJWKSet(jwks as NonNullable<typeof jwks>);
  const alike = issuers.filter((each) => each.jwksUri === jwksUri);
  const known = alike.map((each) => fetched.get(each)).find((keys) => keys !== undefined);
  const keys = known ?? new FetchedKeys(jwksUri, issuer);
  for (const each of alike) fetched.set(each, keys);
  return keys.key;
}
