import { CompactSign, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { beforeEach, describe, expect, it } from "vitest";
import { DeviceDomain, MemoryStore } from "../../../src/client/index.ts";
import { generateDomainKeyPair } from "../../../src/server/crypto/key-pairs.ts";
import {
  cut,
  type Draft,
  FAKE_DOMAIN_URL,
  FakeServer,
  type Fate,
  newAuthorityKey,
  unreached,
} from "../../support/node/fake-server.ts";

let server: FakeServer;
let store: MemoryStore;
let device: DeviceDomain;

const open = () => DeviceDomain.open(FAKE_DOMAIN_URL, { store, fetch: server.fetch, pause: async () => {} });

beforeEach(async () => {
  server = await FakeServer.start();
  store = new MemoryStore();
  device = await open();
});

describe("a registration", () => {
  it("joins, and is remembered", async () => {
    expect(device).toMatchObject({ status: "new", currentKeyVersion: null, domainToken: null });
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 1 });
    expect(device).toMatchObject({ status: "member", currentKeyVersion: 1 });
    const again = await open();
    expect(again).toMatchObject({ status: "member", currentKeyVersion: 1, machineGuid: device.machineGuid });
    expect(again.domainToken).toBe(device.domainToken);
  });

  it("saves a device before the server hears of it", async () => {
    expect((await store.load(FAKE_DOMAIN_URL))?.machineGuid).toBe(device.machineGuid);
    expect(server.seen).toEqual([]);
  });

  it("asks for the newest key alone, whether it joins or renews, and keeps those it holds", async () => {
    await device.join();
    await server.rollOver();
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 2 });
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 2 });
    expect(await device.join()).toEqual({ newMember: false, keyVersion: 2 });
    for (const { payload } of server.seen) {
      expect(payload).toMatchObject({ credentials: "newest" });
      expect(payload).not.toHaveProperty("afterKeyVersion");
    }
    expect((await store.load(FAKE_DOMAIN_URL))?.credentials.map(({ keyVersion }) => keyVersion)).toEqual([1, 2]);
  });

  it("gets a new token with each renewal", async () => {
    await device.join();
    const { domainToken } = device;
    await device.renew();
    expect(device.domainToken).not.toBe(domainToken);
    expect((await store.load(FAKE_DOMAIN_URL))?.credentials).toHaveLength(1);
  });

  it("makes a member that was removed a member again, and says so", async () => {
    await device.join();
    server.evict(device.machineGuid);
    expect(await device.renew()).toEqual({ newMember: true, keyVersion: 2 });
  });

  it("is refused as a renewal before it was one", async () => {
    await expect(device.renew()).rejects.toMatchObject({ error: "NOT_A_MEMBER", retryable: false });
    expect(server.seen).toEqual([]);
  });

  it("has keys that no script can read out, in a store that keeps them so", async () => {
    await device.join();
    const state = await store.load(FAKE_DOMAIN_URL);
    const keys = [state?.signingKey, state?.sealingKey, ...(state?.credentials ?? [])].map((each) => each?.privateKey);
    expect(keys).toHaveLength(3);
    for (const key of keys) {
      expect(key).toMatchObject({ type: "private", extractable: false });
      await expect(crypto.subtle.exportKey("jwk", key as CryptoKey)).rejects.toThrow();
    }
  });

  it("carries the auth token, asked for anew before each try", async () => {
    let count = 0;
    const authToken = async () => `token-${++count}`;
    device = await DeviceDomain.open(FAKE_DOMAIN_URL, {
      fetch: server.fetch,
      pause: async () => {},
      authToken,
    });
    server.fates.push(cut);
    await device.join();
    expect(server.seen.map(({ headers }) => headers.get("authorization"))).toEqual([
      "Bearer token-1",
      "Bearer token-2",
    ]);
  });

  it("asks for the authority's keys again if they did not come, and for the registration no more", async () => {
    const fates: Fate[] = [unreached, async () => new Response("", { status: 503 }), cut];
    server.keySetFate = (pass, init) => (fates.shift() ?? ((go) => go()))(pass, init);
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 1 });
    expect(server.seen).toHaveLength(1);
    expect(server.keySetReads).toBe(4);
  });

  it("keeps nothing if the authority's keys cannot be had", async () => {
    server.keySetFate = unreached;
    await expect(device.join()).rejects.toMatchObject({ error: "UNREACHABLE", retryable: true });
    expect(device).toMatchObject({ status: "new", currentKeyVersion: null });
  });
});

