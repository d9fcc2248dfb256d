import { describe, expect, it } from "vitest";
import { importPrivateKey, isPair, isSameKey, newKeyPair, publicMembers } from "../../../src/client/device-keys.ts";

const [one, other] = await Promise.all([newKeyPair("deriveBits", false), newKeyPair("deriveBits", false)]);

describe("a private key", () => {
  it("belongs to its public key and to no other", async () => {
    const privateKey = await importPrivateKey(one.privateKey as object, "deriveBits");
    expect(await isPair(privateKey, one.publicJwk)).toBe(true);
    expect(await isPair(privateKey, other.publicJwk)).toBe(false);
  });

  it("is imported so that it cannot be read out", async () => {
    expect((await importPrivateKey(one.privateKey as object, "deriveBits")).extractable).toBe(false);
  });
});

describe("a public key", () => {
  it("is the same whatever is said about it, and another as soon as one coordinate is", () => {
    expect(isSameKey({ ...one.publicJwk, kid: "a", use: "enc" }, one.publicJwk)).toBe(true);
    for (const change of [{ x: other.publicJwk.x }, { y: other.publicJwk.y }, { crv: "P-384" }, { kty: "OKP" }]) {
      expect(isSameKey({ ...one.publicJwk, ...change } as object, one.publicJwk)).toBe(false);
    }
  });

  it("is known by its coordinates alone", () => {
    expect(Object.keys(publicMembers({ ...one.publicJwk, d: "secret", kid: "a" }))).toEqual(["kty", "crv", "x", "y"]);
  });
});
