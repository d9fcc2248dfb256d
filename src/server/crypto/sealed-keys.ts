import { CompactEncrypt, type JWK } from "jose";
import { JWK_SET_CONTENT_TYPE } from "../../protocol/media-types.ts";

/** A public key that domain keys may be sealed to: EC P-256 or OKP X25519. */
export type SealingKey = Readonly<{ kty: "EC" | "OKP"; crv: "P-256" | "X25519"; x: string; y?: string | undefined }>;

/**
 * Seals private JWKs to a public key: an Encrypted JWK Set, one compact JWE (ECDH-ES+A256KW, A256GCM) however many keys
 * there are, for one public-key operation.
 *
 * @param kid the key's name, if the one who opens it has several
 * @see RFC 7517, JSON Web Key (JWK), section 7
 * @see RFC 7518, JSON Web Algorithms (JWA), section 4.6
 */
export function sealPrivateKeys(privateKeys: readonly JWK[], to: CryptoKey, kid?: string): Promise<string> {
  return new CompactEncrypt(new TextEncoder().encode(JSON.stringify({ keys: privateKeys })))
    .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM", cty: JWK_SET_CONTENT_TYPE, ...(kid ? { kid } : {}) })
    .encrypt(to);
}

/**
 * A key that can be sealed to: a point of its curve, and none of small order; null for any other. Asked before anything
 * is changed, because sealing comes last.
 *
 * @see RFC 7748, Elliptic Curves for Security, section 6.1: the all-zero check
 */
export async function importSealingKey({ kty, crv, x, y }: SealingKey): Promise<CryptoKey | null> {
  const algorithm = kty === "EC" ? { name: "ECDH", namedCurve: crv } : { name: crv };
  try {
    const key = await crypto.subtle.importKey("jwk", { kty, crv, x, ...(y ? { y } : {}) }, algorithm, false, []);
    if (kty === "EC") return key;
    // The generated types call the member `$public`; the runtime, as the specification, calls it `public`.
    const agreement = { name: "X25519", public: key } as unknown as Parameters<typeof crypto.subtle.deriveBits>[0];
    const shared = await crypto.subtle.deriveBits(agreement, await probeKey(), 256);
    return new Uint8Array(shared).some((byte) => byte !== 0) ? key : null;
  } catch {
    return null;
  }
}

let probe: Promise<CryptoKey> | undefined;

/** A private key to try X25519 keys with; it protects nothing, so that one serves for all. */
function probeKey(): Promise<CryptoKey> {
  probe ??= (crypto.subtle.generateKey({ name: "X25519" }, false, ["deriveBits"]) as Promise<CryptoKeyPair>).then(
    ({ privateKey }) => privateKey,
  );
  return probe;
}