/** Replaces the newest statement's parts. */
const statement =
  (change: object) =>
  ({ statements }: Draft) => {
    const last = statements.length - 1;
    statements[last] = { ...(statements[last] as Draft["statements"][0]), ...change };
  };

const answer = (change: object) => (draft: Draft) => {
  Object.assign(draft.answer, change);
};

const otherKey = await newAuthorityKey();
const otherPair = await generateDomainKeyPair(2);

/** The newest of some. */
function newest<T>(items: readonly T[]): T {
  return items.at(-1) as T;
}

/** Replaces parts of the newest private key. */
const privateKey =
  (change: JWK) =>
  ({ privateKeys }: Draft) => {
    privateKeys.push({ ...(privateKeys.pop() as JWK), ...change });
  };

/** The newest token, signed with other claims or another header than its own. */
async function resign(draft: Draft, header: object, change: object, key: JWK | Uint8Array = draft.tokenKey) {
  const [, payload] = newest(draft.tokens).split(".");
  const claims = { ...JSON.parse(Buffer.from(payload as string, "base64url").toString()), ...change };
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", typ: "domain-token+jwt", kid: "authority", ...header })
    .sign(key);
  replaceToken(draft, token);
}

function replaceToken(draft: Draft, token: string) {
  newest(draft.answer.credentials as { token: string }[]).token = token;
}

const UNTRUSTED: Record<string, FakeServer["spoil"]> = {
  "a token signed with another key": {
    statements: (draft) => {
      draft.tokenKey = { ...otherKey, kid: "authority" };
    },
  },
  "a token of a key the authority does not have": {
    statements: (draft) => {
      draft.tokenKey = { ...otherKey, kid: "unknown" };
    },
  },
  "a token of another domain": { statements: statement({ domain: "attic" }) },
  "a token of another issuer": { statements: statement({ issuer: "https://elsewhere.example" }) },
  "a token of another version": { statements: statement({ keyVersion: 7 }) },
  "a token that ended": { statements: statement({ lifetimeSeconds: -400 }) },
  "a token of another type": { answer: (draft) => resign(draft, { typ: "JWT" }, {}) },
  "a token without an end": { answer: (draft) => resign(draft, {}, { exp: undefined }) },
  "a token without a key": { answer: (draft) => resign(draft, {}, { cnf: {} }) },
  "a token whose version is no number": { answer: (draft) => resign(draft, {}, { key_version: "2" }) },
  "a token signed with a shared secret": {
    answer: (draft) => resign(draft, { alg: "HS256" }, {}, new TextEncoder().encode(JSON.stringify(draft.tokenKey))),
  },
  "a token signed with another curve": {
    answer: async (draft) => {
      const { privateKey } = await generateKeyPair("Ed25519", { extractable: true });
      await resign(draft, { alg: "Ed25519" }, {}, await exportJWK(privateKey));
    },
  },
  "a token that is not signed": {
    answer: (draft) => {
      const [, payload] = newest(draft.tokens).split(".");
      const header = Buffer.from('{"alg":"none","typ":"domain-token+jwt"}').toString("base64url");
      replaceToken(draft, `${header}.${payload}.`);
    },
  },
  "a token that is none": {
    answer: async (draft) => {
      const jws = new CompactSign(new TextEncoder().encode("hello")).setProtectedHeader({
        alg: "ES256",
        typ: "domain-token+jwt",
        kid: "authority",
      });
      replaceToken(draft, await jws.sign(draft.tokenKey));
    },
  },
  "a private key of other coordinates": {
    answer: (draft) => privateKey({ ...otherPair.privateJwk, kid: newest(draft.privateKeys).kid as string })(draft),
  },
  "a private key whose coordinates belong to another": { answer: privateKey({ d: otherPair.privateJwk.d as string }) },
  "a private key too few": {
    answer: ({ privateKeys }) => {
      privateKeys.pop();
    },
  },
  "a private key too many": {
    answer: ({ privateKeys }) => {
      privateKeys.push(otherPair.privateJwk);
    },
  },
  "the private key of another version": { answer: privateKey({ kid: otherPair.publicJwk.kid as string }) },
  "keys sealed without wrapping": {
    answer: ({ sealing }) => {
      sealing.alg = "ECDH-ES";
    },
  },
  "keys sealed with another cipher": {
    answer: ({ sealing }) => {
      sealing.enc = "A128GCM";
    },
  },
  "sealed keys that do not say what they are": {
    answer: ({ sealing }) => {
      delete sealing.cty;
    },
  },
  "sealed keys that are no JWE": { answer: answer({ sealedKeys: "..." }) },
  "keys in the clear": { answer: answer({ sealedKeys: 7 }) },
  "a missing version": {
    answer: (draft) => {
      (draft.answer.credentials as unknown[]).pop();
      draft.privateKeys.pop();
    },
  },
  "a version that its token does not have": {
    answer: (draft) => {
      draft.answer.keyVersion = 3;
      newest(draft.answer.credentials as { keyVersion: number }[]).keyVersion = 3;
    },
  },
  "another version than it says": { answer: answer({ keyVersion: 1 }) },
  "an older credential as well": {
    answer: (draft) => {
      const credentials = draft.answer.credentials as object[];
      credentials.unshift({ ...credentials[0], keyVersion: 1 });
      draft.privateKeys.push(otherPair.privateJwk);
    },
  },
  "versions that go back": { answer: answer({ keyVersion: 0, credentials: [] }) },
  "no credentials": { answer: answer({ credentials: undefined }) },
  "a credential that is none": { answer: answer({ credentials: [null] }) },
  "another domain": { answer: answer({ domain: "attic" }) },
  "another device": { answer: answer({ machineGuid: crypto.randomUUID() }) },
};

