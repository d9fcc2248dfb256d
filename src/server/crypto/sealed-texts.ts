import { base64url, CompactEncrypt, compactDecrypt, type JWK } from "jose";

/**
 * Seals a text so that only this server can read it again: what a caller is to hand back and must not look into.
 *
 * @param purpose what it is for; a text sealed for one purpose does not open for another
 * @param keys the key-encryption keys: the first seals, all open
 * @returns a compact JWE (`dir`, A256GCM)
 */
export async function sealText(text: string, purpose: string, keys: readonly JWK[]): Promise<string> {
  const [key] = keys as readonly [JWK, ...JWK[]];
  return new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader(headerFor(purpose, key))
    .encrypt(await keyFor(purpose, key));
}

/** Whether a text was sealed for a purpose with the first of the keys. */
export function isSealedWithFirst(sealed: string, purpose: string, keys: readonly [JWK, ...JWK[]]): boolean {
  // The header of a compact JWE is its first part, and this one is always written alike.
  return sealed.startsWith(`${base64url.encode(JSON.stringify(headerFor(purpose, keys[0])))}.`);
}

function headerFor(purpose: string, key: JWK) {
  return { alg: "dir", enc: "A256GCM", kid: key.kid as string, typ: purpose };
}

/** Opens a sealed text; null if it is none, or was sealed for another purpose. */
export async function openText(sealed: string, purpose: string, keys: readonly JWK[]): Promise<string | null> {
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(
      sealed,
      ({ kid }) => {
        const key = keys.find((each) => each.kid === kid);
        if (!key) throw new Error("sealed with another key");
        return keyFor(purpose, key);
      },
      { keyManagementAlgorithms: ["dir"], contentEncryptionAlgorithms: ["A256GCM"] },
    );
    return protectedHeader.typ === purpose ? new TextDecoder().decode(plaintext) : null;
  } catch {
    return null;
  }
}

const derived = new WeakMap<JWK, Map<string, CryptoKey>>();

/**
 * The key for a purpose, derived from a key-encryption key: texts are sealed by the million, and one key must not be
 * used with random nonces as often as that if private keys rest under it.
 *
 * @see RFC 5869, HMAC-based Extract-and-Expand Key Derivation Function (HKDF), section 3.2
 * @see NIST SP 800-38D, Galois/Counter Mode (GCM), section 8.3
 */
async function keyFor(purpose: string, key: JWK): Promise<CryptoKey> {
  const known = derived.get(key) ?? new Map<string, CryptoKey>();
  derived.set(key, known);
  const found = known.get(purpose) ?? (await derive(purpose, key));
  // Only once it is there: a promise of one request may not be waited for by another.
  known.set(purpose, found);
  return found;
}

async function derive(purpose: string, { k }: JWK): Promise<CryptoKey> {
  const bytes = Uint8Array.from(base64url.decode(k as string));
  const secret = await crypto.subtle.importKey("raw", bytes, "HKDF", false, ["deriveKey"]);
  const info = new TextEncoder().encode(`sealed text for ${purpose}`);
  const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info };
  return crypto.subtle.deriveKey(hkdf, secret, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}
