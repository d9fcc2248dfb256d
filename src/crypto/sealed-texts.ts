import { CompactEncrypt, compactDecrypt, type JWK } from "jose";

/**
 * Seals a text so that only this server can read it again: what a caller is to hand back and must not look into.
 *
 * @param purpose what it is for; a text sealed for one purpose does not open for another
 * @param keys the key-encryption keys: the first seals, all open
 * @returns a compact JWE (`dir`, A256GCM)
 */
export function sealText(text: string, purpose: string, keys: readonly JWK[]): Promise<string> {
  const [key] = keys as readonly [JWK, ...JWK[]];
  return new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: "dir", enc: "A256GCM", kid: key.kid as string, typ: purpose })
    .encrypt(key);
}

/** Opens a sealed text; null if it is none, or was sealed for another purpose. */
export async function openText(sealed: string, purpose: string, keys: readonly JWK[]): Promise<string | null> {
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(
      sealed,
      ({ kid }) => {
        const key = keys.find((each) => each.kid === kid);
        if (!key) throw new Error("sealed with another key");
        return key;
      },
      { keyManagementAlgorithms: ["dir"], contentEncryptionAlgorithms: ["A256GCM"] },
    );
    return protectedHeader.typ === purpose ? new TextDecoder().decode(plaintext) : null;
  } catch {
    return null;
  }
}
