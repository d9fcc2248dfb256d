import type { JWK } from "jose";
import { MAX_CREDENTIALS } from "../../protocol/limits.ts";
import type { Config } from "../config.ts";
import { type DomainToken, type StatedKey, signDomainToken } from "../crypto/domain-tokens.ts";
import { generateDomainKeyPair } from "../crypto/key-pairs.ts";
import { KeyWrappingError, unwrapPrivateKey, wrapPrivateKey } from "../crypto/key-wrapping.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";
import type { StoredDomainKey } from "./storage/statements.ts";

/** Key versions above `after`, up to `upTo`. */
export type VersionRange = Readonly<{ after: number; upTo: number }>;

type KeyringConfig = Pick<Config, "keyEncryptionKeys" | "domainAuthorityKeys" | "domainTokenLifetimeSeconds">;

/** A token is handed out again for at most this long, so that its times stay fresh. */
const TOKEN_REUSE_MILLISECONDS = 10 * 60 * 1000;
/** How many of the newest keys stay open. */
const MAX_OPEN = 2 * MAX_CREDENTIALS;
/** How many lists of credentials are kept as text: those of newcomers, and of the last few versions. */
const MAX_TEXTS = 8;

/** A domain key with its private half open. */
type OpenKey = { publicJwk: JWK; privateJwk: JWK; token?: DomainToken & { issuer: string; issuedAt: number } };

/** A key that was made and wrapped ahead of the commit that needs it. */
export type SpareKey = Readonly<{ stored: Omit<StoredDomainKey, "createdAt">; open: OpenKey }>;

/**
 * The keys of one domain. Domain keys never change: each is read and unwrapped once, when it is first asked for, and its
 * token is signed again only every few minutes.
 */
export class Keyring {
  readonly #storage: DomainStorage;
  readonly #config: KeyringConfig;
  readonly #open = new Map<number, OpenKey>();
  readonly #spares = new Map<number, SpareKey>();
  readonly #making = new Map<number, Promise<void>>();
  /** The credentials of a range as JSON, and between which times they are fresh. */
  readonly #texts = new Map<string, { text: string; freshAfter: number; freshUntil: number }>();

  constructor(storage: DomainStorage, config: KeyringConfig) {
    this.#storage = storage;
    this.#config = config;
  }

