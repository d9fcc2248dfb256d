import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
// @ts-expect-error: oidc-provider comes without types
import { Provider } from "oidc-provider";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newSigningKey } from "../../scripts/local-secrets.ts";
import { freePort } from "../../scripts/ports.ts";
import { startServer, type TestServer } from "../support/node/server.ts";

const AUDIENCE = "https://domains.example";
const CLIENT = { id: "a-device", secret: "a-secret-of-the-device" };

/** The faults of an issuer that is asked for its keys. Nothing but these keeps its tokens from being good ones. */
const BROKEN: Record<string, (response: ServerResponse, honestKeys: string) => void> = {
  "answers with a web page": (response) => response.setHeader("content-type", "text/html").end("<h1>Welcome</h1>"),
  "answers with status 500": (response, honestKeys) => response.writeHead(500).end(honestKeys),
  "sends the server elsewhere": (response) => response.writeHead(302, { location: "/honest" }).end(),
  "answers with JSON null": (response) => response.end("null"),
  "answers with a list": (response, honestKeys) => response.end(JSON.stringify(JSON.parse(honestKeys).keys)),
  "answers with keys that are no list": (response) => response.end('{"keys":"none"}'),
  "answers with a key that is no point of its curve": (response, honestKeys) =>
    response.end(honestKeys.replaceAll(/"x":"[^"]+"/g, `"x":"${"A".repeat(43)}"`)),
  "answers with its private keys": (response) => response.end(JSON.stringify({ keys: [honestKey] })),
  "hangs up": (response) => response.destroy(),
  "never answers": () => {},
  "stops in the middle of its answer": (response, honestKeys) => response.write(honestKeys.slice(0, 20)),
};

let provider: Awaited<ReturnType<typeof startProvider>>;
let brokenIssuers: Server;
let honestKey: JWK;
let server: TestServer;
const tokensSent: string[] = [];

beforeAll(async () => {
  provider = await startProvider(await freePort(), await newSigningKey());
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  honestKey = { ...(await exportJWK(privateKey)), kid: "honest", alg: "ES256" };
  brokenIssuers = await startBrokenIssuers();
  const keysAt = (path: string) => `${originOf(brokenIssuers)}/${encodeURIComponent(path)}`;
  const loose = { audience: AUDIENCE, cooldownSeconds: 0, timeoutSeconds: 1 };
  server = await startServer({
    vars: {
      TRUSTED_ISSUERS: JSON.stringify([
        // Time enough for a busy machine: this one does answer.
        { ...loose, namespace: "studio", issuer: provider.issuer, jwksUri: provider.jwksUri, timeoutSeconds: 30 },
        { ...loose, namespace: "honest", issuer: "urn:honest", jwksUri: keysAt("honest"), timeoutSeconds: 30 },
        { ...loose, namespace: "nowhere", issuer: "urn:nowhere", jwksUri: `http://127.0.0.1:${await freePort()}/jwks` },
        ...Object.keys(BROKEN).map((name) => ({
          ...loose,
          namespace: name,
          issuer: `urn:${name}`,
          jwksUri: keysAt(name),
        })),
      ]),
    },
  });
});

afterAll(async () => {
  await Promise.all([server?.stop(), provider?.stop(), brokenIssuers && closed(brokenIssuers)]);
});

describe("a domain that requires tokens of an OpenID provider", () => {
  it("lets a device with a token join, renew and leave", async () => {
    const domain = await domainOf("studio");
    const machineGuid = crypto.randomUUID();
    const token = await provider.token();
    expect((await ask("POST", `/domains/${domain}/register`, { machineGuid }, token)).status).toBe(201);
    expect((await ask("POST", `/domains/${domain}/register`, { machineGuid }, token)).status).toBe(200);
    const left = await ask("POST", `/domains/${domain}/deregister`, { machineGuid }, token);
    expect(left.body).toMatchObject({ deregistered: true });
  });

  it("turns a device without one away", async () => {
    const domain = await domainOf("studio");
    const before = await stateOf(domain);
    expectRefused(await register(domain));
    expect(await stateOf(domain)).toEqual(before);
  });

  it("turns away a token that the provider issued for another service", async () => {
    const domain = await domainOf("studio");
    expectRefused(await register(domain, await provider.token("https://films.example")));
  });

  it("turns away another issuer's token", async () => {
    const domain = await domainOf("studio");
    expectRefused(await register(domain, await tokenOf("urn:honest")));
  });

  it("goes on while the provider is away, on the keys it had", async () => {
    const domain = await domainOf("studio");
    const token = await provider.token();
    expect((await register(domain, token)).status).toBe(201);
    await provider.stop();
    expect((await register(domain, token)).status).toBe(201);
    provider = await startProvider(provider.port, provider.key);
  });

  it("takes tokens of the provider's new key, and no longer those of the withdrawn one", async () => {
    const domain = await domainOf("studio");
    const old = await provider.token();
    expect((await register(domain, old)).status).toBe(201);
    await provider.stop();
    provider = await startProvider(provider.port, await newSigningKey());
    expect((await register(domain, await provider.token())).status).toBe(201);
    expectRefused(await register(domain, old));
  });

  it("asks for patience while a new key cannot be fetched, and takes the same token once it can", async () => {
    const domain = await domainOf("studio");
    await provider.stop();
    provider = await startProvider(provider.port, await newSigningKey());
    const token = await provider.token();
    await provider.stop();
    const before = await stateOf(domain);
    expectUnavailable(await register(domain, token));
    expect(await stateOf(domain)).toEqual(before);
    provider = await startProvider(provider.port, provider.key);
    expect((await register(domain, token)).status).toBe(201);
  });
});

describe("an issuer that cannot be reached", () => {
  it("has every request put off, and changes nothing", async () => {
    const domain = newDomain();
    const member = crypto.randomUUID();
    await register(domain, undefined, member);
    await configure(domain, { authenticationRequired: true, authNamespace: "nowhere" });
    const token = await tokenOf("urn:nowhere");
    const before = await stateOf(domain);
    expectUnavailable(await register(domain, token));
    expectUnavailable(await register(domain, token, member));
    expectUnavailable(await ask("POST", `/domains/${domain}/deregister`, { machineGuid: member }, token));
    expectUnavailable(
      await ask("POST", `/domains/${domain}/deregister`, { machineGuid: member, preview: true }, token),
    );
    expect(await stateOf(domain)).toEqual(before);
  });

  it("does not matter where the domain requires no authentication", async () => {
    expect((await register(newDomain(), await tokenOf("urn:nowhere"))).status).toBe(201);
  });

  it("does not matter for the tokens of another issuer", async () => {
    const domain = await domainOf(null);
    expectUnavailable(await register(domain, await tokenOf("urn:nowhere")));
    expect((await register(domain, await tokenOf("urn:honest"))).status).toBe(201);
  });
});

describe("an issuer that, asked for its keys,", () => {
  it.each(Object.keys(BROKEN))("%s has the request put off, and changes nothing", async (name) => {
    const domain = await domainOf(name);
    const before = await stateOf(domain);
    expectUnavailable(await register(domain, await tokenOf(`urn:${name}`)));
    expect(await stateOf(domain)).toEqual(before);
  });
});

it("the server's log says why a request was refused, and holds no token", async () => {
  expectRefused(await register(await domainOf("studio"), await tokenOf("urn:honest")));
  expect(server.output()).toContain('"error":"DOM_AUTHENTICATION_REQUIRED"');
  expect(tokensSent.filter((token) => server.output().includes(token))).toEqual([]);
});

/** An OpenID provider with one signing key; its access tokens are JWTs for the service they are asked for. */
async function startProvider(port: number, key: JWK) {
  const issuer = `http://127.0.0.1:${port}`;
  const oidc = new Provider(issuer, {
    jwks: { keys: [key] },
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: "ES256",
      },
    ],
    ttl: { ClientCredentials: 600 },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_: unknown, resource: string) => ({
          scope: "",
          audience: resource,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
  });
  const http = await listening(createServer(oidc.callback()), port);
  const discovered = await fetch(`${issuer}/.well-known/openid-configuration`);
  const { jwks_uri: jwksUri, token_endpoint: tokenEndpoint } = (await discovered.json()) as Record<string, string>;
  return {
    issuer,
    jwksUri,
    port,
    key,
    stop: () => closed(http),
    async token(resource = AUDIENCE): Promise<string> {
      const response = await fetch(tokenEndpoint as string, {
        method: "POST",
        headers: { authorization: `Basic ${btoa(`${CLIENT.id}:${CLIENT.secret}`)}` },
        body: new URLSearchParams({ grant_type: "client_credentials", resource }),
      });
      const { access_token: token } = (await response.json()) as { access_token?: string };
      if (!token) throw new Error(`The provider gave no token: ${response.status}`);
      return token;
    },
  };
}

