import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWK,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import { AUTHORITY_ROTATION_TYPE } from "../protocol/token-types.ts";
import { DeviceDomainError } from "./client-errors.ts";
import { serverOrigin } from "./domain-url.ts";

/**
 * A domain authority that is trusted: all keys that a server publishes, the keys of a JWK Set, or the keys with these
 * RFC 7638 thumbprints and their successors, published by the server at `url`.
 */
export type Authority =
  | string
  | URL
  | JSONWebKeySet
  | Readonly<{ thumbprints: readonly string[]; url?: string | URL | undefined }>;

/** The keys that a server publishes; fetched when needed, and kept for minutes. */
export type PublishedKeys = ReturnType<typeof createRemoteJWKSet>;

/** Finds the key that a statement names. @throws JWKSNoMatchingKey; DeviceDomainError `UNREACHABLE` */
export type KeySearch = (...args: Parameters<JWTVerifyGetKey>) => Promise<CryptoKey>;

/** A published key set with statements of former keys on their successor. */
type RotatedKeySet = JSONWebKeySet & Readonly<{ rotations?: readonly string[] }>;

/**
 * The keys that a server signs with.
 *
 * @param cooldown how long after a fetch a statement of an unknown key does not cause another, in milliseconds: not 0
 *   where anybody may show statements
 */
export function publishedKeys(origin: string, fetch: typeof globalThis.fetch, cooldown: number): PublishedKeys {
  return createRemoteJWKSet(new URL("/.well-known/jwks.json", origin), {
    cooldownDuration: cooldown,
    [customFetch]: async (url, options) => {
      try {
        const response = await fetch(url, options);
        if (response.status !== 200) throw new Error(`status ${response.status}`);
        const keySet = (await response.json()) as JSONWebKeySet;
        // Throws if it is none.
        createLocalJWKSet(keySet);
        return Response.json(keySet);
      } catch (cause) {
        throw new DeviceDomainError("UNREACHABLE", "The keys of the domain authority could not be had", { cause });
      }
    },
  });
}

/**
 * The keys of an authority.
 *
 * @param origin the server that publishes keys with thumbprints, where their authority does not say
 * @param published the published keys of an origin
 * @throws DeviceDomainError `INVALID_DOMAIN_URL`
 */
export function keysOf(
  authority: Authority,
  origin: string | null,
  published: (origin: string) => PublishedKeys,
): KeySearch {
  if (typeof authority === "string" || authority instanceof URL) return published(serverOrigin(authority));
  if ("thumbprints" in authority) {
    const { thumbprints, url = origin } = authority;
    return new PinnedKeys(published(serverOrigin(url ?? "")), thumbprints).find;
  }
  return createLocalJWKSet(authority);
}

/** The keys of several authorities: the first that knows a key gives it. */
export function keysOfAny(sources: readonly KeySearch[]): KeySearch {
  const isUnknown = (error: unknown) => error instanceof errors.JWKSNoMatchingKey;
  return (header, token) =>
    firstThatKnows(
      sources,
      (find) => find(header, token),
      isUnknown,
      () => new errors.JWKSNoMatchingKey(),
    );
}

/**
 * The answer of the first authority that knows the key. One that cannot be reached does not keep the others from theirs.
 *
 * @param isUnknown whether an error says that an authority does not know the key
 * @param unknown the error if none knows it, and all could be reached
 */
export async function firstThatKnows<Source, Result>(
  authorities: readonly Source[],
  ask: (authority: Source) => Promise<Result>,
  isUnknown: (error: unknown) => boolean,
  unknown: () => Error,
): Promise<Result> {
  let unreachable: Error | undefined;
  for (const authority of authorities) {
    try {
      return await ask(authority);
    } catch (error) {
      if (error instanceof DeviceDomainError && error.error === "UNREACHABLE") unreachable = error;
      else if (!isUnknown(error)) throw error;
    }
  }
  throw unreachable ?? unknown();
}

/** Published keys, as far as they are pinned, or a pinned key vouches for them. */
export class PinnedKeys {
  readonly #published: PublishedKeys;
  readonly #pins: readonly string[] | null;

  /** @param pins RFC 7638 thumbprints; null trusts every published key, on first use */
  constructor(published: PublishedKeys, pins: readonly string[] | null) {
    this.#published = published;
    this.#pins = pins;
  }

  /** The key that a statement names. @throws JWKSNoMatchingKey if it is none of these */
  readonly find: KeySearch = async (header, token) => {
    await this.#published(header, token);
    let trusted = await this.#trusted(header?.kid);
    if (trusted.length === 0 && !this.#published.coolingDown) {
      // It may have been vouched for since.
      await this.#published.reload();
      trusted = await this.#trusted(header?.kid);
    }
    // Among these alone: several keys may be published under one name.
    return createLocalJWKSet({ keys: trusted })(header, token);
  };

  /** The pins whose keys are still published. */
  async listedPins(): Promise<readonly string[]> {
    const listed = await Promise.all(this.#listed.map((jwk) => calculateJwkThumbprint(jwk)));
    return listed.filter((thumbprint) => this.#pins?.includes(thumbprint));
  }

  get #listed(): JWK[] {
    return this.#published.jwks()?.keys ?? [];
  }

  /** The published keys of a name that are trusted. */
  async #trusted(kid: string | undefined): Promise<JWK[]> {
    const named = this.#listed.filter((each) => kid !== undefined && each.kid === kid);
    const trust = await Promise.all(named.map((jwk) => this.#isTrusted(jwk)));
    return named.filter((_, index) => trust[index]);
  }

  async #isTrusted(jwk: JWK): Promise<boolean> {
    if (this.#pins === null || (await this.#isPinned(jwk))) return true;
    const { rotations = [] } = (this.#published.jwks() ?? {}) as RotatedKeySet;
    for (const rotation of rotations) if (await this.#vouches(rotation, jwk)) return true;
    return false;
  }

  async #isPinned(jwk: JWK): Promise<boolean> {
    return this.#pins?.includes(await calculateJwkThumbprint(jwk)) ?? false;
  }

  /** The published key of a name that is pinned. */
  async #pinned(kid: string | undefined): Promise<JWK | undefined> {
    for (const jwk of this.#listed) if (jwk.kid === kid && (await this.#isPinned(jwk))) return jwk;
    return undefined;
  }

  /** Whether a statement is that of a pinned key on its successor, which is this key. */
  async #vouches(rotation: string, successor: JWK): Promise<boolean> {
    try {
      const { kid } = decodeProtectedHeader(rotation);
      const former = await this.#pinned(kid);
      if (!former) return false;
      const options = { algorithms: ["ES256"], typ: AUTHORITY_ROTATION_TYPE, requiredClaims: ["exp", "cnf"] };
      const { payload } = await jwtVerify<{ cnf: { jwk: JWK } }>(rotation, former, options);
      return (await calculateJwkThumbprint(payload.cnf.jwk)) === (await calculateJwkThumbprint(successor));
    } catch {
      return false;
    }
  }
}
