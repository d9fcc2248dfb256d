import { CompactEncrypt, compactDecrypt, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import nodeJose from "node-jose";
import { describe, expect, it } from "vitest";
import { generateDomainKeyPair } from "../../src/server/crypto/key-pairs.ts";
import { sealPrivateKeys } from "../../src/server/crypto/sealed-keys.ts";
import { openByHand } from "../support/node/jose-by-hand.ts";

// The server seals with jose. Two others open what it sealed: node-jose, which knows P-256, and the steps of the RFCs
// by hand, which know X25519 as well.

async function newRecipient(crv: "P-256" | "X25519") {
  const { privateKey, publicKey } = await generateKeyPair("ECDH-ES+A256KW", { crv, extractable: true });
  return { privateJwk: await exportJWK(privateKey), sealTo: publicKey };
}

/** Opens a compact JWE with node-jose. */
async function openWithNodeJose(jwe: string, privateJwk: JWK): Promise<string> {
  const key = await nodeJose.JWK.asKey(privateJwk as object);
  return (await nodeJose.JWE.createDecrypt(key).decrypt(jwe)).payload.toString("utf8");
}

const privateKeys = await Promise.all(
  [1, 2, 3].map(async (version) => (await generateDomainKeyPair(version)).privateJwk),
);

describe("sealed keys", () => {
  it("are opened by node-jose", async () => {
    const { privateJwk, sealTo } = await newRecipient("P-256");
    const sealed = await sealPrivateKeys(privateKeys, sealTo);
    expect(JSON.parse(await openWithNodeJose(sealed, privateJwk))).toEqual({ keys: privateKeys });
  });

  it.each(["P-256", "X25519"] as const)("are opened by hand with a %s key", async (crv) => {
    const { privateJwk, sealTo } = await newRecipient(crv);
    const sealed = await sealPrivateKeys(privateKeys, sealTo);
    expect(JSON.parse(openByHand(sealed, privateJwk))).toEqual({ keys: privateKeys });
  });

  it("are shut to another key", async () => {
    const [one, other] = [await newRecipient("P-256"), await newRecipient("P-256")];
    const sealed = await sealPrivateKeys(privateKeys, one.sealTo);
    await expect(openWithNodeJose(sealed, other.privateJwk)).rejects.toThrow();
    expect(() => openByHand(sealed, other.privateJwk)).toThrow();
  });

  it("are usable as keys in node-jose: what is encrypted to their public halves opens", async () => {
    const { privateJwk, sealTo } = await newRecipient("P-256");
    const { keys } = JSON.parse(await openWithNodeJose(await sealPrivateKeys(privateKeys, sealTo), privateJwk));
    for (const key of keys as JWK[]) {
      const { d, ...publicHalf } = key;
      const jwe = await new CompactEncrypt(new TextEncoder().encode("a licence"))
        .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM", kid: key.kid as string })
        .encrypt(publicHalf);
      expect(await openWithNodeJose(jwe, key)).toBe("a licence");
      expect(d).toBeDefined();
    }
  });
});

// RFC 7520, Examples of Protecting Content Using JSON Object Signing and Encryption (JOSE): key agreement over an
// elliptic curve with key wrapping and AES-GCM (5.4), which is what seals keys here at another strength.
describe("RFC 7520, section 5.4", () => {
  const key: JWK = {
    kty: "EC",
    kid: "peregrin.took@tuckborough.example",
    use: "enc",
    crv: "P-384",
    x: "YU4rRUzdmVqmRtWOs2OpDE_T5fsNIodcG8G5FWPrTPMyxpzsSOGaQLpe2FpxBmu2",
    y: "A8-yxCHxkfBz3hKZfI1jUYMjUhsEveZ9THuwFjH2sCNdtksRJU7D5-SkgaFL1ETP",
    d: "iTx2pk7wW-GqJkHcEkFQb2EFyYcO7RugmaW3mRrQVAOUiPommT0IdnYK2xDlZh-j",
  };
  const jwe = [
    "eyJhbGciOiJFQ0RILUVTK0ExMjhLVyIsImtpZCI6InBlcmVncmluLnRvb2tAdHVja2Jvcm91Z2guZXhhbXBsZSIsImVwayI6eyJrdHkiOiJFQyIsImNydiI6IlAtMzg0IiwieCI6InVCbzRrSFB3Nmtiang1bDB4b3dyZF9vWXpCbWF6LUdLRlp1NHhBRkZrYllpV2d1dEVLNml1RURzUTZ3TmROZzMiLCJ5Ijoic3AzcDVTR2haVkMyZmFYdW1JLWU5SlUyTW84S3BvWXJGRHI1eVBOVnRXNFBnRXdaT3lRVEEtSmRhWTh0YjdFMCJ9LCJlbmMiOiJBMTI4R0NNIn0",
    "0DJjBXri_kBcC46IkU5_Jk9BqaQeHdv2",
    "mH-G2zVqgztUtnW_",
    "tkZuOO9h95OgHJmkkrfLBisku8rGf6nzVxhRM3sVOhXgz5NJ76oID7lpnAi_cPWJRCjSpAaUZ5dOR3Spy7QuEkmKx8-3RCMhSYMzsXaEwDdXta9Mn5B7cCBoJKB0IgEnj_qfo1hIi-uEkUpOZ8aLTZGHfpl05jMwbKkTe2yK3mjF6SBAsgicQDVCkcY9BLluzx1RmC3ORXaM0JaHPB93YcdSDGgpgBWMVrNU1ErkjcMqMoT_wtCex3w03XdLkjXIuEr2hWgeP-nkUZTPU9EoGSPj6fAS-bSz87RCPrxZdj_iVyC6QWcqAu07WNhjzJEPc4jVntRJ6K53NgPQ5p99l3Z408OUqj4ioYezbS6vTPlQ",
    "WuGzxmcreYjpHGJoa17EBg",
  ].join(".");

  it("is opened by both libraries", async () => {
    const { plaintext } = await compactDecrypt(jwe, await importJWK(key, "ECDH-ES+A128KW"));
    const text = new TextDecoder().decode(plaintext);
    expect(text).toMatch(/^You can trust us to stick with you .* We are your friends, Frodo\.$/);
    expect(await openWithNodeJose(jwe, key)).toBe(text);
  });
});
