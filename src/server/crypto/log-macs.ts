import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { base64url } from "jose";
import type { Keys } from "../config.ts";

/**
 * The MACs of a domain's log entries: HMAC-SHA-256 over an entry's hash, under a key derived from a key-encryption key,
 * which is in neither store. A MAC names its key: `{kid}.{base64url}`. Synchronous, because a commit makes one within its
 * transaction.
 *
 * @see RFC 5869, HMAC-based Extract-and-Expand Key Derivation Function (HKDF), section 3.2; RFC 2104, HMAC
 */
export class LogMacs {
  readonly #domain: string;
  readonly #keys: Keys;
  readonly #derived = new Map<string, Uint8Array>();

  /** @param keyEncryptionKeys the first makes MACs, all check them */
  constructor(domain: string, keyEncryptionKeys: Keys) {
    this.#domain = domain;
    this.#keys = keyEncryptionKeys;
  }

  /** The MAC of the entry with this hash. */
  of(hash: string): string {
    const kid = this.#keys[0].kid as string;
    return `${kid}.${base64url.encode(this.#hmac(kid, hash) as Uint8Array)}`;
  }

  /** Whether a MAC is that of the entry with this hash; not if its key is no longer there. */
  isOf(hash: string, mac: string): boolean {
    const kid = kidOf(mac);
    const expected = this.#hmac(kid, hash);
    const found = Buffer.from(mac.slice(kid.length + 1), "base64url");
    return expected !== null && found.length === expected.length && timingSafeEqual(found, expected);
  }

  /** Whether a MAC is by the present key. */
  isPresent(mac: string): boolean {
    return kidOf(mac) === this.#keys[0].kid;
  }

  #hmac(kid: string, hash: string): Uint8Array | null {
    const key = this.#keyOf(kid);
    return key && createHmac("sha256", key).update(hash).digest();
  }

  #keyOf(kid: string): Uint8Array | null {
    const known = this.#derived.get(kid);
    if (known) return known;
    const jwk = this.#keys.find((key) => key.kid === kid);
    if (!jwk) return null;
    const key = new Uint8Array(hkdfSync("sha256", base64url.decode(jwk.k as string), "", `log of ${this.#domain}`, 32));
    this.#derived.set(kid, key);
    return key;
  }
}

function kidOf(mac: string): string {
  return mac.slice(0, Math.max(0, mac.lastIndexOf(".")));
}
