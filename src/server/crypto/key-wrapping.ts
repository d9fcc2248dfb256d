import { CompactEncrypt, compactDecrypt, decodeProtectedHeader, type JWK } from "jose";

/** A private key at rest cannot be opened with the configured key-encryption keys: the operator's to mend. */
export class KeyWrappingError extends Error {
  override readonly name = "KeyWrappingError";
}

/** Which key a wrapped private key belongs to; part of what the encryption authenticates. */
type KeyPlace = Readonly<{ domain: string; keyVersion: number }>;

/**
 * Wraps a domain's private JWK for storage with the first of the key-encryption keys.
 *
 * The result is a compact JWE (`dir`, A256GCM) that names its domain and key version in the protected header, so that
 * a writer of the database cannot pass one row's key off as another's.
 *
 * @param keyEncryptionKeys symmetric 256-bit JWKs with `kid`
 * @see RFC 7516, JSON Web Encryption (JWE), section 3.1; RFC 7518, JSON Web Algorithms (JWA), section 4.5
 */
export function wrapPrivateKey(privateJwk: JWK, place: KeyPlace, keyEncryptionKeys: readonly JWK[]): Promise<string> {
  const [key] = keyEncryptionKeys;
  if (!key?.kid) throw new KeyWrappingError("KEY_ENCRYPTION_KEYS holds no key");
  return new CompactEncrypt(new TextEncoder().encode(JSON.stringify(privateJwk)))
    .setProtectedHeader({
      alg: "dir",
      enc: "A256GCM",
      kid: key.kid,
      domain: place.domain,
      key_version: place.keyVersion,
    })
    .encrypt(key);
}

/**
 * Opens a wrapped private JWK, and checks that it is the one of this domain and key version.
 *
 * @throws KeyWrappingError
 */
export async function unwrapPrivateKey(
  wrapped: string,
  place: KeyPlace,
  keyEncryptionKeys: readonly JWK[],
): Promise<JWK> {
  const name = `key ${place.keyVersion} of domain ${place.domain}`;
  const header = readHeader(wrapped, name);
  const key = keyEncryptionKeys.find(({ kid }) => kid === header.kid);
  if (!key) {
    throw new KeyWrappingError(`${name} was wrapped with "${header.kid}", which is not in KEY_ENCRYPTION_KEYS`);
  }
  if (header.domain !== place.domain || header.key_version !== place.keyVersion) {
    throw new KeyWrappingError(`the row of ${name} holds another key`);
  }
  try {
    const { plaintext } = await compactDecrypt(wrapped, key, {
      keyManagementAlgorithms: ["dir"],
      contentEncryptionAlgorithms: ["A256GCM"],
    });
    return JSON.parse(new TextDecoder().decode(plaintext)) as JWK;
  } catch (cause) {
    throw new KeyWrappingError(`${name} does not open: "${header.kid}" in KEY_ENCRYPTION_KEYS is not its key`, {
      cause,
    });
  }
}

function readHeader(wrapped: string, name: string) {
  try {
    return decodeProtectedHeader(wrapped);
  } catch (cause) {
    throw new KeyWrappingError(`the row of ${name} does not hold a JWE`, { cause });
  }
}
