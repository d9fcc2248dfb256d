import type { JWK } from "jose";
import type { StoredKey, StoredKeyPair } from "./device-state.ts";

const ALGORITHMS = {
  sign: { name: "ECDSA", namedCurve: "P-256" },
  deriveBits: { name: "ECDH", namedCurve: "P-256" },
} as const;

/** The purpose of a private key. */
type KeyUse = keyof typeof ALGORITHMS;

/**
 * Makes a key pair of the device: EC P-256, which WebCrypto has everywhere.
 *
 * @param asCryptoKey whether the store keeps `CryptoKey`s, so that the private key need never be exportable
 */
export async function newKeyPair(use: KeyUse, asCryptoKey: boolean): Promise<StoredKeyPair> {
  const pair = await crypto.subtle.generateKey(ALGORITHMS[use], !asCryptoKey, [use]);
  const { publicKey, privateKey } = pair as CryptoKeyPair;
  const publicJwk = publicMembers((await crypto.subtle.exportKey("jwk", publicKey)) as JWK);
  return { publicJwk, privateKey: asCryptoKey ? privateKey : await exported(privateKey, publicJwk) };
}

/** A private key as it is used: never exportable, however it was kept. */
export async function usableKey(key: StoredKey, use: KeyUse): Promise<CryptoKey> {
  return "kty" in key ? importPrivateKey(key, use) : (key as CryptoKey);
}

/** A private JWK as a `CryptoKey` that cannot be exported. */
export function importPrivateKey(jwk: JWK, use: KeyUse): Promise<CryptoKey> {
  return crypto.subtle.importKey("jwk", privateMembers(jwk) as JsonWebKey, ALGORITHMS[use], false, [use]);
}

/** The members of an EC public key, without metadata. */
export function publicMembers({ kty, crv, x, y }: JWK): JWK {
  return { kty, crv, x, y } as JWK;
}

/** The members of an EC private key, without metadata. */
export function privateMembers(jwk: JWK): JWK {
  return { ...publicMembers(jwk), d: jwk.d } as JWK;
}

/** Whether two public JWKs are the same EC key. */
export function isSameKey(a: JWK, b: JWK): boolean {
  return a.kty === b.kty && a.crv === b.crv && a.x === b.x && a.y === b.y;
}

/**
 * Whether a private key belongs to a public one: an agreement with a third key comes to the same secret both ways. Equal
 * coordinates alone prove nothing, because not every WebCrypto checks `d` against them.
 */
export async function isPair(privateKey: CryptoKey, publicJwk: JWK): Promise<boolean> {
  const algorithm = ALGORITHMS.deriveBits;
  const third = (await crypto.subtle.generateKey(algorithm, false, ["deriveBits"])) as CryptoKeyPair;
  const publicKey = await crypto.subtle.importKey("jwk", publicMembers(publicJwk) as JsonWebKey, algorithm, true, []);
  const [one, other] = await Promise.all([
    crypto.subtle.deriveBits(agreementWith(third.publicKey), privateKey, 256),
    crypto.subtle.deriveBits(agreementWith(publicKey), third.privateKey, 256),
  ]);
  const otherBytes = new Uint8Array(other);
  return new Uint8Array(one).every((byte, index) => byte === otherBytes[index]);
}

function agreementWith(publicKey: CryptoKey) {
  return { name: "ECDH", public: publicKey };
}

async function exported(privateKey: CryptoKey, publicJwk: JWK): Promise<JWK> {
  const { d } = (await crypto.subtle.exportKey("jwk", privateKey)) as JWK;
  return { ...publicJwk, d } as JWK;
}
