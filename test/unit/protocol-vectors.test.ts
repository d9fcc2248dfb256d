import { createHash, createPublicKey, verify } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { base64url, compactDecrypt, createLocalJWKSet } from "jose";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { protocolSchema } from "../../scripts/protocol-schema.ts";
import { newVectors } from "../../scripts/vectors/vectors.ts";
import { PinnedKeys, publishedKeys } from "../../src/client/authority.ts";
import { checkDomainToken } from "../../src/client/domain-tokens.ts";
import { checkHistory } from "../../src/client/key-history.ts";
import { checkRegistration } from "../../src/client/registration-response.ts";
import { readServerTime } from "../../src/client/server-time.ts";
import { checkKeyStatement } from "../../src/licence/key-statement.ts";
import { verifyDeviceRequest } from "../../src/server/auth/device-requests.ts";

const FOLDER = "docs/vectors";
const ISSUER = "https://domains.example.com";
const DOMAIN = "den";
const MACHINE_GUID = "6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77";

type Vectors = Awaited<ReturnType<typeof newVectors>>;

function read<Name extends keyof Vectors>(name: Name): Vectors[Name] {
  return JSON.parse(readFileSync(`${FOLDER}/${name}`, "utf8"));
}

const keys = read("keys.json");
const { toP256, toX25519 } = read("registration.json");
const history = read("history.json");
const statements = read("statements.json");
const { now: signedAt, requests } = read("signed-requests.json");
const [join, leave] = requests;
const now = Date.parse(signedAt);
const authorityKeys = createLocalJWKSet(statements.authority);
const context = {
  authorityKeys,
  expectations: { issuer: ISSUER, domain: DOMAIN, now, tolerance: 300 },
  keepsCryptoKeys: false,
};

/** Members that are new in each run: randomness goes into them. */
const RANDOM =
  /^(signature|jws|jwe|statement|token|sealedKeys|rotations|epk|sharedSecret|keyEncryptionKey|encryptedKey|contentEncryptionKey|additionalData|iv|ciphertext|tag)$/;

function withoutRandom(value: unknown): unknown {
  const replacer = (name: string, each: unknown) =>
    RANDOM.test(name) && (typeof each === "string" || Array.isArray(each) || name === "epk") ? "random" : each;
  return JSON.parse(JSON.stringify(value, replacer));
}

describe("the protocol's files", () => {
  it("are what the present code writes, but for randomness", async () => {
    const vectors = await newVectors(keys);
    expect(Object.keys(vectors).sort()).toEqual(readdirSync(FOLDER).sort());
    for (const [name, made] of Object.entries(vectors)) {
      expect(withoutRandom(read(name as keyof Vectors))).toEqual(withoutRandom(made));
    }
  });

  it("have the schema of the present API", () => {
    expect(JSON.parse(readFileSync("docs/protocol.schema.json", "utf8"))).toEqual(
      JSON.parse(JSON.stringify(protocolSchema())),
    );
  });

  it("have a schema that the vectors fit, and that a misspelt member does not", () => {
    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    ajv.addSchema(protocolSchema(), "protocol");
    const fits = (name: string, value: unknown) => ajv.validate(`protocol#/$defs/${name}`, value);
    expect(fits("RegistrationResponse", toP256.response)).toBe(true);
    expect(fits("RegistrationResponse", toX25519.response)).toBe(true);
    expect(fits("KeyHistory", history.response)).toBe(true);
    expect(fits("DomainKeySet", statements.keySet)).toBe(true);
    expect(fits("AuthorityKeySet", statements.authority)).toBe(true);
    expect(fits("SignedRegistration", join?.payload)).toBe(true);
    expect(fits("SignedDeregistration", leave?.payload)).toBe(true);
    expect(fits("SignedRegistration", { ...join?.payload, machineguid: MACHINE_GUID })).toBe(false);
    const { sealedKeys, ...neither } = toP256.response;
    expect(fits("RegistrationResponse", neither)).toBe(false);
  });
});

describe("a thumbprint", () => {
  it.each(Object.values(read("thumbprints.json")))(
    "is the hash of the canonical text ($thumbprint)",
    ({ canonical, thumbprint, jwk }) => {
      expect(createHash("sha256").update(canonical).digest("base64url")).toBe(thumbprint);
      for (const [name, value] of Object.entries(JSON.parse(canonical))) expect(jwk).toHaveProperty(name, value);
    },
  );
});

describe("a signed request", () => {
  it.each(requests)("$about: $error", async ({ url, jws, error }) => {
    const result = await verifyDeviceRequest(jws, url, now);
    expect("refusal" in result ? result.refusal.error : null).toBe(error);
  });

  it.each(requests.filter(({ error }) => error === null))(
    "$about: its signature is over the signing input",
    ({ header, payload, signingInput, signature, jws }) => {
      const key = createPublicKey({ key: header.jwk, format: "jwk" });
      const hash = header.alg === "ES256" ? "sha256" : null;
      const bytes = [Buffer.from(signingInput), Buffer.from(signature, "base64url")] as const;
      expect(verify(hash, bytes[0], { key, dsaEncoding: "ieee-p1363" }, bytes[1])).toBe(true);
      expect(jws).toBe(`${signingInput}.${signature}`);
      const [, encoded = ""] = signingInput.split(".");
      expect(JSON.parse(Buffer.from(encoded, "base64url").toString())).toEqual(payload);
    },
  );
});

