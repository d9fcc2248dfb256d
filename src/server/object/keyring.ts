import type { JWK } from "jose";
import type { Config } from "../config.ts";
import { type DomainToken, signDomainToken } from "../crypto/domain-tokens.ts";
import { generateDomainKeyPair } from "../crypto/key-pairs.ts";
import { KeyWrappingError, unwrapPrivateKey, wrapPrivateKey } from "../crypto/key-wrapping.ts";
import type { StoredKey } from "./storage/domain-store.ts";

/** One domain credential, as it leaves the object: times in milliseconds since the Unix epoch. */
export type Credential = Readonly<{ keyVersion: number; token: string; expiresAt: number; privateKey: JWK }>;

/** Key versions above `after`, up to `upTo`. */
export type VersionRange = Readonly<{ after: number; upTo: number }>;

type KeyringConfig = Pick<Config, "keyEncryptionKeys" | "domainAuthorityKeys" | "domainTokenLifetimeSeconds">;

/** A token is handed out again for at most this long, so that its times stay fresh. */
const TOKEN_REUSE_MILLISECONDS = 10 * 60 * 1000;

/**
 * The keys of one domain as its object holds them. Domain keys never change, so that what was read once need not be
 * read, unwrapped or (for some minutes) signed again.
 */
export class Keyring {
  readonly #domain: string;
  readonly #config: KeyringConfig;
  readonly #keys = new Map<number, DomainKey>();

  constructor(domain: string, config: KeyringConfig) {
    this.#domain = domain;
    this.#config = config;
  }

  /** The highest version held; 0 if there is none. */
  get highest(): number {
    return this.#keys.size;
  }

  /** The highest key held, as it is stored; null if none is. */
  get newest(): StoredKey | null {
    return this.#keys.get(this.highest)?.stored ?? null;
  }

  /** Takes in stored keys. */
  take(stored: readonly StoredKey[]): void {
    for (const each of stored) if (!this.#keys.has(each.keyVersion)) this.#hold(each);
  }

  /** Whether every key of a range is held and was opened. */
  isOpen({ after, upTo }: VersionRange): boolean {
    for (let version = after + 1; version <= upTo; version++) if (!this.#keys.get(version)?.open) return false;
    return true;
  }

  /** Makes and wraps new keys of these versions. They are the domain's only once committed and taken in. */
  make(keyVersions: readonly number[]): Promise<NewKey[]> {
    return Promise.all(
      keyVersions.map(async (keyVersion) => {
        const { publicJwk, privateJwk } = await generateDomainKeyPair(this.#domain, keyVersion);
        const place = { domain: this.#domain, keyVersion };
        const stored = {
          keyVersion,
          publicJwk: JSON.stringify(publicJwk),
          wrappedPrivateJwk: await wrapPrivateKey(privateJwk, place, this.#config.keyEncryptionKeys),
        };
        return new DomainKey(this.#domain, stored, this.#config, privateJwk);
      }),
    );
  }

  /** Forgets everything, so that the next group reads it again. */
  forget(): void {
    this.#keys.clear();
  }

  /** Takes in keys that were made here and are committed. */
  adopt(keys: readonly NewKey[]): void {
    for (const key of keys) this.#keys.set(key.stored.keyVersion, key);
  }

  /**
   * Opens the keys held in a range of versions.
   *
   * @returns the versions that do not open, each with the KeyWrappingError that says why
   */
  async locked({ after, upTo }: VersionRange): Promise<ReadonlyMap<number, KeyWrappingError>> {
    const reasons = new Map<number, KeyWrappingError>();
    const open = async (key: DomainKey) => {
      try {
        await key.privateKey();
      } catch (error) {
        if (!(error instanceof KeyWrappingError)) throw error;
        reasons.set(key.stored.keyVersion, error);
      }
    };
    await Promise.all(
      versions({ after, upTo })
        .flatMap((version) => this.#keys.get(version) ?? [])
        .map(open),
    );
    return reasons;
  }

  /**
   * The credentials of a range of versions, in rising order.
   *
   * @param made keys of this group that are not committed yet
   */
  credentials(range: VersionRange, issuer: string, now: number, made: readonly NewKey[]): Promise<Credential[]> {
    return Promise.all(
      versions(range).map((version) => {
        const key = this.#keys.get(version) ?? made.find(({ stored }) => stored.keyVersion === version);
        if (!key) throw new Error(`key ${version} of domain ${this.#domain} is missing`);
        return key.credential(issuer, now);
      }),
    );
  }

  #hold(stored: StoredKey): void {
    this.#keys.set(stored.keyVersion, new DomainKey(this.#domain, stored, this.#config));
  }
}

function versions({ after, upTo }: VersionRange): number[] {
  return Array.from({ length: Math.max(0, upTo - after) }, (_, index) => after + 1 + index);
}

/** A key that was just made. */
export type NewKey = DomainKey;

/** One domain key, with what was derived from it so far. */
class DomainKey {
  readonly stored: StoredKey;
  readonly #domain: string;
  readonly #config: KeyringConfig;
  #privateKey: JWK | undefined;
  #token: (DomainToken & { issuer: string; issuedAt: number }) | undefined;

  constructor(domain: string, stored: StoredKey, config: KeyringConfig, privateKey?: JWK) {
    this.#domain = domain;
    this.stored = stored;
    this.#config = config;
    this.#privateKey = privateKey;
  }

  /** Whether its private half was opened already. */
  get open(): boolean {
    return this.#privateKey !== undefined;
  }

  async privateKey(): Promise<JWK> {
    this.#privateKey ??= await this.#open();
    return this.#privateKey;
  }

  async #open(): Promise<JWK> {
    const { keyVersion, publicJwk, wrappedPrivateJwk } = this.stored;
    const place = { domain: this.#domain, keyVersion };
    const privateJwk = await unwrapPrivateKey(wrappedPrivateJwk, place, this.#config.keyEncryptionKeys);
    // The public half rests in the open. Whoever can write to the database must not get the authority to sign theirs.
    const { d, ...publicHalf } = privateJwk;
    if (JSON.stringify(publicHalf) !== publicJwk) {
      throw new KeyWrappingError(`the public half of key ${keyVersion} of domain ${this.#domain} is another key's`);
    }
    return privateJwk;
  }

  async credential(issuer: string, now: number): Promise<Credential> {
    const { token, expiresAt } = await this.#freshToken(issuer, now);
    return { keyVersion: this.stored.keyVersion, token, expiresAt, privateKey: await this.privateKey() };
  }

  async #freshToken(issuer: string, now: number): Promise<DomainToken> {
    const lifetimeSeconds = this.#config.domainTokenLifetimeSeconds;
    const reuse = Math.min(TOKEN_REUSE_MILLISECONDS, (lifetimeSeconds * 1000) / 10);
    const held = this.#token;
    if (held && held.issuer === issuer && Math.abs(now - held.issuedAt) < reuse) return held;
    const [authorityKey] = this.#config.domainAuthorityKeys;
    if (!authorityKey) throw new Error("DOMAIN_AUTHORITY_KEYS holds no key");
    const token = await signDomainToken(
      {
        issuer,
        domain: this.#domain,
        keyVersion: this.stored.keyVersion,
        publicJwk: JSON.parse(this.stored.publicJwk) as JWK,
        issuedAt: now,
        lifetimeSeconds,
      },
      authorityKey,
    );
    this.#token = { ...token, issuer, issuedAt: now };
    return token;
  }
}