/** Issuers that do as `BROKEN` says, each at its own path, and one that does what it should. */
function startBrokenIssuers(): Promise<Server> {
  const { d, ...publicKey } = honestKey;
  const honestKeys = JSON.stringify({ keys: [publicKey] });
  const answer = (request: { url?: string | undefined }, response: ServerResponse) => {
    const misbehave = BROKEN[decodeURIComponent((request.url as string).slice(1))];
    response.setHeader("content-type", "application/json");
    if (misbehave) misbehave(response, honestKeys);
    else response.end(honestKeys);
  };
  return listening(createServer(answer), 0);
}

async function listening(http: Server, port: number): Promise<Server> {
  // No connection outlives its answer: one to a server that is gone would fail the request after its return.
  http.prependListener("request", (_, response) => response.setHeader("connection", "close"));
  http.listen(port, "127.0.0.1");
  await once(http, "listening");
  return http;
}

async function closed(http: Server): Promise<void> {
  if (!http.listening) return;
  const close = once(http, "close");
  http.close();
  http.closeAllConnections();
  await close;
}

function originOf(http: Server): string {
  return `http://127.0.0.1:${(http.address() as { port: number }).port}`;
}

/** A token that is good for an issuer with the honest key. */
function tokenOf(issuer: string): Promise<string> {
  return new SignJWT()
    .setProtectedHeader({ alg: "ES256", kid: "honest" })
    .setIssuer(issuer)
    .setAudience(AUDIENCE)
    .setExpirationTime("10 minutes")
    .sign(honestKey);
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape, and assert what they find
type Reply = { status: number; body: any; headers: Headers };

async function ask(method: string, path: string, body?: object, token?: string): Promise<Reply> {
  if (token !== undefined) tokensSent.push(token);
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      ...(body ? { "content-type": "application/json" } : {}),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: body ? JSON.stringify(body) : null,
  });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