describe("a registration that brings", () => {
  it.each(Object.entries(UNTRUSTED))("%s is refused, and nothing of it is kept", async (_, spoil) => {
    await server.rollOver();
    await device.join();
    await server.rollOver();
    const before = await store.load(FAKE_DOMAIN_URL);

    server.spoil = spoil;
    await expect(device.renew()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER", retryable: false });
    // But for a note that it was asked for, and may have been done.
    expect(await store.load(FAKE_DOMAIN_URL)).toEqual({ ...before, unanswered: expect.any(Number) });
    expect(device).toMatchObject({ status: "member", currentKeyVersion: 1 });
    expect(server.seen).toHaveLength(2);

    server.spoil = {};
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 2 });
  });

  it.each(["null", "[]", "7", '"hello"', "{}"])("%s is refused by a new device, which stays new", async (text) => {
    server.fates.push(async () => new Response(text));
    await expect(device.join()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    expect(device).toMatchObject({ status: "new", currentKeyVersion: null });
  });

  it("another key for the version it holds is accepted beside it: after a restore, that version was made anew", async () => {
    await device.join();
    const first = (await store.load(FAKE_DOMAIN_URL))?.credentials;
    server.spoil.statements = statement({ publicJwk: otherPair.publicJwk });
    server.spoil.answer = ({ privateKeys }) => {
      privateKeys[0] = otherPair.privateJwk;
    };
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 1 });
    const { credentials = [] } = (await store.load(FAKE_DOMAIN_URL)) ?? {};
    expect(credentials.map(({ kid }) => kid)).toEqual([first?.[0]?.kid, otherPair.publicJwk.kid]);
  });

  it.each([
    ["a former key", 1],
    ["another key for the version it holds", 2],
  ])("%s, whose token is older than the one it has, is refused", async (_, keyVersion) => {
    await server.rollOver();
    await device.join();
    await server.rollOver();
    await device.renew();
    const { publicJwk } = await generateDomainKeyPair(keyVersion);
    server.spoil.statements = statement({ keyVersion, publicJwk, issuedAt: Date.now() - 10_000 });
    server.spoil.answer = (draft) => {
      draft.answer.keyVersion = keyVersion;
      newest(draft.answer.credentials as { keyVersion: number }[]).keyVersion = keyVersion;
    };
    await expect(device.join()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    expect(device.currentKeyVersion).toBe(2);
  });

  it("a token signed with a key of another kind, also if the authority publishes that, is refused", async () => {
    const { privateKey, publicKey } = await generateKeyPair("ES384", { extractable: true });
    const [jwk, publicJwk] = await Promise.all([exportJWK(privateKey), exportJWK(publicKey)]);
    server.keySetFate = async () => Response.json({ keys: [{ ...publicJwk, kid: "authority", alg: "ES384" }] });
    server.spoil.answer = (draft) => resign(draft, { alg: "ES384" }, {}, jwk);
    await expect(device.join()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
    expect(device.status).toBe("new");
  });

  it("tokens of the name that the server goes by, and was given, is accepted", async () => {
    server.issuer = "https://public.example";
    await expect(device.join()).rejects.toMatchObject({ error: "DEVICE_PROOF_INVALID" });
    device = await DeviceDomain.open(FAKE_DOMAIN_URL, { fetch: server.fetch, issuer: server.issuer });
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 1 });
  });
});
