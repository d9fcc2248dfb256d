import { createPublicKey, randomUUID, verify } from "node:crypto";
import { CompactEncrypt, type JWK } from "jose";
import nodeJose from "node-jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newSigningKey } from "../../scripts/local-secrets.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../support/node/embedded-server.ts";
import { bytes, json, nodeKey, openByHand, thumbprint } from "../support/node/jose-by-hand.ts";

// The server signs and seals with jose. Others check it: node-jose, and the steps of the RFCs by hand.

const ISSUER = "https://domains.example";
const DOMAIN = "living-room";
const KEYS = 4;
const [FORMER, PRESENT] = [await newSigningKey(), await newSigningKey()];

type Credential = { keyVersion: number; token: string; expiresAt: string; privateKey?: JWK };
type KeySet = { keys: JWK[]; currentKeyVersion: number; statement: string };
type History = { credentials: Credential[]; sealedKeys: string };

let server: EmbeddedServer;
/** The domain's keys, as a member has them: version 1 first. */
let held: JWK[];
let authorityKeys: { keys: JWK[]; rotations: string[] };

beforeAll(async () => {
  server = await startEmbeddedServer({ vars: { DOMAIN_AUTHORITY_KEYS: JSON.stringify({ keys: [PRESENT, FORMER] }) } });
  const join = () => request<{ credentials: Credential[] }>("POST", "/register", { machineGuid: randomUUID() });
  for (let version = 1; version < KEYS; version++) {
    const machineGuid = randomUUID();
    await request("POST", "/register", { machineGuid });
    await request("POST", "/deregister", { machineGuid });
  }
  held = (await join()).credentials.map(({ privateKey }) => privateKey as JWK);
  authorityKeys = (await (await fetch(`${server.url}/.well-known/jwks.json`)).json()) as typeof authorityKeys;
});
afterAll(() => server?.stop());

