import { spawnSync } from "node:child_process";
import { createCipheriv, createPrivateKey, createPublicKey, randomBytes, verify } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CompactEncrypt, compactDecrypt, type JWK } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newKeyEncryptionKey, newSigningKey } from "../../scripts/local-secrets.ts";
import { signDomainToken } from "../../src/server/crypto/domain-tokens.ts";
import { generateDomainKeyPair } from "../../src/server/crypto/key-pairs.ts";
import { unwrapPrivateKey, wrapPrivateKey } from "../../src/server/crypto/key-wrapping.ts";
import {
  aesKeyUnwrap,
  agreedSecret,
  bytes,
  concatKdf,
  json,
  nodeKey,
  openByHand,
  openContent,
  thumbprint,
} from "../support/node/jose-by-hand.ts";

// The server signs and encrypts with jose. Whether that is what the RFCs say, and not only what jose says, is for
// others to tell: OpenSSL's command line, and node:crypto with the few steps it lacks written out below.

const ISSUER = "https://domains.example";
const DOMAIN = "living-room";
const LIFETIME_SECONDS = 3_600;
const authorityKey = await newSigningKey();
const keyEncryptionKey = newKeyEncryptionKey();

/** One key version: the credential of a member, and the row in the database. */
type DomainKey = { keyVersion: number; token: string; expiresAt: number; privateJwk: JWK; wrapped: string };

/** New keys of the domain, from version 1 on. */
function newKeys(count: number): Promise<DomainKey[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => newKey(index + 1)));
}

async function newKey(keyVersion: number): Promise<DomainKey> {
  const { publicJwk, privateJwk } = await generateDomainKeyPair(keyVersion);
  const claims = { issuer: ISSUER, domain: DOMAIN, issuedAt: Date.now(), lifetimeSeconds: LIFETIME_SECONDS };
  const token = await signDomainToken({ keyVersion, publicJwk }, claims, authorityKey);
  const wrapped = await wrapPrivateKey(privateJwk, { domain: DOMAIN, keyVersion }, [keyEncryptionKey]);
  return { keyVersion, ...token, privateJwk, wrapped };
}

/** A JWS in the terms of other tools: what was signed, and the signature as r and s side by side. */
type SignedParts = { signed: string; signature: Buffer };

function signedParts(token: string): SignedParts {
  const dot = token.lastIndexOf(".");
  return { signed: token.slice(0, dot), signature: bytes(token.slice(dot + 1)) };
}

/** The same signature as OpenSSL wants it: a DER SEQUENCE of two INTEGERs (RFC 3279, section 2.2.3). */
function derSignature(signature: Buffer): Buffer {
  const integers = [signature.subarray(0, 32), signature.subarray(32)].map((half) => {
    const first = half.findIndex((byte) => byte !== 0);
    const digits = half.subarray(first);
    // An INTEGER is signed: a first bit of 1 would make it negative.
    const content = (digits[0] as number) >= 0x80 ? Buffer.concat([Buffer.of(0), digits]) : digits;
    return Buffer.concat([Buffer.of(0x02, content.length), content]);
  });
  const content = Buffer.concat(integers);
  return Buffer.concat([Buffer.of(0x30, content.length), content]);
}

describe("a domain token", () => {
  const publicKey = createPublicKey(nodeKey(authorityKey));
  let keys: DomainKey[];
  let directory: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "jose-interop-"));
    // Enough of them that some have an r or an s with a first bit of 1, and some without.
    keys = await newKeys(32);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** The verdict of `openssl dgst -verify` on a signature. */
  function opensslVerdict(signed: string, signature: Buffer): { status: number | null; stdout: string } {
    const file = (name: string, content: string | Buffer) => {
      const path = join(directory, name);
      writeFileSync(path, content);
      return path;
    };
    const key = file("authority.pem", publicKey.export({ type: "spki", format: "pem" }));
    const data = file("signed", signed);
    const der = file("signature.der", derSignature(signature));
    return spawnSync("openssl", ["dgst", "-sha256", "-verify", key, "-signature", der, data], { encoding: "utf8" });
  }

  it("is verified by the openssl command", () => {
    for (const { token } of keys) {
      const { signed, signature } = signedParts(token);
      expect(signature).toHaveLength(64);
      expect(opensslVerdict(signed, signature)).toMatchObject({ status: 0, stdout: "Verified OK\n" });
    }
  });

  it("is not, once a word of it has changed, or under another's signature", () => {
    const [one, other] = keys.map(({ token }) => signedParts(token)) as [SignedParts, SignedParts];
    const [header, payload] = one.signed.split(".");
    const twisted = Buffer.from(JSON.stringify({ ...json(payload), key_version: 2 })).toString("base64url");
    expect(opensslVerdict(`${header}.${twisted}`, one.signature).status).toBe(1);
    expect(opensslVerdict(one.signed, other.signature).status).toBe(1);
  });

  it("is verified by node:crypto, in either form of the signature", () => {
    for (const { token } of keys) {
      const { signed, signature } = signedParts(token);
      const data = Buffer.from(signed, "ascii");
      expect(verify("sha256", data, { key: publicKey, dsaEncoding: "ieee-p1363" }, signature)).toBe(true);
      expect(verify("sha256", data, { key: publicKey, dsaEncoding: "der" }, derSignature(signature))).toBe(true);
      expect(verify("sha256", Buffer.concat([data, data]), publicKey, derSignature(signature))).toBe(false);
    }
  });

  it("says in its parts what the contract says it does", () => {
    for (const { token, keyVersion, expiresAt, privateJwk } of keys) {
      const [header, payload] = token.split(".");
      expect(json(header)).toEqual({ alg: "ES256", typ: "domain-token+jwt", kid: authorityKey.kid });
      const { kty, crv, x, y, d } = privateJwk;
      expect(json(payload)).toEqual({
        iss: ISSUER,
        sub: DOMAIN,
        key_version: keyVersion,
        cnf: { jwk: { kty, crv, x, y } },
        iat: expiresAt / 1000 - LIFETIME_SECONDS,
        exp: expiresAt / 1000,
      });
      expect(bytes(payload).toString("utf8")).not.toContain(d);
    }
  });
});

