import { exportJWK, generateKeyPair, type JWK } from "jose";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { OperatorVerifier } from "../../src/server/auth/operators.ts";
import type { TrustedIssuer } from "../../src/server/auth/trusted-issuers.ts";
import { mintToken, type TokenTwist } from "../support/issuers.ts";

const ADMIN_TOKEN = "the-admin-token-of-this-very-verifier";
const TEAM = "https://team.example";
const AUDIENCE = "32eafc7626e737f6";
const ALL = ["domains:read", "domains:write", "domains:evict", "metrics:read"];

async function newKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: "ES256" };
}

function issuer(key: JWK, more: Partial<TrustedIssuer>): TrustedIssuer {
  const { d, ...publicJwk } = key;
  return {
    namespace: "operators",
    issuer: TEAM,
    audience: AUDIENCE,
    jwks: { keys: [publicJwk] },
    operatorScopes: [],
    cooldownSeconds: 30,
    timeoutSeconds: 5,
    ...more,
  };
}

let [accessKey, strangersKey, issuersKey]: JWK[] = [];
beforeAll(async () => {
  [accessKey, strangersKey, issuersKey] = await Promise.all(["access", "access", "issuer"].map(newKey));
});

afterEach(() => vi.restoreAllMocks());

function verifier(more: { access?: TrustedIssuer | null; trustedIssuers?: TrustedIssuer[] } = {}): OperatorVerifier {
  const access = issuer(accessKey as JWK, {});
  return new OperatorVerifier({ adminTokens: [ADMIN_TOKEN], trustedIssuers: [], access, ...more });
}

/** An assertion of the team's, good unless twisted. */
function assertion(twist: TokenTwist = {}, key = accessKey as JWK): Promise<string> {
  return mintToken("office", key, { issuer: TEAM, audience: AUDIENCE, ...twist });
}

const shows = async (accessAssertion: string | undefined, authorization?: string, by = verifier()) =>
  by.verify({ authorization, accessAssertion });

describe("an assertion of Cloudflare Access", () => {
  it.each([
    [{ email: "ada@team.example", sub: "7335d417" }, "access:ada@team.example"],
    [{ common_name: "a-service-token", sub: "" }, "access:a-service-token"],
    [{ sub: "7335d417" }, "access:7335d417"],
  ])("lets in whom Access let in: %j", async (claims, identity) => {
    const operator = { identity, scopes: ALL };
    expect(await shows(await assertion({ claims }))).toEqual({ kind: "verified", operator });
  });

  it("may be for several audiences, as those of Access are", async () => {
    const claims = { aud: ["another", AUDIENCE] };
    const token = await assertion({ claims });
    expect(await shows(token)).toMatchObject({ kind: "verified" });
  });

  const WRONG: [string, () => Promise<string>][] = [
    ["for another audience", () => assertion({ audience: "f737e6267cfae23" })],
    ["for a part of the audience", () => assertion({ audience: AUDIENCE.slice(0, -1) })],
    ["of another team", () => assertion({ issuer: "https://other-team.example" })],
    ["of the team in another spelling", () => assertion({ issuer: `${TEAM}/` })],
    ["that has expired", () => assertion({ expires: -3600 })],
    ["that never expires", () => assertion({ expires: null })],
    ["that is not valid yet", () => assertion({ notBefore: 3600, expires: 7200 })],
    ["signed with another key under the same kid", () => assertion({}, strangersKey)],
    ["changed after it was signed", async () => changed(await assertion({ claims: { email: "eve@team.example" } }))],
    ["without a signature", async () => (await assertion()).replace(/[^.]+$/, "")],
    ["that is none", async () => "assertion"],
    ["that is the admin token", async () => ADMIN_TOKEN],
  ];

  it.each(WRONG)("%s lets nobody in", async (_, mint) => {
    const token = await mint();
    expect(await shows(token)).toMatchObject({ kind: "invalid" });
  });

  it.each(WRONG)("%s does not spoil the admin token beside it", async (_, mint) => {
    const operator = { identity: "admin-token", scopes: ALL };
    expect(await shows(await mint(), `Bearer ${ADMIN_TOKEN}`)).toEqual({ kind: "verified", operator });
  });

  it("lets nobody in where Access is not configured", async () => {
    expect(await shows(await assertion(), undefined, verifier({ access: null }))).toMatchObject({ kind: "invalid" });
  });

  it("is no bearer token", async () => {
    expect(await shows(undefined, `Bearer ${await assertion()}`)).toMatchObject({ kind: "invalid" });
  });

  it("cannot be checked while the team's keys cannot be had, which is not the operator's fault", async () => {
    vi.spyOn(globalThis, "fetch").mockRejectedValue(new TypeError("nobody there"));
    const { jwks, ...access } = issuer(accessKey as JWK, { jwksUri: `${TEAM}/cdn-cgi/access/certs` });
    const by = verifier({ access });
    expect(await shows(await assertion(), undefined, by)).toMatchObject({ kind: "unavailable" });
    expect(await shows(await assertion(), `Bearer ${ADMIN_TOKEN}`, by)).toMatchObject({ kind: "verified" });
  });
});

describe("a token of a trusted issuer", () => {
  const bearer = async (scope: unknown) =>
    `Bearer ${await mintToken("office", issuersKey as JWK, { issuer: TEAM, audience: AUDIENCE, claims: { scope } })}`;

  it("gives the scopes that both it and the issuer's configuration name", async () => {
    const reader = issuer(issuersKey as JWK, { operatorScopes: ["domains:read", "domains:evict"] });
    const by = verifier({ access: null, trustedIssuers: [reader] });
    expect(await shows(undefined, await bearer("domains:write domains:evict other"), by)).toEqual({
      kind: "verified",
      operator: { identity: `${TEAM}#someone`, scopes: ["domains:evict"] },
    });
    expect(await shows(undefined, await bearer("domains:write"), by)).toMatchObject({ operator: { scopes: [] } });
  });

  it("gives nothing if the issuer may not name operators", async () => {
    const by = verifier({ access: null, trustedIssuers: [issuer(issuersKey as JWK, {})] });
    expect(await shows(undefined, await bearer(ALL.join(" ")), by)).toMatchObject({ kind: "invalid" });
  });
});

/** A token whose claims somebody else changed. */
function changed(token: string): string {
  const [header, claims, signature] = token.split(".") as [string, string, string];
  const text = atob(claims.replaceAll("-", "+").replaceAll("_", "/")).replace("eve", "ada");
  return `${header}.${btoa(text).replaceAll("=", "")}.${signature}`;
}