describe("credentials", () => {
  it("hold up, sealed to a P-256 key of the device", async () => {
    const device = { domain: DOMAIN, machineGuid: MACHINE_GUID, held: [], sealingKey: keys.sealingKey };
    const { credentials } = await checkRegistration(toP256.response, { ...context, ...device });
    expect(credentials).toMatchObject([
      { keyVersion: 2, kid: keys.domainKey2.kid, privateKey: { d: keys.domainKey2.d } },
    ]);
  });

  it("open with X25519", async () => {
    const { response, sealedKeys } = toX25519;
    const { plaintext } = await compactDecrypt(response.sealedKeys, {
      ...keys.x25519SealingKey,
      alg: "ECDH-ES+A256KW",
    });
    expect(new TextDecoder().decode(plaintext)).toBe(sealedKeys.plaintext);
    expect(JSON.parse(sealedKeys.plaintext)).toEqual({ keys: [keys.domainKey2] });
  });

  it("hold up as a page of the history", async () => {
    const opener = { keyVersion: 2, kid: keys.domainKey2.kid, token: "", expiresAt: 0, privateKey: keys.domainKey2 };
    const page = await checkHistory(history.response, DOMAIN, opener, context);
    expect(page).toMatchObject([{ keyVersion: 1, kid: keys.domainKey1.kid, privateKey: { d: keys.domainKey1.d } }]);
  });
});

describe("a JWE", () => {
  const all = [toP256.sealedKeys, toX25519.sealedKeys, history.sealedKeys, read("secret.json")];

  it.each(all)("is wrapped and encrypted by the values on the way ($header.cty $header.kid)", async (vector) => {
    const { jwe, plaintext, encryptedKey, iv, ciphertext, tag, additionalData, contentEncryptionKey, header } = vector;
    expect(jwe).toBe([additionalData, encryptedKey, iv, ciphertext, tag].join("."));
    expect(JSON.parse(new TextDecoder().decode(base64url.decode(additionalData)))).toEqual(header);
    // Direct encryption with the same content key opens the same ciphertext under its own header.
    const key = await crypto.subtle.importKey(
      "raw",
      base64url.decode(contentEncryptionKey) as BufferSource,
      "AES-GCM",
      false,
      ["decrypt"],
    );
    const sealed = Buffer.concat([base64url.decode(ciphertext), base64url.decode(tag)]);
    const algorithm = {
      ...{ name: "AES-GCM", iv: base64url.decode(iv) as BufferSource },
      additionalData: new TextEncoder().encode(additionalData),
    };
    expect(Buffer.from(await crypto.subtle.decrypt(algorithm, key, sealed)).toString()).toBe(plaintext);
  });

  it("is opened by the domain's key, if it is a secret of the domain", async () => {
    const { jwe } = read("secret.json");
    const { plaintext, protectedHeader } = await compactDecrypt(jwe, keys.domainKey2);
    expect(new TextDecoder().decode(plaintext)).toBe("the content key");
    expect(protectedHeader).toMatchObject({ kid: keys.domainKey2.kid, key_version: 2 });
  });
});

describe("a statement of the authority", () => {
  beforeEach(() => vi.useFakeTimers({ now }));
  afterEach(() => vi.useRealTimers());

  it("names the key to encrypt to, or none", async () => {
    const { statement } = statements.keySet;
    const { key, seen } = await checkKeyStatement(statement, DOMAIN, ISSUER, authorityKeys);
    expect([key?.kid, key?.keyVersion, seen]).toEqual([keys.domainKey2.kid, 2, { epoch: 0, revision: 17 }]);
    const due = statements.keyStatementWhileRolloverIsDue.jws;
    expect((await checkKeyStatement(due, DOMAIN, ISSUER, authorityKeys)).key).toBeNull();
  });

  it("does not count after five minutes and the tolerance", async () => {
    vi.setSystemTime(now + 361_000);
    const { statement } = statements.keySet;
    await expect(checkKeyStatement(statement, DOMAIN, ISSUER, authorityKeys)).rejects.toThrow(/exp/);
  });

  it("states the time for one request", async () => {
    const { jws, payload } = statements.serverTime;
    expect(await readServerTime(jws, payload.jti, ISSUER, authorityKeys)).toBe(Math.floor(now / 1000) * 1000);
    expect(await readServerTime(jws, "another", ISSUER, authorityKeys)).toBeNull();
  });

  it("is believed by a device that trusts the former key alone, for the rotation", async () => {
    const { authorityKey, formerAuthorityKey } = read("thumbprints.json");
    const [{ token }] = toP256.response.credentials;
    const check = async (pinned: string, authority: object) => {
      const answer = async () => Response.json(authority);
      const { find } = new PinnedKeys(publishedKeys(ISSUER, answer as typeof fetch, 0), [pinned]);
      return checkDomainToken(token, find, context.expectations);
    };
    expect((await check(formerAuthorityKey.thumbprint, statements.authority)).key_version).toBe(2);
    expect((await check(authorityKey.thumbprint, { keys: statements.authority.keys })).key_version).toBe(2);
    await expect(check(formerAuthorityKey.thumbprint, { keys: statements.authority.keys })).rejects.toThrow();
  });
});