async function request<Body>(method: string, path: string, body?: object): Promise<Body> {
  const response = await fetch(`${server.url}/domains/${DOMAIN}${path}`, {
    method,
    headers: { "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`${method} ${path} failed with ${response.status}: ${await response.text()}`);
  return (await response.json()) as Body;
}

const keySet = (query = "") => request<KeySet>("GET", `/keys${query}`);
const history = (keyVersion: number) => request<History>("GET", `/keys/${keyVersion}/history`);

/** The header and the claims of a JWS of the authority, verified by node-jose and by node:crypto. */
async function verified(jws: string, keys: readonly JWK[] = authorityKeys.keys) {
  const store = await nodeJose.JWK.asKeyStore({ keys });
  const { header, payload } = await nodeJose.JWS.createVerify(store).verify(jws);
  const claims = JSON.parse(payload.toString("utf8"));
  const [head = "", body = "", signature] = jws.split(".");
  const key = keys.find(({ kid }) => kid === header.kid) as JWK;
  const publicKey = { key: createPublicKey(nodeKey(key)), dsaEncoding: "ieee-p1363" } as const;
  expect(verify("sha256", Buffer.from(`${head}.${body}`, "ascii"), publicKey, bytes(signature))).toBe(true);
  expect({ header: json(head), claims: json(body) }).toEqual({ header, claims });
  return { header, claims };
}

/** The content of a JWE, by node-jose. */
async function openWithNodeJose(jwe: string, privateJwk: JWK): Promise<string> {
  const key = await nodeJose.JWK.asKey(privateJwk as object);
  return (await nodeJose.JWE.createDecrypt(key).decrypt(jwe)).payload.toString("utf8");
}

/** A public key as domain tokens state it. */
const stated = ({ kty, crv, x, y, kid }: JWK) => ({ kty, crv, x, y, kid });

describe("the statement of a key set", () => {
  it("is verified by others, and states the newest key", async () => {
    const { keys, statement } = await keySet();
    const { header, claims } = await verified(statement);
    expect(header).toMatchObject({ alg: "ES256", typ: "domain-key-statement+jwt", kid: PRESENT.kid });
    expect(claims).toEqual({
      iss: ISSUER,
      sub: DOMAIN,
      iat: expect.any(Number),
      exp: claims.iat + 300,
      revision: expect.any(Number),
      epoch: expect.any(Number),
      key_version: KEYS,
      cnf: { jwk: keys.at(-1) },
    });
    expect(keys.map(({ kid }) => kid)).toEqual(keys.map(thumbprint));
  });

  it("is had from a rollover as well", async () => {
    const { keyVersion, statement } = await request<{ keyVersion: number; statement: string }>(
      "POST",
      "/rollover?statement=true",
    );
    const { header, claims } = await verified(statement);
    expect(header).toMatchObject({ typ: "domain-key-statement+jwt", kid: PRESENT.kid });
    expect(claims).toMatchObject({ sub: DOMAIN, key_version: keyVersion, cnf: { jwk: { kid: held.at(-1)?.kid } } });
  });

  it("is not verified once a word of it has changed", async () => {
    const [header, payload, signature] = (await keySet()).statement.split(".");
    const twisted = Buffer.from(JSON.stringify({ ...json(payload), sub: "another" })).toString("base64url");
    await expect(verified([header, twisted, signature].join("."))).rejects.toThrow();
  });
});

describe("a history of keys", () => {
  it("has domain tokens that others verify, each of a key of its own", async () => {
    const { credentials } = await history(KEYS);
    expect(credentials.map(({ keyVersion }) => keyVersion)).toEqual([1, 2, 3]);
    for (const { keyVersion, token, expiresAt } of credentials) {
      const { header, claims } = await verified(token);
      expect(header).toMatchObject({ typ: "domain-token+jwt", kid: PRESENT.kid });
      expect(claims).toMatchObject({
        iss: ISSUER,
        sub: DOMAIN,
        key_version: keyVersion,
        exp: Date.parse(expiresAt) / 1000,
      });
      const { kty, crv, x, y } = held[keyVersion - 1] as JWK;
      expect(claims.cnf).toEqual({ jwk: { kty, crv, x, y } });
    }
  });

  it.each(["node-jose", "hand"])("is opened by %s with the key that its header names", async (by) => {
    for (let version = 1; version <= KEYS; version++) {
      const key = held[version - 1] as JWK;
      const { sealedKeys } = await history(version);
      expect(json(sealedKeys.split(".")[0])).toMatchObject({ kid: thumbprint(key), cty: "jwk-set+json" });
      const opened = by === "hand" ? openByHand(sealedKeys, key) : await openWithNodeJose(sealedKeys, key);
      expect(JSON.parse(opened)).toEqual({ keys: held.slice(0, version - 1) });
    }
  });

  it("stays shut to older keys and to the newer one", async () => {
    const { sealedKeys } = await history(3);
    for (const key of [held[0], held[1], held[3]] as JWK[]) {
      expect(() => openByHand(sealedKeys, key)).toThrow();
      await expect(openWithNodeJose(sealedKeys, key)).rejects.toThrow();
    }
  });

  it("has the keys that open what was encrypted to their public halves", async () => {
    const { sealedKeys } = await history(KEYS);
    const opened = (JSON.parse(openByHand(sealedKeys, held[KEYS - 1] as JWK)) as { keys: JWK[] }).keys;
    for (const key of opened) {
      const { keys } = await keySet(`?kid=${key.kid}`);
      const jwe = await new CompactEncrypt(new TextEncoder().encode("a licence"))
        .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM", kid: key.kid as string })
        .encrypt(keys[0] as JWK);
      expect(await openWithNodeJose(jwe, key)).toBe("a licence");
    }
    expect(opened).toHaveLength(KEYS - 1);
  });
});

describe("the rotation of the domain authority", () => {
  it("is verified by others with the former key alone, and states the present one", async () => {
    const [rotation, ...others] = authorityKeys.rotations as [string, ...string[]];
    expect(others).toEqual([]);
    const former = authorityKeys.keys.filter(({ kid }) => kid === FORMER.kid);
    const { header, claims } = await verified(rotation, former);
    expect(header).toMatchObject({ typ: "authority-rotation+jwt", kid: FORMER.kid });
    const { d, ...present } = PRESENT;
    const times = { iat: expect.any(Number), exp: expect.any(Number) };
    expect(claims).toMatchObject({ iss: ISSUER, ...times, cnf: { jwk: stated(present) } });
    expect(JSON.stringify(claims)).not.toContain(d);
  });
});
