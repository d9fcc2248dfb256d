import { createDecipheriv, createHash } from "node:crypto";
import { base64url, calculateJwkThumbprint, decodeProtectedHeader, type JWK } from "jose";
import { publicHalf } from "./vector-keys.ts";

// Each vector has the object itself and the values on the way to it. Bytes are in base64url.

const text = new TextDecoder();

/** A JWS taken apart. @see RFC 7515, section 5.1 */
export function jwsVector(jws: string) {
  const [header = "", payload = "", signature = ""] = jws.split(".");
  return {
    header: JSON.parse(text.decode(base64url.decode(header))),
    payload: JSON.parse(text.decode(base64url.decode(payload))),
    signingInput: `${header}.${payload}`,
    signature,
    jws,
  };
}

/** The way from a public key to its name. @see RFC 7638, section 3 */
export async function thumbprintVector(privateJwk: JWK) {
  const { kty, crv, x, y } = privateJwk;
  const canonical = JSON.stringify({ crv, kty, x, ...(y ? { y } : {}) });
  return { jwk: publicHalf(privateJwk), canonical, thumbprint: await calculateJwkThumbprint(privateJwk) };
}

/**
 * A JWE with ECDH-ES+A256KW and A256GCM, and every value between its recipient's key and its plaintext.
 *
 * @see RFC 7518, JSON Web Algorithms (JWA), sections 4.6.2 and 5.3; RFC 3394
 */
export async function jweVector(jwe: string, recipient: JWK) {
  const [header = "", encryptedKey = "", iv = "", ciphertext = "", tag = ""] = jwe.split(".");
  const { epk } = decodeProtectedHeader(jwe) as { epk: JWK };
  const z = await agreement(recipient, epk);
  const otherInfo = Buffer.concat([lengthAndBytes("ECDH-ES+A256KW"), uint32(0), uint32(0), uint32(256)]);
  const kek = createHash("sha256")
    .update(Buffer.concat([uint32(1), z, otherInfo]))
    .digest();
  const cek = unwrapped(kek, base64url.decode(encryptedKey));
  return {
    header: JSON.parse(text.decode(base64url.decode(header))),
    sharedSecret: base64url.encode(z),
    otherInfo: base64url.encode(otherInfo),
    keyEncryptionKey: base64url.encode(kek),
    encryptedKey,
    contentEncryptionKey: base64url.encode(cek),
    additionalData: header,
    iv,
    ciphertext,
    tag,
    plaintext: opened(cek, { header, iv, ciphertext, tag }),
    jwe,
  };
}

async function agreement(privateJwk: JWK, publicJwk: JWK): Promise<Buffer> {
  const { kty, crv, x, y } = publicJwk;
  const algorithm = kty === "EC" ? { name: "ECDH", namedCurve: crv as string } : { name: "X25519" };
  const { d } = privateJwk;
  const point = { kty, crv, ...(y ? { y } : {}) } as JsonWebKey;
  const own = { ...point, x: privateJwk.x, ...(y ? { y: privateJwk.y } : {}), d } as JsonWebKey;
  const key = await crypto.subtle.importKey("jwk", own, algorithm, false, ["deriveBits"]);
  const other = await crypto.subtle.importKey("jwk", { ...point, x } as JsonWebKey, algorithm, false, []);
  return Buffer.from(await crypto.subtle.deriveBits({ name: algorithm.name, public: other }, key, 256));
}

function unwrapped(kek: Uint8Array, encryptedKey: Uint8Array): Buffer {
  const cipher = createDecipheriv("id-aes256-wrap", kek, Buffer.alloc(8, 0xa6));
  return Buffer.concat([cipher.update(encryptedKey), cipher.final()]);
}

function opened(cek: Uint8Array, parts: Readonly<Record<"header" | "iv" | "ciphertext" | "tag", string>>): string {
  const cipher = createDecipheriv("aes-256-gcm", cek, base64url.decode(parts.iv));
  cipher.setAAD(Buffer.from(parts.header, "ascii")).setAuthTag(base64url.decode(parts.tag));
  return Buffer.concat([cipher.update(base64url.decode(parts.ciphertext)), cipher.final()]).toString("utf8");
}

function lengthAndBytes(value: string): Buffer {
  return Buffer.concat([uint32(value.length), Buffer.from(value, "ascii")]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
