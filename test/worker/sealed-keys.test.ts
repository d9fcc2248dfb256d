import {
  calculateJwkThumbprint,
  compactDecrypt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  type JWK,
} from "jose";
import { describe, expect, it } from "vitest";
import { deregister, newDomain, newGuid, register, rows } from "../support/worker/client.ts";

async function recipient(crv: "P-256" | "X25519") {
  const { privateKey, publicKey } = await generateKeyPair("ECDH-ES+A256KW", { crv, extractable: true });
  return { privateKey, privateJwk: await exportJWK(privateKey), encryptionKey: await exportJWK(publicKey) };
}

async function opened(sealedKeys: string, privateKey: CryptoKey): Promise<JWK[]> {
  const { plaintext } = await compactDecrypt(sealedKeys, privateKey);
  return JSON.parse(new TextDecoder().decode(plaintext)).keys;
}

describe("sealed keys", () => {
  it.each(["P-256", "X25519"] as const)("go to a %s key: every listed version, and nothing readable", async (crv) => {
    const domain = newDomain();
    const { privateKey, encryptionKey } = await recipient(crv);
    const leaver = newGuid();
    await register(domain, leaver);
    await deregister(domain, leaver);
    const guid = newGuid();
    const { status, body } = await register(domain, guid, { encryptionKey });
    expect(status).toBe(201);
    expect(body.credentials.map((each: object) => Object.keys(each))).toEqual([
      ["keyVersion", "token", "expiresAt"],
      ["keyVersion", "token", "expiresAt"],
    ]);
    expect(decodeProtectedHeader(body.sealedKeys)).toMatchObject({
      alg: "ECDH-ES+A256KW",
      enc: "A256GCM",
      cty: "jwk-set+json",
      epk: { crv },
    });
    const keys = await opened(body.sealedKeys, privateKey);
    expect(keys.map((key) => (key as Record<string, unknown>).key_version)).toEqual([1, 2]);
    expect(keys.map(({ kid }) => kid)).toEqual(await Promise.all(keys.map((key) => calculateJwkThumbprint(key))));
    const plain = (await register(domain, guid)).body.credentials.map((each: { privateKey: JWK }) => each.privateKey);
    expect(keys).toEqual(plain);
    for (const { d } of keys) expect(JSON.stringify(body)).not.toContain(d);
  });

  it("hold those above afterKeyVersion alone", async () => {
    const domain = newDomain();
    const { privateKey, encryptionKey } = await recipient("P-256");
    const guid = newGuid();
    await register(domain, guid);
    const { body } = await register(domain, guid, { encryptionKey, afterKeyVersion: 1 });
    expect(body.credentials).toEqual([]);
    expect(await opened(body.sealedKeys, privateKey)).toEqual([]);
  });
});

describe("a key that cannot be sealed to", () => {
  const low = (hex: string) =>
    btoa(String.fromCharCode(...(hex.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16))))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replaceAll("=", "");
  const bad: [string, (good: JWK) => object][] = [
    ["private", (good) => ({ ...good, d: good.x })],
    ["off its curve", (good) => ({ ...good, y: good.x })],
    ["without y", ({ kty, crv, x }) => ({ kty, crv, x })],
    ["of another curve", () => ({ kty: "EC", crv: "P-384", x: "AAAA", y: "AAAA" })],
    ["symmetric", () => ({ kty: "oct", k: "AAAA" })],
    ["RSA", () => ({ kty: "RSA", n: "AAAA", e: "AQAB" })],
    ["for signatures", (good) => ({ ...good, use: "sig" })],
    ["no object", () => ["P-256"]],
    ["too short", (good) => ({ ...good, x: "AAAA" })],
    ["all zero", () => ({ kty: "EC", crv: "P-256", x: low("00".repeat(32)), y: low("00".repeat(32)) })],
    // The points of small order on Curve25519, as listed at cr.yp.to/ecdh.html under "validation".
    ["of order 4: 0", () => ({ kty: "OKP", crv: "X25519", x: low("00".repeat(32)) })],
    ["of order 1: 1", () => ({ kty: "OKP", crv: "X25519", x: low(`01${"00".repeat(31)}`) })],
    [
      "of order 8",
      () => ({ kty: "OKP", crv: "X25519", x: low("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800") }),
    ],
    [
      "of order 8, the other",
      () => ({ kty: "OKP", crv: "X25519", x: low("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157") }),
    ],
    ["p - 1", () => ({ kty: "OKP", crv: "X25519", x: low(`ec${"ff".repeat(30)}7f`) })],
    ["p", () => ({ kty: "OKP", crv: "X25519", x: low(`ed${"ff".repeat(30)}7f`) })],
    ["p + 1", () => ({ kty: "OKP", crv: "X25519", x: low(`ee${"ff".repeat(30)}7f`) })],
  ];

  it.each(bad)("is a 400 that names it, and changes nothing: %s", async (_, twist) => {
    const domain = newDomain();
    const { encryptionKey } = await recipient("P-256");
    const answer = await register(domain, newGuid(), { encryptionKey: twist(encryptionKey) });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toBe("INVALID_REQUEST");
    for (const { field } of answer.body.errors) expect(field).toMatch(/^encryptionKey/);
    expect((await rows(domain)).info).toBeUndefined();
  });
});
