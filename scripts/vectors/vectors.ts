import { CompactEncrypt, CompactSign, calculateJwkThumbprint, type JWK } from "jose";
import { signDeviceRequest } from "../../src/client/device-requests.ts";
import {
  AUTHORITY_ROTATION_TYPE,
  DEVICE_REQUEST_TYPE,
  KEY_STATEMENT_TYPE,
  SERVER_TIME_TYPE,
} from "../../src/protocol/token-types.ts";
import { signDomainToken } from "../../src/server/crypto/domain-tokens.ts";
import { importSealingKey, type SealingKey, sealPrivateKeys } from "../../src/server/crypto/sealed-keys.ts";
import { signStatement } from "../../src/server/crypto/signed-statements.ts";
import { jweVector, jwsVector, thumbprintVector } from "./objects.ts";
import { publicHalf, type VectorKeys } from "./vector-keys.ts";

const ISSUER = "https://domains.example.com";
const DOMAIN = "den";
const MACHINE_GUID = "6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77";
/** When everything was signed, in milliseconds since the Unix epoch. */
const NOW = Date.parse("2026-11-23T16:33:59.250Z");
const ABOUT = { issuer: ISSUER, domain: DOMAIN, issuedAt: NOW };
const TOKEN_SECONDS = 30 * 24 * 60 * 60;

/** All vectors, by the names of their files. */
export async function newVectors(keys: VectorKeys) {
  return {
    "keys.json": keys,
    "thumbprints.json": await thumbprints(keys),
    "signed-requests.json": await signedRequests(keys),
    "registration.json": await registrations(keys),
    "history.json": await history(keys),
    "statements.json": await statements(keys),
    "secret.json": await secret(keys),
  };
}

type ThumbprintVector = Awaited<ReturnType<typeof thumbprintVector>>;

async function thumbprints(keys: VectorKeys) {
  const named = Object.entries(keys).map(async ([name, key]) => [name, await thumbprintVector(key)]);
  return Object.fromEntries(await Promise.all(named)) as Record<keyof VectorKeys, ThumbprintVector>;
}

type RequestVector = Readonly<{
  about: string;
  url: string;
  jws: string;
  /** The error that a server refuses it with; null if it takes it. */
  error: string | null;
}>;

async function signedRequests(keys: VectorKeys) {
  const register = `${ISSUER}/domains/${DOMAIN}/register`;
  const deregister = `${ISSUER}/domains/${DOMAIN}/deregister`;
  const jwk = corePublic(keys.signingKey);
  const es256 = { alg: "ES256", typ: DEVICE_REQUEST_TYPE, jwk };
  const members = { machineGuid: MACHINE_GUID, credentials: "newest", encryptionKey: corePublic(keys.sealingKey) };
  const claims = { aud: register, iat: NOW / 1000, jti: "0b9f6a1e-52c4-4d8e-9a57-3f1d2e8c7b60" };
  const payload = { ...members, ...claims };
  const ed25519 = { ...es256, jwk: corePublic(keys.ed25519SigningKey) };
  const idempotencyKey = "5f0f6f0a-8f0c-4a53-8e7c-6a5b0f3f2d11";
  const times = { audience: deregister, signedAt: NOW, idempotencyKey };
  const pair = { publicJwk: jwk, privateKey: { ...keys.signingKey, alg: "ES256" } };
  const leave = await signDeviceRequest({ machineGuid: MACHINE_GUID }, times, pair);
  const good = await sign(es256, payload, keys.signingKey);
  const [, , signature] = good.split(".");
  const other = (await sign(es256, { ...payload, afterKeyVersion: 1 }, keys.signingKey)).split(".");
  const requests: RequestVector[] = [
    { about: "a registration, ES256", url: register, jws: good, error: null },
    { about: "a leave, ES256", url: deregister, jws: leave, error: null },
    ...(await Promise.all(
      ["Ed25519", "EdDSA"].map(async (alg) => ({
        ...{ about: `a registration, ${alg}`, url: register, error: null },
        jws: await sign({ ...ed25519, alg }, payload, keys.ed25519SigningKey),
      })),
    )),
    {
      about: "kid is the thumbprint",
      url: register,
      error: null,
      jws: await withHeader({ kid: await thumbprint(jwk) }),
    },
    { about: "iat is 300 seconds early", url: register, error: null, jws: await withClaim({ iat: NOW / 1000 - 300 }) },
    refusal("iat is 301 seconds early", await withClaim({ iat: NOW / 1000 - 301 })),
    refusal("iat is 301 seconds late", await withClaim({ iat: NOW / 1000 + 301 })),
    refusal("aud is another URL", await withClaim({ aud: deregister })),
    refusal("aud is another server's", await withClaim({ aud: register.replace("domains.", "domain.") })),
    refusal("jti is empty", await withClaim({ jti: "" }), "INVALID_REQUEST"),
    refusal("iat is a text", await withClaim({ iat: String(NOW / 1000) }), "INVALID_REQUEST"),
    refusal("typ is JWT", await withHeader({ typ: "JWT" })),
    refusal("kid names another key", await withHeader({ kid: await thumbprint(keys.sealingKey) })),
    refusal("jwk has the private key", await withHeader({ jwk: { ...jwk, d: keys.signingKey.d } })),
    refusal("jwk is another key", await withHeader({ jwk: corePublic(keys.sealingKey) })),
    refusal("jku says where the key is", await withHeader({ jku: `${ISSUER}/keys` })),
    refusal("the payload was changed", `${other[0]}.${other[1]}.${signature}`),
  ];
  return {
    now: new Date(NOW).toISOString(),
    requests: requests.map(({ jws, ...request }) => ({ ...request, ...jwsVector(jws) })),
  };

  function refusal(about: string, jws: string, error = "DEVICE_PROOF_INVALID"): RequestVector {
    return { about, url: register, jws, error };
  }
  function withHeader(members: object) {
    return sign({ ...es256, ...members }, payload, keys.signingKey);
  }
  function withClaim(claim: object) {
    return sign(es256, { ...payload, ...claim }, keys.signingKey);
  }
}

