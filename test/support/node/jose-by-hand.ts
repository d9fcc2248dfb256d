import {
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type JsonWebKey,
} from "node:crypto";
import type { JWK } from "jose";

// What the RFCs say, written out over node:crypto, to check software with that was written by others.

/** The bytes of a base64url text. */
export function bytes(base64url: string | undefined): Buffer {
  return Buffer.from(base64url ?? "", "base64url");
}

/** The JSON in a base64url text. */
export function json(base64url: string | undefined) {
  return JSON.parse(bytes(base64url).toString("utf8"));
}

/** The parts of a JWK that make it a key for node:crypto, which has its own type for them. */
export function nodeKey({ kty, crv, x, y, d }: JWK): { key: JsonWebKey; format: "jwk" } {
  return { key: { kty, crv, x, y, ...(d === undefined ? {} : { d }) } as JsonWebKey, format: "jwk" };
}

/** The Concat KDF with SHA-256. @see RFC 7518, JSON Web Algorithms (JWA), section 4.6.2 */
export function concatKdf(secret: Buffer, keyBytes: number, algorithm: string, partyU: Buffer, partyV: Buffer): Buffer {
  const number = (value: number) => {
    const encoded = Buffer.alloc(4);
    encoded.writeUInt32BE(value);
    return encoded;
  };
  const prefixed = (data: Buffer) => Buffer.concat([number(data.length), data]);
  const otherInfo = [
    prefixed(Buffer.from(algorithm, "ascii")),
    prefixed(partyU),
    prefixed(partyV),
    number(keyBytes * 8),
  ];
  const rounds = Array.from({ length: Math.ceil(keyBytes / 32) }, (_, index) =>
    createHash("sha256")
      .update(Buffer.concat([number(index + 1), secret, ...otherInfo]))
      .digest(),
  );
  return Buffer.concat(rounds).subarray(0, keyBytes);
}

/** Unwraps a key. @see RFC 3394, AES Key Wrap Algorithm, section 2.2.2 (index based) */
export function aesKeyUnwrap(wrapped: Buffer, key: Buffer): Buffer {
  const blocks = wrapped.length / 8 - 1;
  const registers = Array.from({ length: blocks }, (_, index) => wrapped.subarray(8 * (index + 1), 8 * (index + 2)));
  let check = wrapped.subarray(0, 8).readBigUInt64BE();
  for (let step = 6 * blocks; step > 0; step--) {
    const at = (step - 1) % blocks;
    const input = Buffer.alloc(16);
    input.writeBigUInt64BE(check ^ BigInt(step));
    input.set(registers[at] as Buffer, 8);
    const cipher = createDecipheriv("aes-256-ecb", key, null).setAutoPadding(false);
    const output = Buffer.concat([cipher.update(input), cipher.final()]);
    check = output.readBigUInt64BE();
    registers[at] = output.subarray(8);
  }
  if (check !== 0xa6a6a6a6a6a6a6a6n) throw new Error("the wrapped key is not intact");
  return Buffer.concat(registers);
}

/** Opens the content of a compact JWE. @see RFC 7516, JSON Web Encryption (JWE), section 5.2 */
export function openContent(jwe: string, contentKey: Buffer): string {
  const [header, , iv, ciphertext, tag] = jwe.split(".");
  const cipher = createDecipheriv("aes-256-gcm", contentKey, bytes(iv), { authTagLength: 16 });
  cipher.setAAD(Buffer.from(header as string, "ascii")).setAuthTag(bytes(tag));
  return Buffer.concat([cipher.update(bytes(ciphertext)), cipher.final()]).toString("utf8");
}

/** The thumbprint of a key on an elliptic curve. @see RFC 7638, JSON Web Key (JWK) Thumbprint, sections 3.1 to 3.3 */
export function thumbprint({ kty, crv, x, y }: JWK): string {
  return createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
}

/** The secret that two keys agree on. */
export function agreedSecret(privateJwk: JWK, publicJwk: JWK): Buffer {
  return diffieHellman({
    privateKey: createPrivateKey(nodeKey(privateJwk)),
    publicKey: createPublicKey(nodeKey(publicJwk)),
  });
}

/** Opens a compact JWE of ECDH-ES+A256KW and A256GCM without jose. */
export function openByHand(jwe: string, privateJwk: JWK): string {
  const [header, encryptedKey] = jwe.split(".");
  const { epk, alg, enc, apu, apv } = json(header);
  if (alg !== "ECDH-ES+A256KW" || enc !== "A256GCM") throw new Error(`not for this code: ${alg}, ${enc}`);
  const wrappingKey = concatKdf(agreedSecret(privateJwk, epk), 32, alg, bytes(apu), bytes(apv));
  return openContent(jwe, aesKeyUnwrap(bytes(encryptedKey), wrappingKey));
}
