import { readFileSync } from "node:fs";
import fc from "fast-check";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { describe, expect, it } from "vitest";
import { newKeyEncryptionKey, newSigningKey } from "../../scripts/local-secrets.ts";
import { ConfigError, configOf, type Environment, REQUIRED_SECRETS, readConfig } from "../../src/server/config.ts";

/** Stands for whatever an operator may have put into a variable by mistake: no message may hold it. */
const SLIP = "slipped-in-by-mistake";

const wrappingKey = newKeyEncryptionKey();
const signingKey = await newSigningKey();
const { d, ...publicKey } = await newSigningKey();
const rsaKey = await exportJWK((await generateKeyPair("RS256", { extractable: true })).privateKey);
const issuer = { namespace: "studio", issuer: "https://studio.example", audience: "https://domains.example" };
const jwksUri = "https://studio.example/jwks";

const good = {
  KEY_ENCRYPTION_KEYS: keySet(wrappingKey),
  DOMAIN_AUTHORITY_KEYS: keySet(signingKey),
  ADMIN_TOKEN: "an-admin-token-of-thirty-two-characters",
} satisfies Environment;

function keySet(...keys: object[]): string {
  return JSON.stringify({ keys });
}

/** The environment that is good but for one variable. */
function withVariable(name: keyof Environment, value: unknown): Environment {
  return { ...good, [name]: typeof value === "string" ? value : JSON.stringify(value) };
}

function withIssuer(entry: object): Environment {
  return withVariable("TRUSTED_ISSUERS", [{ ...issuer, ...entry }]);
}

/** An issuer whose tokens say which of these namespaces they are for. */
function claiming(...namespaces: string[]) {
  return { ...issuer, namespace: undefined, namespaceClaim: "tenant", namespaces, jwksUri };
}

/** The error that an environment is refused with. */
function refusal(environment: Environment): ConfigError {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("The environment was accepted.");
}

/** Every string and number in a JSON text that is long enough not to be in a message by chance; else, the text. */
function valuesIn(text: string): string[] {
  const found: string[] = [];
  try {
    JSON.parse(text, (_, value) => {
      if (typeof value !== "object") found.push(String(value));
    });
  } catch {
    found.push(text);
  }
  return found.filter((value) => value.length > 6);
}