function register(domain: string, token?: string, machineGuid: string = crypto.randomUUID()): Promise<Reply> {
  return ask("POST", `/domains/${domain}/register`, { machineGuid }, token);
}

function configure(domain: string, settings: object): Promise<Reply> {
  return ask("PUT", `/admin/domains/${domain}`, settings, server.adminToken);
}

let count = 0;

function newDomain(): string {
  return `domain-${++count}`;
}

/** A new domain that requires a token of an auth namespace, or of any. */
async function domainOf(authNamespace: string | null): Promise<string> {
  const domain = newDomain();
  expect((await configure(domain, { authenticationRequired: true, authNamespace })).status).toBe(201);
  return domain;
}

/** The operator's view of a domain. Every change moves its revision. */
async function stateOf(domain: string): Promise<unknown> {
  const { body } = await ask("GET", `/admin/domains/${domain}`, undefined, server.adminToken);
  expect(body).toMatchObject({ domain, revision: expect.any(Number), memberCount: expect.any(Number) });
  return body;
}

function expectRefused({ status, body, headers }: Reply): void {
  expect({ status, ...body }).toMatchObject({ status: 401, error: "DOM_AUTHENTICATION_REQUIRED", code: 503 });
  expect(headers.get("www-authenticate")).toBe("Bearer");
}

function expectUnavailable({ status, body, headers }: Reply): void {
  expect({ status, ...body }).toMatchObject({ status: 503, error: "TEMPORARILY_UNAVAILABLE" });
  expect(body).not.toHaveProperty("code");
  expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
}
