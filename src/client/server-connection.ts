import { calculateJwkThumbprint } from "jose";
import { MAX_CLOCK_SKEW_SECONDS } from "../protocol/limits.ts";
import { SIGNED_REQUEST_MEDIA_TYPE } from "../protocol/media-types.ts";
import { type Authority, keysOf, keysOfAny, PinnedKeys, type PublishedKeys, publishedKeys } from "./authority.ts";
import { DomainServerError } from "./client-errors.ts";
import { DeviceClock } from "./device-clock.ts";
import { signDeviceRequest } from "./device-requests.ts";
import type { DeviceState, StoredKeyPair } from "./device-state.ts";
import type { DomainAddress } from "./domain-url.ts";
import { type ClientRequest, exchange } from "./exchange.ts";
import { DEFAULT_RETRIES, orAborted, type Pause, pauseByClock, type RetryPolicy, withRetries } from "./retries.ts";
import type { CredentialContext } from "./sealed-credentials.ts";
import { readServerTime } from "./server-time.ts";

/** How a server is reached and trusted. */
export type ConnectionOptions = Readonly<{
  /** The token for a domain that requires one, or where to get one before each try. */
  authToken?: string | (() => string | Promise<string>) | undefined;
  fetch?: typeof fetch | undefined;
  /** The server's issuer name, if that is not the origin of the domain's URL. */
  issuer?: string | undefined;
  /**
   * The domain authority to trust, or several. Left out, the device trusts the keys that signed what it first got, and
   * their successors.
   */
  authority?: Authority | readonly Authority[] | undefined;
  /** How often a call that failed in a way that may pass is repeated; 4 times if left out. */
  retries?: number | undefined;
  /** How the time between two tries is passed. */
  pause?: Pause | undefined;
}>;

/** How a signed request is made; both functions are called once everything else is at hand. */
type RequestSigning = Readonly<{
  signingKey: StoredKeyPair;
  /** An id that no other request has. */
  idempotencyKey: string;
  /** Milliseconds since the Unix epoch. */
  signingTime: () => number;
  beforeSending: (signedAt: number) => Promise<void>;
}>;

/** What a device's trust goes by: the thumbprints of its authority's keys, and how late it is at least. */
type TrustingState = Pick<DeviceState, "authority" | "effectiveAt">;

/** The ways to check what the server says, and the thumbprints to pin once it holds. */
type Trust = Readonly<
  Pick<CredentialContext, "authorityKeys" | "expectations"> & { nextPins: () => Promise<readonly string[]> }
>;

/** The server of a domain as one device sees it: what is asked of it, repeated and checked, and its time. */
export class ServerConnection {
  readonly clock = new DeviceClock();
  readonly #address: DomainAddress;
  readonly #options: ConnectionOptions;
  readonly #fetch: typeof fetch;
  readonly #issuer: string;
  readonly #policy: RetryPolicy;
  readonly #keySets = new Map<string, PublishedKeys>();
  /** The `jti` of the latest signed request. */
  #lastJti = "";

  constructor(address: DomainAddress, options: ConnectionOptions) {
    this.#address = address;
    this.#options = options;
    // Called as a method of anything but the global object, a browser's fetch throws.
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#issuer = options.issuer ?? address.origin;
    this.#policy = { retries: options.retries ?? DEFAULT_RETRIES, pause: options.pause ?? pauseByClock };
  }

  /** Reads something. */
  get(url: string, signal: AbortSignal | undefined): Promise<unknown> {
    return withRetries(this.#policy, signal, () => exchange(this.#fetch, { method: "GET", url }, signal));
  }

  /** Sends one request with the auth token alone, as the domain's owner does. */
  async authorized({ headers, ...request }: ClientRequest, signal: AbortSignal | undefined): Promise<unknown> {
    const authorization = await this.#authorization(signal);
    return exchange(this.#fetch, { ...request, headers: { ...headers, ...authorization } }, signal);
  }

  /** Sends one signed request of a device. */
  async send(
    action: "register" | "deregister",
    members: Readonly<Record<string, unknown>>,
    { signingKey, idempotencyKey, signingTime, beforeSending }: RequestSigning,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const url = `${this.#address.url}/${action}`;
    const audience = new URL(new URL(url).pathname, this.#issuer).href;
    const authorization = await this.#authorization(signal);
    const signedAt = signingTime();
    const body = await signDeviceRequest(members, { audience, signedAt, idempotencyKey }, signingKey);
    await beforeSending(signedAt);
    const headers = { "content-type": SIGNED_REQUEST_MEDIA_TYPE, ...authorization };
    this.#lastJti = idempotencyKey;
    return exchange(this.#fetch, { method: "POST", url, headers, body }, signal);
  }

  /**
   * Repeats signed tries as far as that is of use: once at once, if the clock was wrong.
   *
   * @param state what the device trusts
   */
  repeat<T>(state: TrustingState, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    return withRetries(this.#policy, signal, async () => {
      try {
        return await work();
      } catch (error) {
        const serverTime = error instanceof DomainServerError ? error.serverTime : null;
        if (serverTime === null || !(await orAborted(this.#correctClock(serverTime, state), signal))) throw error;
        return await work();
      }
    });
  }

  /** Does something that is safe to repeat, again as long as it fails in a way that may pass. */
  retried<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    return withRetries(this.#policy, signal, () => orAborted(work(), signal));
  }

  /**
   * How to check what the server says now to a device in this state. With no pins, any key of the server's is trusted,
   * unless the application gave an authority. What was checked gives the pins to keep.
   */
  trust({ authority: pins, effectiveAt }: TrustingState): Trust {
    const { authority } = this.#options;
    const { domain, origin } = this.#address;
    // The server took a request for a new one that was signed then, so its clock was there.
    const now = Math.max(this.clock.now(), effectiveAt ?? 0);
    const pinned = new PinnedKeys(this.#published(origin), pins.length > 0 ? pins : null);
    const given = authority === undefined ? null : ([authority].flat() as readonly Authority[]);
    const keysAt = (at: string) => this.#published(at);
    const find = given ? keysOfAny(given.map((each) => keysOf(each, origin, keysAt))) : pinned.find;
    const used = new Set<string>();
    return {
      authorityKeys: async (header, token) => {
        const key = await find(header, token);
        used.add(await calculateJwkThumbprint(key));
        return key;
      },
      expectations: { issuer: this.#issuer, domain, now, tolerance: MAX_CLOCK_SKEW_SECONDS },
      nextPins: async () => {
        // Nothing was signed: nothing is learnt.
        if (used.size === 0) return pins;
        return [...new Set([...used, ...(given ? [] : await pinned.listedPins())])];
      },
    };
  }

  #published(origin: string): PublishedKeys {
    // They check nothing but what the server itself sends, which may have a new key since a moment ago.
    const keys = this.#keySets.get(origin) ?? publishedKeys(origin, this.#fetch, 0);
    this.#keySets.set(origin, keys);
    return keys;
  }

  /** Goes by the server's time from now on, if the domain authority signed it for the latest request. */
  async #correctClock(serverTime: string, state: TrustingState): Promise<boolean> {
    const { authorityKeys } = this.trust(state);
    return this.clock.correct(await readServerTime(serverTime, this.#lastJti, this.#issuer, authorityKeys));
  }

  async #authorization(signal: AbortSignal | undefined): Promise<Record<string, string>> {
    const { authToken } = this.#options;
    const token = typeof authToken === "function" ? await orAborted(Promise.resolve(authToken()), signal) : authToken;
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  }
}