  /** Whether every key of a range is open, or is a spare. */
  isOpen({ after, upTo }: VersionRange): boolean {
    for (let version = upTo; version > after; version--) {
      if (!this.#open.has(version) && !this.#spares.has(version)) return false;
    }
    return true;
  }

  /**
   * Reads and opens the keys of a range that are not open yet.
   *
   * @throws KeyWrappingError if one of them does not open
   */
  async open({ after, upTo }: VersionRange): Promise<void> {
    const missing = this.#storage.keys(after, upTo).filter(({ keyVersion }) => !this.#open.has(keyVersion));
    await Promise.all(missing.map(async (stored) => this.#open.set(stored.keyVersion, await this.unwrap(stored))));
  }

  /** Opens a stored key. @throws KeyWrappingError */
  async unwrap({ keyVersion, publicJwk, wrappedPrivateJwk }: StoredDomainKey): Promise<OpenKey> {
    const domain = this.#storage.name;
    const privateJwk = await unwrapPrivateKey(
      wrappedPrivateJwk,
      { domain, keyVersion },
      this.#config.keyEncryptionKeys,
    );
    // The public half rests in the open: a writer of the storage must not get the authority to sign another.
    const { d, ...publicHalf } = privateJwk;
    if (JSON.stringify(publicHalf) !== publicJwk) {
      throw new KeyWrappingError(`the public half of key ${keyVersion} of domain ${domain} is another key's`);
    }
    return { publicJwk: publicHalf as JWK, privateJwk };
  }

  /** The spare for a version; null if there is none yet. */
  spare(keyVersion: number): SpareKey | null {
    return this.#spares.get(keyVersion) ?? null;
  }

  /** Makes the spare for a version, unless there is one. */
  prepare(keyVersion: number): Promise<void> {
    if (this.#spares.has(keyVersion)) return Promise.resolve();
    const making =
      this.#making.get(keyVersion) ?? this.#make(keyVersion).finally(() => this.#making.delete(keyVersion));
    this.#making.set(keyVersion, making);
    return making;
  }

  async #make(keyVersion: number): Promise<void> {
    const { keyEncryptionKeys } = this.#config;
    const domain = this.#storage.name;
    const { publicJwk, privateJwk } = await generateDomainKeyPair(keyVersion);
    const wrappedPrivateJwk = await wrapPrivateKey(privateJwk, { domain, keyVersion }, keyEncryptionKeys);
    const keyEncryptionKid = keyEncryptionKeys[0].kid as string;
    const stored = { keyVersion, publicJwk: JSON.stringify(publicJwk), wrappedPrivateJwk, keyEncryptionKid };
    this.#spares.set(keyVersion, { stored, open: { publicJwk, privateJwk } });
  }

  /** Takes spares in that were committed. */
  addCommitted(spares: readonly SpareKey[]): void {
    for (const { stored, open } of spares) {
      this.#open.set(stored.keyVersion, open);
      this.#spares.delete(stored.keyVersion);
      // However many versions there are, those that newcomers get are open, and a while longer.
      const old = stored.keyVersion - MAX_OPEN;
      for (const version of this.#open.keys()) if (version <= old) this.#open.delete(version);
    }
  }

  /** Forgets all keys: the domain was deleted. */
  forget(): void {
    for (const memory of [this.#open, this.#spares, this.#texts]) memory.clear();
  }

  /** The credentials of a range as JSON text, if they were made a short while ago; else null. */
  freshCredentials(range: VersionRange, issuer: string, now: number): string | null {
    const known = this.#texts.get(textId(range, issuer));
    return known && now > known.freshAfter && now < known.freshUntil ? known.text : null;
  }

  /**
   * The credentials of a range of open keys, in rising order, as the JSON text of an array: `keyVersion`, `token`,
   * `expiresAt` (ISO 8601) and `privateKey` (JWK) of each.
   *
   * @param issuer the `iss` of the tokens
   * @param now milliseconds since the Unix epoch
   */
  async credentials(range: VersionRange, issuer: string, now: number): Promise<string> {
    const versions = Array.from(
      { length: Math.max(0, range.upTo - range.after) },
      (_, index) => range.after + 1 + index,
    );
    if (!this.isOpen(range)) await this.open(range);
    const reuse = Math.min(TOKEN_REUSE_MILLISECONDS, this.#config.domainTokenLifetimeSeconds * 100);
    const credentials = await Promise.all(
      versions.map(async (keyVersion) => {
        const key = this.#open.get(keyVersion);
        if (!key) throw new Error(`key ${keyVersion} of domain ${this.#storage.name} is not open`);
        if (key.token?.issuer !== issuer || Math.abs(now - key.token.issuedAt) >= reuse) {
          key.token = {
            ...(await this.sign({ keyVersion, publicJwk: key.publicJwk }, issuer, now)),
            issuer,
            issuedAt: now,
          };
        }
        const { token, expiresAt, issuedAt } = key.token;
        const credential = {
          keyVersion,
          token,
          expiresAt: new Date(expiresAt).toISOString(),
          privateKey: key.privateJwk,
        };
        return { credential, issuedAt };
      }),
    );
    const text = JSON.stringify(credentials.map(({ credential }) => credential));
    const times = [now, ...credentials.map(({ issuedAt }) => issuedAt)];
    // A clock that was set back must not leave tokens of the future in use.
    const [freshAfter, freshUntil] = [Math.max(...times) - reuse, Math.min(...times) + reuse];
    if (this.#texts.size >= MAX_TEXTS) this.#texts.clear();
    this.#texts.set(textId(range, issuer), { text, freshAfter, freshUntil });
    return text;
  }

  /** Signs the domain token of a key. */
  sign(key: StatedKey, issuer: string, issuedAt: number): Promise<DomainToken> {
    const { domainAuthorityKeys, domainTokenLifetimeSeconds: lifetimeSeconds } = this.#config;
    const claims = { issuer, domain: this.#storage.name, issuedAt, lifetimeSeconds };
    return signDomainToken(key, claims, domainAuthorityKeys[0]);
  }
}

function textId({ after, upTo }: VersionRange, issuer: string): string {
  return `${after} ${upTo} ${issuer}`;
}
