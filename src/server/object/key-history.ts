import type { JWK } from "jose";
import { MAX_CREDENTIALS } from "../../protocol/limits.ts";
import type { Config } from "../config.ts";
import { sha256 } from "../crypto/log-hashes.ts";
import { importSealingKey, type SealingKey, sealPrivateKeys } from "../crypto/sealed-keys.ts";
import type { Keyring, VersionRange } from "./keyring.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";
import type { StoredDomainKey } from "./storage/statements.ts";

/** A page of the history: the keys before a version, sealed to the key of another. */
export type HistoryPlace = Readonly<{ keyVersion: number; before: number }>;

/** A page as JSON text, null if the caller has it; its entity tag, and how many seconds it may be cached. */
export type HistoryPage = Readonly<{ body: string | null; etag: string; maxAgeSeconds: number }>;

/** The tokens of a page are signed once in this time. */
const WINDOW_MILLISECONDS = 24 * 60 * 60 * 1000;
const MAX_AGE_SECONDS = 60 * 60;
/** How many pages are kept; each has at most 150 KB. */
const MAX_PAGES = 16;

/**
 * The older keys of a domain, in pages. A page is sealed to a key of the domain: a holder of that key may hold all that
 * are older, and nobody else can open the page. So no membership is checked, and a page may be cached anywhere.
 */
export class KeyHistory {
  readonly #storage: DomainStorage;
  readonly #keyring: Keyring;
  readonly #config: Pick<Config, "domainTokenLifetimeSeconds" | "domainAuthorityKeys">;
  readonly #pages = new Map<string, Promise<string>>();

  constructor(
    storage: DomainStorage,
    keyring: Keyring,
    config: Pick<Config, "domainTokenLifetimeSeconds" | "domainAuthorityKeys">,
  ) {
    this.#storage = storage;
    this.#keyring = keyring;
    this.#config = config;
  }

  /**
   * A page: at most 100 keys that are not retired, in rising order.
   *
   * @param issuer the `iss` of the tokens
   * @param now milliseconds since the Unix epoch
   * @param known the entity tags of pages that the caller has
   * @returns null if the domain has no such key version
   * @throws KeyWrappingError if one of the keys does not open
   */
  async page(
    { keyVersion, before }: HistoryPlace,
    issuer: string,
    now: number,
    known: string | null,
  ): Promise<HistoryPage | null> {
    const { retiredUpTo } = this.#storage.domainState;
    const [sealTo] = this.#storage.keys(keyVersion - 1, keyVersion);
    if (!sealTo) return null;
    const { domainTokenLifetimeSeconds, domainAuthorityKeys } = this.#config;
    const window = Math.min(WINDOW_MILLISECONDS, domainTokenLifetimeSeconds * 100);
    const kids = [(JSON.parse(sealTo.publicJwk) as JWK).kid, domainAuthorityKeys[0].kid];
    const range = { after: Math.max(retiredUpTo, before - 1 - MAX_CREDENTIALS), upTo: before - 1 };
    const id = sha256(JSON.stringify([...kids, retiredUpTo, range, Math.floor(now / window), issuer]));
    // Weak: sealed again, the same keys are other bytes (RFC 9110, section 8.8.1).
    const etag = `W/"${id}"`;
    const maxAgeSeconds = Math.min(MAX_AGE_SECONDS, Math.floor(domainTokenLifetimeSeconds / 10));
    const body =
      known === "*" || known?.includes(id)
        ? null
        : await this.#kept(id, () => this.#make(range, sealTo, retiredUpTo, issuer, now));
    return { body, etag, maxAgeSeconds };
  }

  /** Forgets all pages: the domain was deleted. */
  forget(): void {
    this.#pages.clear();
  }

  /** A page that was made a while ago, or is made now. */
  #kept(id: string, make: () => Promise<string>): Promise<string> {
    const page = this.#pages.get(id) ?? make();
    // The one asked for last is last, so that the first is the one to forget.
    this.#pages.delete(id);
    this.#pages.set(id, page);
    const [oldest] = this.#pages.keys();
    if (this.#pages.size > MAX_PAGES) this.#pages.delete(oldest as string);
    page.catch(() => this.#pages.delete(id));
    return page;
  }

  async #make(
    { after, upTo }: VersionRange,
    sealTo: StoredDomainKey,
    retiredUpTo: number,
    issuer: string,
    now: number,
  ): Promise<string> {
    const { name: domain } = this.#storage;
    const keys = await Promise.all(
      this.#storage.keys(after, upTo).map(async (stored) => {
        const { publicJwk, privateJwk } = await this.#keyring.unwrap(stored);
        const { keyVersion } = stored;
        const { token, expiresAt } = await this.#keyring.sign({ keyVersion, publicJwk }, issuer, now);
        return { credential: { keyVersion, token, expiresAt: new Date(expiresAt).toISOString() }, privateJwk };
      }),
    );
    const publicJwk = JSON.parse(sealTo.publicJwk) as JWK & SealingKey;
    const sealingKey = await importSealingKey(publicJwk);
    if (!sealingKey) throw new Error(`key ${sealTo.keyVersion} of domain ${domain} cannot be sealed to`);
    const privateJwks = keys.map(({ privateJwk }) => privateJwk);
    return JSON.stringify({
      domain,
      keyVersion: sealTo.keyVersion,
      credentials: keys.map(({ credential }) => credential),
      ...(after > retiredUpTo ? { olderKeyVersions: { from: retiredUpTo + 1, to: after } } : {}),
      sealedKeys: await sealPrivateKeys(privateJwks, sealingKey, publicJwk.kid),
    });
  }
}
