import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { AuthTokenVerifier } from "../../src/server/auth/auth-tokens.ts";
import { OperatorVerifier } from "../../src/server/auth/operators.ts";
import type { TrustedIssuer } from "../../src/server/auth/trusted-issuers.ts";
import { mintToken, TEST_AUDIENCE, testIssuer } from "../support/issuers.ts";
import { configure, newDomain, newGuid, ORIGIN } from "../support/worker/client.ts";

const MANY = 200;
const studioKey = env.TEST_ISSUER_KEYS.studio;
const { d: _, ...studioPublicKey } = studioKey;

const entry: TrustedIssuer = {
  namespace: "studio",
  issuer: testIssuer("studio"),
  audience: TEST_AUDIENCE,
  jwksUri: "https://studio.example/jwks",
  operatorScopes: [],
  cooldownSeconds: 30,
  timeoutSeconds: 20,
};

afterEach(() => vi.restoreAllMocks());

/** An issuer that is asked for its keys over the network, each time as `respond` has it. */
function issuerThat(respond: () => Promise<Response>) {
  const fetches = vi.spyOn(globalThis, "fetch").mockImplementation(respond);
  return { fetches: () => fetches.mock.calls.length };
}

async function keySet(): Promise<Response> {
  await scheduler.wait(30);
  return Response.json({ keys: [studioPublicKey] });
}

const goodToken = () => mintToken("studio", studioKey);
const tokensOfUnknownKeys = () =>
  Promise.all(
    Array.from({ length: MANY }, (_, n) => mintToken("studio", studioKey, { header: { kid: `unknown-${n}` } })),
  );

/** The statuses of as many requests at once, each with a token, and how often each. */
async function statusesOf(app: ReturnType<typeof createApp>, vars: object, domain: string, tokens: readonly string[]) {
  const statuses = await Promise.all(
    tokens.map(async (token) => {
      const request = new Request(`${ORIGIN}/domains/${domain}/register`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        body: JSON.stringify({ machineGuid: newGuid() }),
      });
      const response = await app.fetch(request, vars as Env);
      await response.body?.cancel();
      return response.status;
    }),
  );
  return Object.fromEntries(
    [...new Set(statuses)].map((each) => [each, statuses.filter((other) => other === each).length]),
  );
}

async function server() {
  const domain = newDomain();
  await configure(domain, { authenticationRequired: true, authNamespace: "studio" });
  const [app, vars] = [createApp(), { ...env, TRUSTED_ISSUERS: JSON.stringify([entry]) }];
  return (tokens: readonly string[]) => statusesOf(app, vars, domain, tokens);
}

describe("an issuer's keys", () => {
  it(`are fetched once for ${MANY} requests at once with unknown kids, and not again while it is left alone`, async () => {
    const send = await server();
    const issuer = issuerThat(keySet);
    expect(await send(await tokensOfUnknownKeys())).toEqual({ 401: MANY });
    expect(issuer.fetches()).toBe(1);
    expect(await send(await tokensOfUnknownKeys())).toEqual({ 401: MANY });
    expect(await send([await goodToken()])).toEqual({ 201: 1 });
    expect(issuer.fetches()).toBe(1);
  });

  it("are fetched once for as many good tokens at once, and all are served", async () => {
    const send = await server();
    const issuer = issuerThat(keySet);
    expect(await send(await Promise.all(Array.from({ length: MANY }, goodToken)))).toEqual({ 201: MANY });
    expect(issuer.fetches()).toBe(1);
  });

  it("are asked for once if that fails, and all requests are put off", async () => {
    const send = await server();
    const issuer = issuerThat(async () => new Response((await keySet()).body, { status: 502 }));
    expect(await send(await Promise.all(Array.from({ length: MANY }, goodToken)))).toEqual({ 503: MANY });
    expect(issuer.fetches()).toBe(1);
  });

  it("serve known kids while a fetch for unknown ones is under way, and bring a new key to all who wait", async () => {
    const answer = Promise.withResolvers<Response>();
    const known = [Promise.resolve(Response.json({ keys: [studioPublicKey] })), answer.promise];
    const issuer = issuerThat(() => known[issuer.fetches() - 1] as Promise<Response>);
    const verifier = new AuthTokenVerifier([{ ...entry, cooldownSeconds: 0 }]);
    const verify = async (token: string) => (await verifier.verify(`Bearer ${token}`)).kind;
    expect(await verify(await goodToken())).toBe("verified");
    const newToken = await mintToken("studio", studioKey, { header: { kid: "studio-2" } });
    const waiting = Promise.all(Array.from({ length: MANY }, () => verify(newToken)));
    expect(await verify(await goodToken())).toBe("verified");
    answer.resolve(Response.json({ keys: [{ ...studioPublicKey, kid: "studio-2" }] }));
    expect(new Set(await waiting)).toEqual(new Set(["verified"]));
    expect(issuer.fetches()).toBe(2);
  });

  it("are fetched anew after a fetch that was lost, and requests wait no longer than one may take", async () => {
    const lost = Promise.withResolvers<Response>();
    const issuer = issuerThat(() => (issuer.fetches() === 1 ? lost.promise : keySet()));
    const verifier = new AuthTokenVerifier([{ ...entry, timeoutSeconds: 1 }]);
    const token = await goodToken();
    const verify = async () => (await verifier.verify(`Bearer ${token}`)).kind;
    const first = verify();
    while (issuer.fetches() === 0) await scheduler.wait(1);
    expect(await verify()).toBe("unavailable");
    expect(issuer.fetches()).toBe(1);
    expect(await verify()).toBe("verified");
    expect(issuer.fetches()).toBe(2);
    lost.resolve(Response.json({ keys: [studioPublicKey] }));
    expect(await first).toBe("verified");
  });

  it("are fetched once for all entries of one address, and for devices and operators together", async () => {
    const issuer = issuerThat(keySet);
    const entries = [
      { ...entry, audience: "urn:films" },
      { ...entry, audience: "urn:operators", operatorScopes: ["domains:read" as const] },
    ];
    const operators = new OperatorVerifier({ adminTokens: [], trustedIssuers: entries, access: null });
    const devices = new AuthTokenVerifier(entries);
    for (const token of await tokensOfUnknownKeys()) {
      const authorization = `Bearer ${token}`;
      expect((await operators.verify({ authorization, accessAssertion: undefined })).kind).toBe("invalid");
      expect((await devices.verify(authorization)).kind).toBe("invalid");
    }
    expect(issuer.fetches()).toBe(1);
  });
});
