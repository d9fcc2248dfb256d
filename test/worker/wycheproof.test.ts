import { compactDecrypt, compactVerify, decodeProtectedHeader, type JWK } from "jose";
import { describe, expect, it } from "vitest";
import { ALGORITHMS } from "../../src/server/auth/auth-tokens.ts";
import { importSealingKey, type SealingKey } from "../../src/server/crypto/sealed-keys.ts";
import { newDomain, newGuid, ORIGIN, register, reply, rows } from "../support/worker/client.ts";
import ecdh from "../vectors/ecdh_secp256r1_webcrypto.json";
import jwe from "../vectors/json_web_encryption.json";
import jws from "../vectors/json_web_signature.json";
import x25519 from "../vectors/x25519_jwk.json";

// The vectors of Project Wycheproof, on the runtime that the server runs on, through what it uses of jose and WebCrypto.

type Vector = { tcId: number; comment: string; flags: string[]; result: string };
type AgreementVector = Vector & { public: JWK; private: JWK; shared: string };

const name = ({ tcId, comment, flags }: Vector) => `${tcId} (${[comment, ...flags].join(", ")})`;

function headerOf(text: unknown): { alg?: string; enc?: string } {
  try {
    return decodeProtectedHeader(text as string);
  } catch {
    return {};
  }
}

describe("signatures", () => {
  const vectors = (jws.testGroups as { private?: JWK; public?: JWK; tests: (Vector & { jws: unknown })[] }[]).flatMap(
    (group) => group.tests.map((test) => ({ ...test, key: (group.public ?? group.private) as JWK })),
  );

  it("are taken if they hold and are of an algorithm for issuers, and not otherwise", async () => {
    let taken = 0;
    for (const vector of vectors) {
      const { d: _, ...key } = vector.key;
      const verified = await (async () =>
        compactVerify(vector.jws as string, key, {
          algorithms: ALGORITHMS,
        }))().then(
        () => true,
        () => false,
      );
      const alg = headerOf(vector.jws).alg ?? "";
      // One of them is valid by a key that is said to be for another algorithm: that is refused as well.
      const allowed = ALGORITHMS.includes(alg) && (key.alg ?? alg) === alg;
      if (vector.result === "invalid" || !allowed) expect(verified, name(vector)).toBe(false);
      else expect(verified, name(vector)).toBe(true);
      if (verified) taken++;
    }
    expect(taken).toBeGreaterThan(20);
  });

  it("are no device requests, and do no harm as such", async () => {
    const domain = newDomain();
    for (const vector of vectors) {
      const body = typeof vector.jws === "string" ? vector.jws : JSON.stringify(vector.jws);
      const { status } = await reply("POST", `/domains/${domain}/register`, body, {
        "content-type": "application/jose",
      });
      expect([400, 403], name(vector)).toContain(status);
    }
    expect((await rows(domain)).info).toBeUndefined();
  });
});

describe("encrypted content", () => {
  it("opens for a device if it is whole and of the algorithms of sealed keys, and not otherwise", async () => {
    const vectors = (jwe.testGroups as { private: JWK; tests: (Vector & { jwe: unknown; pt?: string })[] }[]).flatMap(
      (group) => group.tests.map((test) => ({ ...test, key: group.private })),
    );
    let opened = 0;
    for (const vector of vectors) {
      // A device has a key of the domain, for the one algorithm that these have.
      const { alg: _, ...key } = vector.key;
      const result = await (async () =>
        compactDecrypt(vector.jwe as string, key, {
          keyManagementAlgorithms: ["ECDH-ES+A256KW"],
          contentEncryptionAlgorithms: ["A256GCM"],
        }))().catch(() => null);
      const { alg, enc } = headerOf(vector.jwe);
      const opens = vector.result !== "invalid" && alg === "ECDH-ES+A256KW" && enc === "A256GCM";
      expect(result !== null, name(vector)).toBe(opens);
      if (result) {
        opened++;
        expect([...result.plaintext].map((byte) => byte.toString(16).padStart(2, "0")).join("")).toBe(vector.pt);
      }
    }
    expect(opened).toBeGreaterThan(0);
  });
});

describe.each([
  ["P-256", ecdh],
  ["X25519", x25519],
] as const)("keys to seal to, of %s", (crv, { testGroups }) => {
  const vectors = (testGroups as { tests: AgreementVector[] }[]).flatMap(({ tests }) => tests);
  // That of low order agrees on nothing but zeros: an eavesdropper knows the key.
  const isBad = ({ result, flags }: Vector) => result === "invalid" || flags.includes("ZeroSharedSecret");

  it("agree on what they should", async () => {
    const algorithm = crv === "P-256" ? { name: "ECDH", namedCurve: crv } : { name: crv };
    let agreed = 0;
    for (const vector of vectors.filter((each) => !isBad(each))) {
      const { kid: _, ...publicJwk } = vector.public;
      const key = await importSealingKey(publicJwk as SealingKey);
      expect(key, name(vector)).not.toBeNull();
      const { kid: __, ...privateJwk } = vector.private;
      const own = await crypto.subtle.importKey("jwk", privateJwk as JsonWebKey, algorithm, false, ["deriveBits"]);
      const agreement = { name: algorithm.name, public: key } as unknown as SubtleCryptoDeriveKeyAlgorithm;
      const shared = new Uint8Array(await crypto.subtle.deriveBits(agreement, own, 256));
      expect([...shared].map((byte) => byte.toString(16).padStart(2, "0")).join(""), name(vector)).toBe(vector.shared);
      agreed++;
    }
    expect(agreed).toBeGreaterThan(100);
  });

  it("are refused if they are none, and nobody joins", async () => {
    // A good key of the other curve is one to seal to as well.
    const bad = vectors.filter((each) => isBad(each) && !(crv === "X25519" && each.public.crv === "P-256"));
    expect(bad.length).toBeGreaterThan(10);
    const domain = newDomain();
    for (const vector of bad) {
      const answer = await register(domain, newGuid(), { encryptionKey: vector.public });
      expect(answer.status, name(vector)).toBe(400);
      expect(answer.body.errors[0].field, name(vector)).toMatch(/^encryptionKey/);
    }
    expect((await rows(domain)).info).toBeUndefined();
  });

  it("of the others can be sealed to", async () => {
    const domain = newDomain();
    for (const vector of vectors.filter((each) => !isBad(each)).slice(0, 40)) {
      const { kid: _, ...encryptionKey } = vector.public;
      const answer = await register(domain, newGuid(), { encryptionKey });
      expect(answer.status, `${ORIGIN} ${name(vector)}`).toBe(201);
      expect(answer.body.sealedKeys.split(".")).toHaveLength(5);
    }
  });
});