describe("the code by hand", () => {
  it("comes to the result of RFC 7518, appendix C", () => {
    const alice = {
      kty: "EC",
      crv: "P-256",
      x: "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
      y: "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
      d: "0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo",
    };
    const bob = {
      kty: "EC",
      crv: "P-256",
      x: "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
      y: "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
      d: "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
    };
    for (const secret of [agreedSecret(alice, bob), agreedSecret(bob, alice)]) {
      expect([...secret]).toEqual([
        158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163, 218, 128, 106, 72,
        246, 218, 167, 121, 140, 254, 144, 196,
      ]);
      const derived = concatKdf(secret, 16, "A128GCM", bytes("QWxpY2U"), bytes("Qm9i"));
      expect(derived.toString("base64url")).toBe("VqqN6vgjbSBcIijNcacQGg");
    }
  });

  it("comes to the result of RFC 9449, section 6.1", () => {
    const key = {
      kty: "EC",
      crv: "P-256",
      x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
      y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    };
    expect(thumbprint(key)).toBe("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
  });

  it("comes to the result of RFC 3394, section 4.6", () => {
    const key = Buffer.from("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "hex");
    const data = "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f";
    const wrapped = Buffer.from(
      "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21",
      "hex",
    );
    expect(aesKeyUnwrap(wrapped, key).toString("hex")).toBe(data);
    wrapped[0] = 0;
    expect(() => aesKeyUnwrap(wrapped, key)).toThrow("not intact");
  });
});

describe("a domain key", () => {
  const LICENCE = "the content key of some film";

  /** Encrypts as a licence server does: to the public key that a domain token states. */
  function encryptTo(publicJwk: JWK): Promise<string> {
    return new CompactEncrypt(new TextEncoder().encode(LICENCE))
      .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM", kid: thumbprint(publicJwk) })
      .encrypt(publicJwk);
  }

  /** The key that a domain token states. */
  function statedKey({ token }: DomainKey): JWK {
    return json(token.split(".")[1]).cnf.jwk;
  }

  it("is one pair: what is encrypted to the half in the token opens with the half a member holds", async () => {
    for (const key of await newKeys(8)) {
      expect(key.privateJwk.kid).toBe(thumbprint(statedKey(key)));
      const jwe = await encryptTo(statedKey(key));
      expect(openByHand(jwe, key.privateJwk)).toBe(LICENCE);
      const { plaintext } = await compactDecrypt(jwe, key.privateJwk);
      expect(new TextDecoder().decode(plaintext)).toBe(LICENCE);
    }
  });

  it("does not open what is encrypted to another version", async () => {
    const [one, two] = [await newKey(1), await newKey(2)];
    const jwe = await encryptTo(statedKey(two));
    expect(() => openByHand(jwe, one.privateJwk)).toThrow("not intact");
    expect(openByHand(jwe, two.privateJwk)).toBe(LICENCE);
  });

  it("has its public half follow from its private one", async () => {
    for (const key of await newKeys(4)) {
      const { x, y } = createPublicKey(createPrivateKey(nodeKey(key.privateJwk))).export({ format: "jwk" });
      expect(statedKey(key)).toMatchObject({ x, y });
      expect(key.privateJwk).toMatchObject({ x, y });
    }
  });
});

describe("a wrapped private key", () => {
  const contentKey = bytes(keyEncryptionKey.k);

  it("opens with AES-256-GCM and the key-encryption key, by hand", async () => {
    for (const { wrapped, keyVersion, privateJwk } of await newKeys(4)) {
      expect(JSON.parse(openContent(wrapped, contentKey))).toEqual(privateJwk);
      const [header, encryptedKey] = wrapped.split(".");
      expect(encryptedKey).toBe("");
      expect(json(header)).toEqual({
        alg: "dir",
        enc: "A256GCM",
        kid: keyEncryptionKey.kid,
        domain: DOMAIN,
        key_version: keyVersion,
      });
    }
  });

  it("authenticates its header: a row that says it is another's does not open", async () => {
    const [header, ...parts] = (await newKey(1)).wrapped.split(".");
    const forged = Buffer.from(JSON.stringify({ ...json(header), key_version: 2 })).toString("base64url");
    expect(() => openContent([forged, ...parts].join("."), contentKey)).toThrow();
  });

  it("opens in the server when another tool wrapped it", async () => {
    const { privateJwk, wrapped } = await newKey(1);
    const [header] = wrapped.split(".");
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", contentKey, iv).setAAD(Buffer.from(header as string, "ascii"));
    const ciphertext = Buffer.concat([cipher.update(JSON.stringify(privateJwk)), cipher.final()]);
    const parts = [iv, ciphertext, cipher.getAuthTag()].map((part) => part.toString("base64url"));
    const byHand = [header, "", ...parts].join(".");
    const place = { domain: DOMAIN, keyVersion: 1 };
    expect(await unwrapPrivateKey(byHand, place, [keyEncryptionKey])).toEqual(privateJwk);
  });
});
