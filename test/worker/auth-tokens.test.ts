import { env } from "cloudflare:workers";
import fc from "fast-check";
import { base64url, exportJWK, exportSPKI, generateKeyPair, importJWK, type JWK } from "jose";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { AuthTokenVerifier } from "../../src/server/auth/auth-tokens.ts";
import type { TrustedIssuer } from "../../src/server/auth/trusted-issuers.ts";
import { mintToken, TEST_AUDIENCE, testIssuer } from "../support/issuers.ts";
import {
  configure,
  deregister,
  newDomain,
  newGuid,
  ORIGIN,
  type Reply,
  register,
  rows,
} from "../support/worker/client.ts";

const studioKey = env.TEST_ISSUER_KEYS.studio;
const { d: _, ...studioPublicKey } = studioKey;
const encode = (value: unknown) => base64url.encode(JSON.stringify(value));
const now = () => Math.floor(Date.now() / 1000);

/** Claims that nothing is wrong with. */
const goodClaims = () => ({ iss: testIssuer("studio"), aud: TEST_AUDIENCE, sub: "someone", exp: now() + 300 });
const goodToken = () => mintToken("studio", studioKey);

type Sign = (input: Uint8Array) => Promise<ArrayBuffer>;

/** A token put together by hand, for those that a library would rather not make. */
async function forge(header: object, sign: Sign, claims: object = goodClaims()): Promise<string> {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${base64url.encode(new Uint8Array(await sign(new TextEncoder().encode(input))))}`;
}

/** Signs as ES256 does, with the issuer's own key unless another is given. */
function ecdsa(jwk: JWK = studioKey): Sign {
  return async (input) => {
    const curve = { name: "ECDSA", namedCurve: "P-256" };
    const key = await crypto.subtle.importKey("jwk", jwk as JsonWebKey, curve, false, ["sign"]);
    return crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, input);
  };
}

function hmac(hash: string, secret: string | Uint8Array): Sign {
  return async (input) => {
    const bytes = typeof secret === "string" ? new TextEncoder().encode(secret) : secret;
    const key = await crypto.subtle.importKey("raw", bytes as BufferSource, { name: "HMAC", hash }, false, ["sign"]);
    return crypto.subtle.sign("HMAC", key, input);
  };
}

const unsigned: Sign = async () => new ArrayBuffer(0);

/** A key of somebody whom nobody trusts. */
async function strangersKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: "ES256" };
}

/** The issuer's public key in the forms in which a careless verifier may hold it. */
async function publicKeyForms(): Promise<Record<string, string | Uint8Array>> {
  const pem = await exportSPKI((await importJWK(studioPublicKey, "ES256", { extractable: true })) as CryptoKey);
  const point = [new Uint8Array([4]), base64url.decode(studioKey.x as string), base64url.decode(studioKey.y as string)];
  return {
    "as PEM": pem,
    "as PEM without the last line break": pem.trimEnd(),
    "as DER": Uint8Array.from(atob(pem.replaceAll(/-----[^-]+-----|\s/g, "")), (each) => each.charCodeAt(0)),
    "as a JWK": JSON.stringify(studioPublicKey),
    "as a JWK Set": JSON.stringify({ keys: [studioPublicKey] }),
    "as raw bytes": Uint8Array.from(point.flatMap((bytes) => [...bytes])),
    "as its x coordinate": base64url.decode(studioKey.x as string),
  };
}

const es256 = { alg: "ES256", kid: studioKey.kid };

/** Authorization headers that prove nothing to a domain of the namespace "studio", each by what is wrong with it. */
const REFUSED: Record<string, () => Promise<string>> = {
  "a token that has expired": bearer(() => mintToken("studio", studioKey, { expires: -3600 })),
  "a token that is not valid yet": bearer(() => mintToken("studio", studioKey, { notBefore: 3600, expires: 7200 })),
  "a token that never expires": bearer(() => mintToken("studio", studioKey, { expires: null })),
  "a token whose expiry is no number": bearer(() => forge(es256, ecdsa(), { ...goodClaims(), exp: "tomorrow" })),
  "a token for another audience": bearer(() => mintToken("studio", studioKey, { audience: "https://films.example" })),
  "a token for no audience": bearer(() => forge(es256, ecdsa(), { ...goodClaims(), aud: undefined })),
  "a token for a part of the audience": bearer(() => mintToken("studio", studioKey, { audience: "https://domains" })),
  "a token of an unknown issuer": bearer(() => mintToken("studio", studioKey, { issuer: "https://nobody.example" })),
  "a token of no issuer": bearer(() => forge(es256, ecdsa(), { ...goodClaims(), iss: undefined })),
  "a token of two issuers": bearer(() => forge(es256, ecdsa(), { ...goodClaims(), iss: [testIssuer("studio")] })),
  "a token of another namespace": bearer(() => mintToken("arcade", env.TEST_ISSUER_KEYS.arcade)),
  "a token in the name of another trusted issuer": bearer(() => mintToken("studio", env.TEST_ISSUER_KEYS.arcade)),
  "another key's signature under the issuer's kid": bearer(async () =>
    mintToken("studio", await strangersKey(studioKey.kid as string)),
  ),
  "an unknown kid": bearer(async () => mintToken("studio", await strangersKey("unknown"))),
  "the issuer's signature under an unknown kid": bearer(() =>
    mintToken("studio", studioKey, { header: { kid: "unknown" } }),
  ),
  "another key's signature and no kid": bearer(async () => forge({ alg: "ES256" }, ecdsa(await strangersKey("any")))),
  "a key of its own as jwk": bearer(async () => {
    const { d, ...jwk } = await strangersKey(studioKey.kid as string);
    return forge({ ...es256, jwk }, ecdsa({ ...jwk, d } as JWK));
  }),
  "keys of its own at a jku": bearer(async () =>
    forge({ ...es256, jku: "https://attacker.example/jwks.json" }, ecdsa(await strangersKey("any"))),
  ),
  "a certificate of its own at an x5u": bearer(async () =>
    forge({ ...es256, x5u: "https://attacker.example/chain.pem" }, ecdsa(await strangersKey("any"))),
  ),
  "a certificate of its own as x5c": bearer(async () =>
    forge({ ...es256, x5c: ["MIIBAAAA"] }, ecdsa(await strangersKey("any"))),
  ),
  "an extension nobody here knows in crit": bearer(() => forge({ ...es256, crit: ["urn:new"], "urn:new": 1 }, ecdsa())),
  "an empty crit": bearer(() => forge({ ...es256, crit: [] }, ecdsa())),
  "an unencoded payload": bearer(() => forge({ ...es256, crit: ["b64"], b64: false }, ecdsa())),
  "no algorithm": bearer(() => forge({ kid: studioKey.kid }, ecdsa())),
  "a made-up algorithm": bearer(() => forge({ ...es256, alg: "ES257" }, ecdsa())),
  "an algorithm that the key is not for": bearer(() => forge({ ...es256, alg: "RS256" }, ecdsa())),
  ...Object.fromEntries(
    ["none", "None", "nOnE", ""].flatMap((alg) => [
      [`alg "${alg}" and no signature`, bearer(() => forge({ ...es256, alg }, unsigned))],
      [`alg "${alg}" and a good signature`, bearer(() => forge({ ...es256, alg }, ecdsa()))],
    ]),
  ),
  "an empty signature": bearer(() => forge(es256, unsigned)),
  "half a signature": bearer(async () => (await goodToken()).slice(0, -43)),
  "no signature": bearer(async () => (await goodToken()).replace(/\.[^.]+$/, "")),
  "no payload": bearer(async () => (await goodToken()).replace(/\.[^.]+\./, "..")),
  "half a payload": bearer(async () => (await goodToken()).replace(/\.([^.]+)\./, (_, part) => `.${part.slice(40)}.`)),
  "a payload that is a list": bearer(() => forge(es256, ecdsa(), [])),
  "a fourth part": bearer(async () => `${await goodToken()}.e30`),
  "the five parts of an encrypted token": bearer(async () => `${encode({ alg: "dir", enc: "A256GCM" })}..AA.AA.AA`),
  "no token at all, but a word": bearer(async () => "opensesameopensesame"),
  "three words with dots": bearer(async () => "open.sesame.please"),
  "a token of more than 8 KB": bearer(() => tokenOfLength(8_193)),
  "a token of 100 KB": bearer(() => tokenOfLength(100_000)),
  "a good token under the scheme Basic": async () => `Basic ${await goodToken()}`,
  "a good token without a scheme": goodToken,
  "a good token under Bearer misspelt": async () => `Bearers ${await goodToken()}`,
  "two good tokens": async () => `Bearer ${await goodToken()} ${await goodToken()}`,
  "two good headers": async () => `Bearer ${await goodToken()}, Bearer ${await goodToken()}`,
  "a scheme and no token": async () => "Bearer ",
  "nothing but a comma": async () => ",",
};

function bearer(token: () => Promise<string>): () => Promise<string> {
  return async () => `Bearer ${await token()}`;
}

/** A good token of at least so many characters, and at most two more. */
async function tokenOfLength(length: number): Promise<string> {
  const padded = (characters: number) => mintToken("studio", studioKey, { claims: { pad: "x".repeat(characters) } });
  const bare = (await padded(0)).length;
  return padded(Math.ceil(((length - bare) * 3) / 4));
}

/** The log lines of the test's requests. */
let logged: string[];

beforeEach(() => {
  logged = [];
  for (const level of ["info", "warn", "error"] as const) {
    vi.spyOn(console, level).mockImplementation((...all) => void logged.push(all.join(" ")));
  }
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

async function studioDomain(): Promise<string> {
  const domain = newDomain();
  await configure(domain, { authenticationRequired: true, authNamespace: "studio" });
  return domain;
}

function expectRefused({ status, body, headers }: Reply): void {
  expect({ status, ...body }).toMatchObject({ status: 401, error: "DOM_AUTHENTICATION_REQUIRED", code: 503 });
  expect(headers.get("www-authenticate")).toBe("Bearer");
}

describe("an auth token that is as it should be", () => {
  it("is accepted under the scheme in any case", async () => {
    const domain = await studioDomain();
    for (const scheme of ["Bearer", "bearer", "BEARER"]) {
      const headers = { authorization: `${scheme} ${await goodToken()}` };
      expect((await register(domain, newGuid(), {}, headers)).status).toBe(201);
    }
  });

  it("is accepted when it was put together by hand as the refused ones below were", async () => {
    const headers = { authorization: `Bearer ${await forge(es256, ecdsa())}` };
    expect((await register(await studioDomain(), newGuid(), {}, headers)).status).toBe(201);
  });

  it("is accepted for one of several audiences", async () => {
    const token = await forge(es256, ecdsa(), { ...goodClaims(), aud: ["https://films.example", TEST_AUDIENCE] });
    const headers = { authorization: `Bearer ${token}` };
    expect((await register(await studioDomain(), newGuid(), {}, headers)).status).toBe(201);
  });

  it("is accepted up to 8 KB", async () => {
    const token = await tokenOfLength(8_190);
    expect(token.length).toBeGreaterThan(8_189);
    expect(token.length).toBeLessThan(8_193);
    const headers = { authorization: `Bearer ${token}` };
    expect((await register(await studioDomain(), newGuid(), {}, headers)).status).toBe(201);
  });
});

describe("a domain that requires a token refuses, and neither changes nor repeats anything, for", () => {
  it.each(Object.entries(REFUSED))("%s", async (_, makeHeader) => {
    await expectRefusedEverywhere(await makeHeader());
  });

  it.each(["SHA-256", "SHA-384", "SHA-512"])("an HMAC-%s keyed with the issuer's public key", async (hash) => {
    for (const secret of Object.values(await publicKeyForms())) {
      const alg = hash.replace("SHA-", "HS");
      await expectRefusedEverywhere(`Bearer ${await forge({ ...es256, alg }, hmac(hash, secret))}`);
    }
  });
});

/** Sends a header with every request a device can make, and looks at all that could come of it. */
async function expectRefusedEverywhere(authorization: string): Promise<void> {
  const fetched = vi.spyOn(globalThis, "fetch");
  const domain = await studioDomain();
  const member = newGuid();
  const joined = await register(domain, member, {}, { authorization: `Bearer ${await goodToken()}` });
  expect(joined.status).toBe(201);
  const before = await rows(domain);
  logged = [];
  const answers = [
    await register(domain, newGuid(), {}, { authorization }),
    await register(domain, member, {}, { authorization }),
    await deregister(domain, member, {}, { authorization }),
    await deregister(domain, member, { preview: true }, { authorization }),
  ];
  for (const answer of answers) expectRefused(answer);
  expect(await rows(domain)).toEqual(before);
  expect(fetched).not.toHaveBeenCalled();
  expect(logged.filter((line) => line.includes("DOM_AUTHENTICATION_REQUIRED"))).toHaveLength(answers.length);
  const told = [...logged, ...answers.map(({ body, headers }) => JSON.stringify([body, [...headers]]))].join("\n");
  // A word of a token is as good as the whole to its finder; short ones occur in any text.
  const secrets = authorization.split(/[ .,]+/).filter((word) => word.length > 12);
  expect(secrets.filter((secret) => told.includes(secret))).toEqual([]);
}

describe("clocks that differ", () => {
  // The server's clock stands still, so that a slow machine does not age a token.
  beforeEach(() => vi.useFakeTimers({ toFake: ["Date"] }));

  const statusOf = async (twist: Parameters<typeof mintToken>[2]) => {
    const headers = { authorization: `Bearer ${await mintToken("studio", studioKey, twist)}` };
    return (await register(await studioDomain(), newGuid(), {}, headers)).status;
  };

  it("are forgiven a minute when a token ends", async () => {
    expect(await statusOf({ expires: 1 })).toBe(201);
    expect(await statusOf({ expires: -59 })).toBe(201);
    expect(await statusOf({ expires: -60 })).toBe(401);
    expect(await statusOf({ expires: -61 })).toBe(401);
  });

  it("are forgiven a minute when a token begins", async () => {
    expect(await statusOf({ notBefore: 0 })).toBe(201);
    expect(await statusOf({ notBefore: 60 })).toBe(201);
    expect(await statusOf({ notBefore: 61 })).toBe(401);
  });
});

describe("an issuer with an entry for each of two audiences", () => {
  const entry = (namespace: string) => ({
    namespace,
    issuer: testIssuer("studio"),
    audience: `urn:${namespace}`,
    jwks: { keys: [studioPublicKey] },
  });
  const trusted = [entry("films"), entry("games")];

  it.each(["films", "games"])("speaks for the namespace of the audience: %s", async (namespace) => {
    const token = await mintToken("studio", studioKey, { audience: `urn:${namespace}` });
    for (const authNamespace of ["films", "games"]) {
      const { status } = await registerWhere(trusted, { authNamespace }, token);
      expect(status).toBe(authNamespace === namespace ? 201 : 401);
    }
  });

  it("has the request put off while the keys of the entry that may fit cannot be had, in either order", async () => {
    const { jwks, ...unreachable } = entry("films");
    expect(jwks.keys).toHaveLength(1);
    const away = { ...unreachable, jwksUri: "http://127.0.0.1:1/jwks" };
    const token = await mintToken("studio", studioKey, { audience: "urn:films" });
    for (const entries of [
      [away, entry("games")],
      [entry("games"), away],
    ]) {
      const { status } = await registerWhere(entries, { authNamespace: "films" }, token);
      expect(status).toBe(503);
    }
  });

  it("is refused for a third", async () => {
    const token = await mintToken("studio", studioKey, { audience: "urn:books" });
    expectRefused(await registerWhere(trusted, { authNamespace: null }, token));
  });
});

describe("an issuer that names the namespace in a claim", () => {
  const jwks = { keys: [studioPublicKey] };
  const namespaces = ["films", "games/*"];
  const trusted = [
    { namespaceClaim: "tenant", namespaces, issuer: testIssuer("studio"), audience: TEST_AUDIENCE, jwks },
  ];
  const tokenWith = (claims: Record<string, unknown>) => mintToken("studio", studioKey, { claims });

  it("gets no key of a domain that is pinned to another issuer's namespace", async () => {
    const { d, ...arcadeKey } = env.TEST_ISSUER_KEYS.arcade;
    const arcade = {
      namespace: "arcade",
      issuer: testIssuer("arcade"),
      audience: TEST_AUDIENCE,
      jwks: { keys: [arcadeKey] },
    };
    const settings = { authNamespace: "arcade" };
    const forged = await registerWhere([arcade, ...trusted], settings, await tokenWith({ tenant: "arcade" }));
    expect(forged.body).not.toHaveProperty("credentials");
    expectRefused(forged);
    const own = await mintToken("arcade", env.TEST_ISSUER_KEYS.arcade);
    expect((await registerWhere([arcade, ...trusted], settings, own)).status).toBe(201);
  });

  it.each(["books", "films/new", "film", "games", "Games/chess"])(
    "is refused for %s, which is none of its namespaces, even where any would do",
    async (tenant) => expectRefused(await registerWhere(trusted, { authNamespace: null }, await tokenWith({ tenant }))),
  );

  it("is taken at its word among its namespaces", async () => {
    const token = await tokenWith({ tenant: "films" });
    expect((await registerWhere(trusted, { authNamespace: "films" }, token)).status).toBe(201);
    expect((await registerWhere(trusted, { authNamespace: null }, token)).status).toBe(201);
    expectRefused(await registerWhere(trusted, { authNamespace: "games/chess" }, token));
    const chess = await tokenWith({ tenant: "games/chess" });
    expect((await registerWhere(trusted, { authNamespace: "games/chess" }, chess)).status).toBe(201);
  });

  it.each([
    ["no such claim", {}],
    ["an empty one", { tenant: "" }],
    ["a number", { tenant: 7 }],
    ["a list", { tenant: ["films"] }],
    ["null", { tenant: null }],
  ])("is refused with %s, even where any namespace would do", async (_, claims) => {
    expectRefused(await registerWhere(trusted, { authNamespace: null }, await tokenWith(claims)));
  });
});

/** Registers a new device in a new domain that requires a token, at a server that trusts these issuers. */
async function registerWhere(trusted: object[], settings: object, token: string): Promise<Reply> {
  const domain = newDomain();
  await configure(domain, { authenticationRequired: true, ...settings });
  const request = new Request(`${ORIGIN}/domains/${domain}/register`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ machineGuid: newGuid() }),
  });
  const response = await createApp().fetch(request, { ...env, TRUSTED_ISSUERS: JSON.stringify(trusted) });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

describe("whatever is sent as a token", () => {
  const issuer: TrustedIssuer = {
    namespace: "studio",
    operatorScopes: [],
    issuer: testIssuer("studio"),
    audience: TEST_AUDIENCE,
    jwks: { keys: [studioPublicKey as JWK] },
    cooldownSeconds: 0,
    timeoutSeconds: 1,
  };
  const verifier = new AuthTokenVerifier([issuer]);
  const kindOf = async (token: string) => (await verifier.verify(`Bearer ${token}`)).kind;

  // "Unavailable" would have the sender repeat, for ever, what can never succeed.
  it("is invalid if the issuer signed something else", async () => {
    const good = await goodToken();
    expect(await kindOf(good)).toBe("verified");
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    // All but the last character: four of its six bits belong to nothing, and may be anything.
    const place = fc.nat({ max: good.length - 2 });
    await fc.assert(
      fc.asyncProperty(place, fc.constantFrom(...alphabet), async (at, character) => {
        fc.pre(good[at] !== character);
        expect(await kindOf(good.slice(0, at) + character + good.slice(at + 1))).toBe("invalid");
      }),
    );
  });

  it("is invalid if the issuer signed nothing", async () => {
    const part = fc.oneof(
      fc.json().map((text) => base64url.encode(text)),
      fc.base64String(),
    );
    const header = fc.record(
      { alg: fc.constantFrom("ES256", "ES384", "RS256", "PS256", "EdDSA", "HS256", "none"), kid: fc.jsonValue() },
      { requiredKeys: [] },
    );
    const claims = fc.record({ iss: fc.constant(testIssuer("studio")), aud: fc.jsonValue(), exp: fc.jsonValue() });
    await fc.assert(
      fc.asyncProperty(fc.oneof(header.map(encode), part), fc.oneof(claims.map(encode), part), part, async (...all) => {
        expect(await kindOf(all.join("."))).toBe("invalid");
      }),
    );
  });
});

describe("an issuer whose keys cannot be had", () => {
  const entry = {
    operatorScopes: [],
    namespace: "studio",
    issuer: testIssuer("studio"),
    audience: TEST_AUDIENCE,
    timeoutSeconds: 5,
  };
  const jwksUri = "https://studio.example/jwks";

  /** How often the keys are asked for while `count` requests come, and what becomes of the last. */
  async function askedFor(count: number, cooldownSeconds: number): Promise<{ fetches: number; kind: string }> {
    const fetches = vi.spyOn(globalThis, "fetch").mockImplementation(async () => new Response("away", { status: 502 }));
    const verifier = new AuthTokenVerifier([{ ...entry, jwksUri, cooldownSeconds }]);
    const token = await mintToken("studio", studioKey);
    let kind = "";
    for (let asked = 0; asked < count; asked++) ({ kind } = await verifier.verify(`Bearer ${token}`));
    const counted = fetches.mock.calls.length;
    fetches.mockRestore();
    return { fetches: counted, kind };
  }

  it("is left alone for a while, and stays unavailable meanwhile", async () => {
    expect(await askedFor(5, 30)).toEqual({ fetches: 1, kind: "unavailable" });
  });

  it("is asked every time if it has no cooldown", async () => {
    expect(await askedFor(5, 0)).toEqual({ fetches: 5, kind: "unavailable" });
  });
});