function expectOneSentence({ message, variable }: ConfigError, name: string, value = ""): void {
  expect(variable).toBe(name);
  expect(message).toMatch(new RegExp(`^${name} [^\\n]+[\\w")]\\.$`));
  expect(message).not.toMatch(/\. |\[object/);
  expect(valuesIn(value).filter((each) => message.includes(each))).toEqual([]);
}

describe("an environment with all that is needed", () => {
  it("is read, with defaults for the rest", () => {
    expect(readConfig(good)).toEqual({
      serverUrl: null,
      trustedIssuers: [],
      domainTokenLifetimeSeconds: 30 * 24 * 60 * 60,
      keyEncryptionKeys: [wrappingKey],
      domainAuthorityKeys: [signingKey],
      adminTokens: [good.ADMIN_TOKEN],
      access: null,
      logRetentionDays: null,
      domainCreation: "open",
      answerAfter: "object",
      domainDefaults: {},
      jurisdiction: null,
      locationHint: null,
      openDatabases: null,
      defaultRolloverIntervalSeconds: 0,
      corsOrigins: [],
    });
  });

  it("may leave variables empty that have defaults", () => {
    const empty = { DOMAIN_SERVER_URL: "", TRUSTED_ISSUERS: "", DOMAIN_TOKEN_LIFETIME_SECONDS: "" };
    const more = { DEVELOPMENT_ISSUER: "", DEFAULT_ROLLOVER_INTERVAL_SECONDS: "" };
    expect(readConfig({ ...good, ...empty, ...more })).toEqual(readConfig(good));
  });

  it("may have the admin token before beside the present one", () => {
    const former = "x".repeat(32);
    expect(readConfig({ ...good, ADMIN_TOKEN_PREVIOUS: former }).adminTokens).toEqual([good.ADMIN_TOKEN, former]);
    expect(readConfig({ ...good, ADMIN_TOKEN_PREVIOUS: "" }).adminTokens).toEqual([good.ADMIN_TOKEN]);
  });

  it("keeps several keys in their order", async () => {
    const wrapping = [wrappingKey, newKeyEncryptionKey(), newKeyEncryptionKey()];
    const signing = [signingKey, await newSigningKey()];
    const config = readConfig({
      ...good,
      KEY_ENCRYPTION_KEYS: keySet(...wrapping),
      DOMAIN_AUTHORITY_KEYS: keySet(...signing),
    });
    expect(config.keyEncryptionKeys).toEqual(wrapping);
    expect(config.domainAuthorityKeys).toEqual(signing);
  });

  it.each(["https://domains.example.com", "https://domains.example.com:8443", "http://localhost:8787"])(
    "takes %s for its address",
    (url) => {
      expect(readConfig(withVariable("DOMAIN_SERVER_URL", url)).serverUrl).toBe(url);
    },
  );

  it.each(["object", "database"])("may have a change answered after the %s has it", (store) => {
    expect(readConfig(withVariable("ANSWER_AFTER", store)).answerAfter).toBe(store);
  });

  it.each([
    ['{"maxMembership":5}', { maxMembership: 5 }],
    [
      '{"authenticationRequired":true,"authNamespace":"family"}',
      { authenticationRequired: true, authNamespace: "family" },
    ],
  ])("may have defaults for domains: %s", (text, settings) => {
    expect(readConfig(withVariable("DOMAIN_DEFAULTS", text)).domainDefaults).toEqual(settings);
  });

  it.each([
    ['{"maxMembers":5}', "DOMAIN_DEFAULTS is malformed: Unrecognized key"],
    ['{"maxMembership":-1}', "DOMAIN_DEFAULTS is malformed at maxMembership:"],
    [
      '{"authNamespace":"family"}',
      "DOMAIN_DEFAULTS is malformed at authNamespace: needs authenticationRequired to be true",
    ],
    ["[]", "DOMAIN_DEFAULTS is malformed"],
  ])("has no defaults for domains that are wrong: %s", (text, message) => {
    expect(() => readConfig(withVariable("DOMAIN_DEFAULTS", text))).toThrow(message);
  });

  it.each([60, 86_400, 31_536_000])("takes %d seconds for a token's life", (seconds) => {
    const config = readConfig(withVariable("DOMAIN_TOKEN_LIFETIME_SECONDS", String(seconds)));
    expect(config.domainTokenLifetimeSeconds).toBe(seconds);
  });

  it.each([0, 86_400, 31_536_000])("takes %d seconds between automatic rollovers", (seconds) => {
    const config = readConfig(withVariable("DEFAULT_ROLLOVER_INTERVAL_SECONDS", String(seconds)));
    expect(config.defaultRolloverIntervalSeconds).toBe(seconds);
  });

  it("trusts the development issuer after the others", () => {
    const config = readConfig({
      ...withIssuer({ jwksUri }),
      DEVELOPMENT_ISSUER: JSON.stringify({ ...issuer, namespace: "local", jwks: { keys: [publicKey] } }),
    });
    expect(config.trustedIssuers.map(({ namespace }) => namespace)).toEqual(["studio", "local"]);
  });

  it("is checked once", () => {
    const environment = { ...good };
    expect(configOf(environment)).toBe(configOf(environment));
    expect(configOf({ ...good })).not.toBe(configOf(environment));
  });
});

describe("a trusted issuer", () => {
  it("has defaults for its times, and lets no operator in", () => {
    expect(readConfig(withIssuer({ jwksUri })).trustedIssuers).toEqual([
      { ...issuer, jwksUri, operatorScopes: [], cooldownSeconds: 30, timeoutSeconds: 5 },
    ]);
  });

  it("may set them", () => {
    const times = { cooldownSeconds: 0, timeoutSeconds: 0.5 };
    expect(readConfig(withIssuer({ jwksUri, ...times })).trustedIssuers).toMatchObject([times]);
  });

  it("may have its keys inline, and its namespace in a claim", () => {
    const entry = { ...claiming("studio", "acme/*"), jwksUri: undefined, jwks: { keys: [publicKey] } };
    const [read] = readConfig(withVariable("TRUSTED_ISSUERS", [entry])).trustedIssuers;
    expect(read).toMatchObject({ namespaces: ["studio", "acme/*"], jwks: { keys: [publicKey] } });
  });

  it.each([
    "https://studio.example/jwks",
    "https://10.0.0.1/jwks?tenant=7",
    "http://localhost:3000/jwks",
    "http://127.0.0.1:3000/jwks",
    "http://127.9.9.9/jwks",
    "http://[::1]:3000/jwks",
    "HTTP://LOCALHOST/jwks",
  ])("may have its keys at %s", (url) => {
    expect(readConfig(withIssuer({ jwksUri: url })).trustedIssuers).toMatchObject([{ jwksUri: url }]);
  });

  it.each([
    "http://studio.example/jwks",
    "http://localhost.studio.example/jwks",
    "http://studio.example/localhost",
    "http://localhost@studio.example/jwks",
    "http://127.0.0.1.studio.example/jwks",
    "http://128.0.0.1/jwks",
    "http://10.0.0.1/jwks",
    "http://0.0.0.0/jwks",
    "http://[::2]/jwks",
    "ftp://localhost/jwks",
    "file:///etc/jwks.json",
    "data:application/json,{}",
    "javascript:void(0)",
    "//studio.example/jwks",
    "studio.example/jwks",
    "https://",
    "",
  ])("may not have its keys at %s", (url) => {
    const error = refusal(withIssuer({ jwksUri: url }));
    expectOneSentence(error, "TRUSTED_ISSUERS", JSON.stringify(url));
    expect(error.message).toContain("0.jwksUri: must be an https URL, or http on a loopback address.");
  });
});

describe("an issuer that names its namespaces in a claim", () => {
  const other = { ...issuer, issuer: "https://other.example", jwksUri };
  const refused = (...entries: object[]) => {
    const error = refusal(withVariable("TRUSTED_ISSUERS", entries));
    expectOneSentence(error, "TRUSTED_ISSUERS", JSON.stringify(entries));
    return error.message;
  };

  it.each([
    [["studio"], "studio"],
    [["games", "stu*"], "studio"],
    [["studio*"], "studio"],
    [["*"], "studio"],
  ])("is refused, in either order, where %j has %s of another issuer", (namespaces, namespace) => {
    const remedy =
      "TRUSTED_ISSUERS has entries 0 and 1 with a namespace in common, so give each issuer namespaces of its own.";
    expect(refused({ ...other, namespace }, claiming(...namespaces))).toBe(remedy);
    expect(refused(claiming(...namespaces), { ...other, namespace })).toBe(remedy);
  });

  it.each([
    [["acme/*"], ["acme/films"]],
    [["acme/*"], ["acme/films/*"]],
    [["acme/films/*"], ["games", "acme/*"]],
    [["acme/*"], ["acme/*"]],
    [["games"], ["games"]],
  ])("is refused where its namespaces %j overlap with %j of another such issuer", (some, others) => {
    const entries = [claiming(...some), { ...claiming(...others), issuer: "https://other.example" }];
    expect(refused({ ...other, namespace: "elsewhere" }, ...entries)).toContain("entries 1 and 2");
  });

  it("may be the development issuer, for any namespace: a deployment has none", () => {
    const local = { ...claiming("*"), issuer: "urn:local" };
    const config = readConfig({ ...withIssuer({ jwksUri }), DEVELOPMENT_ISSUER: JSON.stringify(local) });
    expect(config.trustedIssuers).toHaveLength(2);
  });

  it.each([
    [["acme/*"], { namespace: "acme" }],
    [["acme/*"], { namespace: "acme2/films" }],
    [["studio"], { namespace: "studios" }],
    [["studio/*", "games"], { namespaceClaim: "tenant", namespaces: ["studios/*", "game"] }],
  ])("is trusted where %j is apart from %j of another issuer", (namespaces, apart) => {
    const entries = [claiming(...namespaces), { ...other, namespace: undefined, ...apart }];
    expect(readConfig(withVariable("TRUSTED_ISSUERS", entries)).trustedIssuers).toHaveLength(2);
  });

  it("may have an entry for each of two audiences", () => {
    const entries = [claiming("acme/*"), { ...claiming("acme/*"), audience: "urn:games" }];
    expect(readConfig(withVariable("TRUSTED_ISSUERS", entries)).trustedIssuers).toHaveLength(2);
  });
});

describe("an issuer whose subjects have domains", () => {
  const domains = (name: string, more: object = {}) => ({ domains: { name, ...more } });
  const other = { ...issuer, issuer: "https://other.example", namespace: "arcade", jwksUri };
  const refused = (...entries: object[]) => {
    const error = refusal(withVariable("TRUSTED_ISSUERS", entries));
    expectOneSentence(error, "TRUSTED_ISSUERS", JSON.stringify(entries));
    return error.message;
  };

  it("says how they are called, and what settings they are born with", () => {
    const entry = domains("{namespace}:{sub}", { maxMembershipClaim: "dlimit", maxMembership: 5, whenFull: "refuse" });
    expect(readConfig(withIssuer({ jwksUri, ...entry })).trustedIssuers).toMatchObject([entry]);
  });

  it("is refused with its place, and the place of what is wrong", () => {
    expect(refused({ ...issuer, jwksUri, ...domains("home:{tier}") })).toBe(
      "TRUSTED_ISSUERS is malformed at 0.domains.name: must hold {sub}, the subject of the token.",
    );
    expect(refused(other, { ...issuer, jwksUri, ...domains("home:{sub}", { maxMembership: -1 }) })).toContain(
      "malformed at 1.domains.maxMembership",
    );
  });

  it.each([
    ["home:{sub}", "home:{sub}"],
    ["home:{sub}", "home:tv:{sub}"],
    ["studio-{namespace}-{sub}", "studio{sub}"],
  ])("is refused, in either order, where names of %s may be those of %s of another issuer", (one, another) => {
    const entries = [
      { ...issuer, jwksUri, ...domains(one) },
      { ...other, ...domains(another) },
    ];
    const problem = "whose domains could have the same name, so have their names begin differently";
    expect(refused({ ...other, issuer: "urn:third", namespace: "third" }, ...entries.reverse())).toBe(
      `TRUSTED_ISSUERS has entries 1 and 2 ${problem}.`,
    );
    expect(refused(...entries.reverse())).toBe(`TRUSTED_ISSUERS has entries 0 and 1 ${problem}.`);
  });

  it("shares its namespace with no other issuer: its subjects are not the other's", () => {
    const entries = [
      { ...issuer, jwksUri, ...domains("home:{sub}") },
      { ...other, namespace: issuer.namespace },
    ];
    expect(refused(...entries)).toContain("entries 0 and 1 with a namespace in common");
    expect(refused(...entries.reverse())).toContain("entries 0 and 1 with a namespace in common");
    const without = entries.map((entry) => ({ ...entry, domains: undefined }));
    expect(readConfig(withVariable("TRUSTED_ISSUERS", without)).trustedIssuers).toHaveLength(2);
  });

  it("may have an entry for each of two audiences, and another issuer beside it", () => {
    const entry = { ...issuer, jwksUri, ...domains("{namespace}:{sub}") };
    const entries = [entry, { ...entry, audience: "urn:tv" }, { ...other, ...domains("{namespace}:{sub}") }];
    expect(readConfig(withVariable("TRUSTED_ISSUERS", entries)).trustedIssuers).toHaveLength(3);
  });
});

describe("an issuer at which owners sign in", () => {
  const place = (twist: object) => {
    const error = refusal(withIssuer({ jwksUri, signIn: { clientId: "page" }, ...twist }));
    expectOneSentence(error, "TRUSTED_ISSUERS", JSON.stringify([twist]));
    return error.message.replace("TRUSTED_ISSUERS is malformed at 0.", "");
  };

  it("says as which client, and asks for openid unless it says more", () => {
    const [plain] = readConfig(withIssuer({ jwksUri, signIn: { clientId: "page" } })).trustedIssuers;
    expect(plain?.signIn).toEqual({ clientId: "page", scope: "openid" });
    const signIn = { clientId: "page", scope: "openid devices:manage" };
    expect(readConfig(withIssuer({ jwksUri, signIn })).trustedIssuers).toMatchObject([{ signIn }]);
    const here = { issuer: "http://127.0.0.1:8080/realms/home", jwksUri, signIn };
    expect(readConfig(withIssuer(here)).trustedIssuers).toMatchObject([{ signIn }]);
  });

  it.each([
    ["type", SLIP, "signIn"],
    ["empty client", { clientId: "" }, "signIn.clientId"],
    ["client with a secret", { clientId: "page", clientSecret: SLIP }, "signIn"],
    ["scope with a quotation mark", { clientId: "page", scope: `openid "${SLIP}"` }, "signIn.scope"],
    ["scope with two spaces", { clientId: "page", scope: `openid  ${SLIP}` }, "signIn.scope"],
    ["empty scope", { clientId: "page", scope: "" }, "signIn.scope"],
  ])("is refused with its place for a wrong one: %s", (_, signIn, where) => {
    expect(place({ signIn })).toMatch(new RegExp(`^${where}: `));
  });

  it.each([
    ["urn:studio", "an https URL, or http on a loopback address"],
    ["http://studio.example", "an https URL, or http on a loopback address"],
    ["https://studio.example;script-src", "an https URL, or http on a loopback address"],
    ["https://studio.example/?tenant=1", "without query and fragment"],
    ["https://studio.example/#home", "without query and fragment"],
  ])("is refused where the page could not read the configuration of %s", (name, problem) => {
    expect(place({ issuer: name })).toMatch(new RegExp(`^signIn: needs an issuer .*${problem}\\.$`));
  });
});

describe("each variable that is needed", () => {
  it("is a secret that wrangler.toml requires", () => {
    const required = /^required = (\[.*\])$/m.exec(readFileSync("wrangler.toml", "utf8"))?.[1];
    expect(REQUIRED_SECRETS).toEqual(JSON.parse(required as string));
  });

  it.each(REQUIRED_SECRETS)("is named when it is not set: %s", (name) => {
    expect(refusal({ ...good, [name]: undefined }).message).toBe(`${name} is not set.`);
    expect(refusal({ ...good, [name]: "" }).message).toBe(`${name} is not set.`);
  });
});

const keySetFaults = {
  "is not JSON": SLIP,
  "is JSON cut short": `{"keys":[{"k":"${SLIP}"`,
  "is a JSON string": JSON.stringify(SLIP),
  "is null": "null",
  "is a bare list": [{ k: SLIP }],
  "is a bare key": { kty: "oct", k: SLIP },
  "has keys that are no list": { keys: SLIP },
  "holds no key": { keys: [] },
  "holds a string for a key": { keys: [SLIP] },
};

const wrappingKeys = (twist: object) => ({ keys: [wrappingKey, { ...wrappingKey, kid: "second", ...twist }] });
const signingKeys = (twist: object) => ({ keys: [signingKey, { ...signingKey, kid: "second", ...twist }] });
const trusted = (twist: object) => [{ ...issuer, jwksUri, ...twist }];
const inline = (...keys: unknown[]) => [{ ...issuer, jwks: { keys } }];

const MALFORMED: Partial<Record<keyof Environment, Record<string, unknown>>> = {
  KEY_ENCRYPTION_KEYS: {
    ...keySetFaults,
    "holds the same kid twice": wrappingKeys({ kid: wrappingKey.kid }),
    "holds a key without kid": wrappingKeys({ kid: undefined }),
    "holds a key with an empty kid": wrappingKeys({ kid: "" }),
    "holds a key whose kid is a number": wrappingKeys({ kid: 12_345_678 }),
    "holds a key without k": wrappingKeys({ k: undefined }),
    "holds a key of 128 bits": wrappingKeys({ k: "A".repeat(22) }),
    "holds a key of 384 bits": wrappingKeys({ k: "A".repeat(64) }),
    "holds a key in base64": wrappingKeys({ k: `${"A".repeat(42)}+` }),
    "holds a key of another type": wrappingKeys({ kty: "EC" }),
    "holds a signing key": { keys: [signingKey] },
  },
  DOMAIN_AUTHORITY_KEYS: {
    ...keySetFaults,
    "holds the same kid twice": signingKeys({ kid: signingKey.kid }),
    "holds a key without kid": signingKeys({ kid: undefined }),
    "holds a public key": { keys: [publicKey] },
    "holds a key on another curve": signingKeys({ crv: "P-384" }),
    "holds a key with a short coordinate": signingKeys({ x: "A".repeat(42) }),
    "holds a key with a coordinate in base64": signingKeys({ y: `${"A".repeat(42)}/` }),
    "holds a key with a number in it": signingKeys({ d: 12_345_678 }),
    "holds a key of another type": signingKeys({ kty: "OKP" }),
    "holds a wrapping key": { keys: [wrappingKey] },
    "holds an RSA key": { keys: [{ ...rsaKey, kid: "rsa" }] },
  },
  ADMIN_TOKEN: {
    "is short": SLIP,
    "is one character short": "x".repeat(31),
    "ends with a line break": `${"x".repeat(32)}\n`,
  },
  ADMIN_TOKEN_PREVIOUS: { "is short": SLIP },
  DOMAIN_SERVER_URL: {
    "is no URL": SLIP,
    "has no scheme": "domains.example.com",
    "has a path": `https://domains.example.com/${SLIP}`,
    "ends in a slash": "https://domains.example.com/",
    "has capitals": "https://Domains.example.com",
    "has the usual port": "https://domains.example.com:443",
    "has a user": `https://${SLIP}@domains.example.com`,
    "has a query": `https://domains.example.com?${SLIP}`,
    "is http elsewhere than here": "http://domains.example.com",
    "is of another scheme": "ftp://domains.example.com",
    "has a space": " https://domains.example.com",
  },
  TRUSTED_ISSUERS: {
    "is not JSON": SLIP,
    "is one issuer": { ...issuer, jwksUri },
    "is null": "null",
    "holds a string": [SLIP],
    "has a member nobody knows": trusted({ clientSecret: SLIP }),
    "has no issuer": trusted({ issuer: undefined }),
    "has an empty issuer": trusted({ issuer: "" }),
    "has no audience": trusted({ audience: undefined }),
    "has an empty audience": trusted({ audience: "" }),
    "has a list of audiences": trusted({ audience: [SLIP] }),
    "has no namespace": trusted({ namespace: undefined }),
    "has an empty namespace": trusted({ namespace: "" }),
    "has a namespace longer than a domain's can be": trusted({ namespace: SLIP.repeat(7) }),
    "has a namespace and a claim for it": trusted({ namespaceClaim: SLIP }),
    "has a claim for its namespaces and does not say which": [{ ...claiming(), namespaces: undefined }],
    "has a claim for none of its namespaces": [claiming()],
    "has an empty namespace among several": [claiming("studio", "")],
    "has a namespace with a * in its midst": [claiming(`${SLIP}/*/films`)],
    "has namespaces and no claim for them": trusted({ namespaces: [SLIP] }),
    "has domains without a name": trusted({ domains: { maxMembership: 5 } }),
    "has domains whose name holds no subject": trusted({ domains: { name: `${SLIP}:{namespace}` } }),
    "has domains whose name no domain may have": trusted({ domains: { name: `${SLIP}/{sub}` } }),
    "has domains with a setting nobody knows": trusted({ domains: { name: "home:{sub}", limit: SLIP } }),
    "has domains with an owner": trusted({ domains: { name: "home:{sub}", ownerSubject: SLIP } }),
    "has domains with a maximum that is no number": trusted({ domains: { name: "home:{sub}", maxMembership: SLIP } }),
    "has no keys": trusted({ jwksUri: undefined }),
    "has keys twice": trusted({ jwks: { keys: [publicKey] } }),
    "has an empty key set": inline(),
    "has a bare key": [{ ...issuer, jwks: publicKey }],
    "has a private EC key": inline({ ...publicKey, d }),
    "has a private RSA key": inline(rsaKey),
    "has a private Ed25519 key": inline({ kty: "OKP", crv: "Ed25519", x: "A".repeat(43), d: "B".repeat(43) }),
    "has a secret key": inline(wrappingKey),
    "has a string for a key": inline(SLIP),
    "has a cooldown below zero": trusted({ cooldownSeconds: -1 }),
    "has a cooldown that is no number": trusted({ cooldownSeconds: SLIP }),
    "has no time for a fetch": trusted({ timeoutSeconds: 0 }),
    "has too much time for a fetch": trusted({ timeoutSeconds: 31 }),
    "is wrong in its second entry": [...trusted({}), ...trusted({ issuer: 12_345_678 })],
  },
  DEVELOPMENT_ISSUER: {
    "is not JSON": SLIP,
    "is a list": trusted({}),
    "has its private key": { ...issuer, jwks: { keys: [signingKey] } },
    "has keys on the way": { ...issuer, jwksUri: `http://${SLIP}.example/jwks` },
  },
  DOMAIN_TOKEN_LIFETIME_SECONDS: {
    "is no number": SLIP,
    "has a unit": "30 days, or so",
    "is too short": "59",
    "is too long": "31536001",
    "is below zero": "-2592000",
    "is a fraction": "2592000.5",
  },
  DEFAULT_ROLLOVER_INTERVAL_SECONDS: {
    "is no number": SLIP,
    "has a unit": "7 days, or so",
    "is below zero": "-86400123",
    "is too long": "31536001",
    "is a fraction": "86400123.5",
  },
};

describe.each(Object.entries(MALFORMED))("%s is refused, without repeating it, when it", (name, faults) => {
  it.each(Object.entries(faults))("%s", (_, value) => {
    const environment = withVariable(name as keyof Environment, value);
    expectOneSentence(refusal(environment), name, environment[name as keyof Environment]);
  });
});

describe("whatever is wrong with a key set", () => {
  it("is said without a word of the keys", () => {
    const sets = { KEY_ENCRYPTION_KEYS: wrappingKey, DOMAIN_AUTHORITY_KEYS: signingKey } satisfies Record<string, JWK>;
    const slips = fc.jsonValue().map((value) => [SLIP, value]);
    for (const [name, key] of Object.entries(sets)) {
      const required = Object.keys(key).filter((member) => member !== "alg");
      fc.assert(
        fc.property(fc.constantFrom(...required), slips, (member, slip) => {
          const text = keySet({ ...key, [member]: slip });
          expectOneSentence(refusal({ ...good, [name]: text }), name, keySet({ ...key, [member]: SLIP }));
        }),
      );
    }
  });

  it("is said with its place", () => {
    const { message } = refusal(withVariable("KEY_ENCRYPTION_KEYS", wrappingKeys({ k: "A".repeat(22) })));
    expect(message).toBe("KEY_ENCRYPTION_KEYS is malformed at keys.1.k: must be 32 bytes in base64url.");
  });
});