async function registrations(keys: VectorKeys) {
  const newest = keys.domainKey2;
  const token = await domainToken(newest, keys);
  const to = async (name: "sealingKey" | "x25519SealingKey") => {
    const sealedKeys = await sealPrivateKeys([newest], (await importSealingKey(sealable(keys[name]))) as CryptoKey);
    return {
      encryptionKey: corePublic(keys[name]),
      response: {
        ...{ domain: DOMAIN, machineGuid: MACHINE_GUID, newMember: false, keyVersion: 2 },
        olderKeyVersions: { from: 1, to: 1 },
        credentials: [credential(newest, token)] as const,
        sealedKeys,
      },
      token: jwsVector(token),
      sealedKeys: await jweVector(sealedKeys, keys[name]),
    };
  };
  return { now: new Date(NOW).toISOString(), toP256: await to("sealingKey"), toX25519: await to("x25519SealingKey") };
}

async function history(keys: VectorKeys) {
  const token = await domainToken(keys.domainKey1, keys);
  const sealTo = (await importSealingKey(sealable(keys.domainKey2))) as CryptoKey;
  const sealedKeys = await sealPrivateKeys([keys.domainKey1], sealTo, keys.domainKey2.kid);
  return {
    now: new Date(NOW).toISOString(),
    url: `${ISSUER}/domains/${DOMAIN}/keys/2/history?before=2`,
    response: { domain: DOMAIN, keyVersion: 2, credentials: [credential(keys.domainKey1, token)], sealedKeys },
    token: jwsVector(token),
    sealedKeys: await jweVector(sealedKeys, keys.domainKey2),
  };
}

async function statements(keys: VectorKeys) {
  const { domainKey1, domainKey2, authorityKey, formerAuthorityKey } = keys;
  const published = [authorityKey, formerAuthorityKey].map((jwk) => ({ ...publicHalf(jwk), use: "sig", alg: "ES256" }));
  const rotation = await signStatement(
    AUTHORITY_ROTATION_TYPE,
    { cnf: { jwk: published[0] } },
    { issuer: ISSUER, issuedAt: NOW, lifetimeSeconds: TOKEN_SECONDS },
    { ...formerAuthorityKey, alg: "ES256" },
  );
  const about = { ...ABOUT, lifetimeSeconds: 300 };
  const signing = { ...authorityKey, alg: "ES256" };
  const current = { revision: 17, epoch: 0, key_version: 2, cnf: { jwk: publicHalf(domainKey2) } };
  const due = { revision: 18, epoch: 0, key_version: null };
  const statement = await signStatement(KEY_STATEMENT_TYPE, current, about, signing);
  const jti = "0b9f6a1e-52c4-4d8e-9a57-3f1d2e8c7b60";
  const time = await signStatement(SERVER_TIME_TYPE, { jti }, { issuer: ISSUER, issuedAt: NOW }, signing);
  const keySet = [domainKey1, domainKey2].map(publicHalf);
  return {
    now: new Date(NOW).toISOString(),
    authority: { keys: published, rotations: [rotation] },
    rotation: jwsVector(rotation),
    keySet: { keys: keySet, currentKeyVersion: 2, statement },
    keyStatement: jwsVector(statement),
    keyStatementWhileRolloverIsDue: jwsVector(await signStatement(KEY_STATEMENT_TYPE, due, about, signing)),
    serverTime: jwsVector(time),
  };
}

async function secret({ domainKey2 }: VectorKeys) {
  const header = { alg: "ECDH-ES+A256KW", enc: "A256GCM", kid: domainKey2.kid as string, key_version: 2 };
  const jwe = await new CompactEncrypt(new TextEncoder().encode("the content key"))
    .setProtectedHeader(header)
    .encrypt(publicHalf(domainKey2));
  return jweVector(jwe, domainKey2);
}

async function domainToken(key: VectorKeys["domainKey1"], { authorityKey }: VectorKeys): Promise<string> {
  const stated = { keyVersion: key.key_version as number, publicJwk: publicHalf(key) };
  const claims = { ...ABOUT, lifetimeSeconds: TOKEN_SECONDS };
  return (await signDomainToken(stated, claims, { ...authorityKey, alg: "ES256" })).token;
}

function credential({ key_version }: VectorKeys["domainKey1"], token: string) {
  const expiresAt = new Date((Math.floor(NOW / 1000) + TOKEN_SECONDS) * 1000).toISOString();
  return { keyVersion: key_version, token, expiresAt };
}

function sign(header: { alg: string }, payload: object, key: JWK): Promise<string> {
  return new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader(header)
    .sign({ ...key, alg: header.alg });
}

/** A public key without metadata. */
function corePublic({ kty, crv, x, y }: JWK): JWK {
  return { kty, crv, x, ...(y ? { y } : {}) } as JWK;
}

function sealable(jwk: JWK): SealingKey {
  return corePublic(jwk) as SealingKey;
}

function thumbprint(jwk: JWK): Promise<string> {
  return calculateJwkThumbprint(corePublic(jwk));
}
