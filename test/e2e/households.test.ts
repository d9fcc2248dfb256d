import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
// @ts-expect-error: oidc-provider comes without types
import { Provider } from "oidc-provider";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newSigningKey } from "../../scripts/local-secrets.ts";
import { freePort } from "../../scripts/ports.ts";
import { trustedIssuer } from "../../src/server/auth/trusted-issuers.ts";
import { confirmDevice, signIn } from "../support/node/oidc-login.ts";
import { startServer, type TestServer } from "../support/node/server.ts";
import { FAILED, Shell } from "../support/node/shell.ts";

/** A block of the document: what it is written in, its text, and what it is said to print; null if that is not said. */
type Block = Readonly<{ language: string; text: string; output: string | null }>;

const DOCUMENT = readFileSync("docs/households.md", "utf8");
const APP = { clientId: "tv", redirectUri: "http://127.0.0.1:7777/signed-in" };
/** How many devices people may have, if not as many as all. */
const LIMITS: Readonly<Record<string, number>> = { carol: 1 };

const dir = mkdtempSync(join(tmpdir(), "households-"));
let providers: readonly Server[];
let addresses: readonly (readonly [string, string])[];
let server: TestServer;
let shell: Shell;
let tokens: Readonly<{ bob: string; carol: string; dora: string }>;

beforeAll(async () => {
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  const [url, issuer, other] = ports.map((port) => `http://127.0.0.1:${port}`) as [string, string, string];
  addresses = [
    ["https://domains.example.com", url],
    ["https://login.example.com", issuer],
    ["https://tenant.auth0.com/.well-known/jwks.json", `${other}/jwks`],
    ["https://tenant.auth0.com/", other],
  ];
  providers = [await startProvider(ports[1]), await startProvider(ports[2])];
  server = await startServer({ port: ports[0], vars: { TRUSTED_ISSUERS: JSON.stringify(entries()) } });
  const token = (person: string, at = issuer) => signIn(at, { ...APP, resource: url }, person);
  tokens = { bob: await token("bob"), carol: await token("carol"), dora: await token("dora") };
  shell = new Shell(dir, { BOB: tokens.bob, SMITH: await token("auth0|507f", other), ADMIN_TOKEN: server.adminToken });
});

afterAll(async () => {
  shell?.end();
  await server?.stop();
  for (const provider of providers ?? []) provider.close();
  rmSync(dir, { recursive: true, force: true });
});

describe("docs/households.md", () => {
  it("says what happens: each command and program, in order, prints what is written", async () => {
    const printed = { sh: 0, ts: 0 };
    for (const { language, text, output } of blocks()) {
      if (language !== "sh" && language !== "ts") continue;
      const actual = await shell.run(language === "sh" ? written(text) : program(written(text)));
      expect(actual, text).not.toContain(FAILED);
      if (output === null) continue;
      if (language === "ts") expect(actual).toBe(output);
      else expect(JSON.parse(actual), text).toMatchObject(JSON.parse(written(output)));
      printed[language]++;
      const address = /"verification_uri_complete":"([^"]+)"/.exec(actual)?.[1];
      if (address) await confirmDevice(address, "alice");
    }
    expect(printed).toEqual({ sh: 11, ts: 3 });
  });

  it("names settings that the server takes", () => {
    const [entry] = entries();
    const named = [...DOCUMENT.matchAll(/`("\w+": [^`]+)`/g)].map(([, member]) => JSON.parse(`{${member}}`));
    const { signIn: page, ...settings } = Object.assign({}, ...named);
    expect(Object.keys(settings)).toEqual(expect.arrayContaining(["maxMembership", "whenFull", "minIdleDays"]));
    const domains = { ...(entry?.domains as object), ...settings };
    expect(trustedIssuer.safeParse({ ...entry, signIn: page, domains }).error).toBeUndefined();
    expect(page).toEqual({ clientId: "devices-page" });
  });
});

describe("a subscriber's token", () => {
  const device = crypto.randomUUID();
  beforeAll(async () => {
    const joined = await ask("POST", "/domains/family:dora/register", tokens.dora, { machineGuid: device });
    expect(joined.status).toBe(201);
  });

  it.each([
    ["join", "POST", "/register", { machineGuid: crypto.randomUUID() }],
    ["renew", "POST", "/register", { machineGuid: device }],
    ["leave", "POST", "/deregister", { machineGuid: device }],
    ["ask whether it may leave", "POST", "/deregister", { machineGuid: device, preview: true }],
    ["see devices", "GET", "/devices", undefined],
    ["remove devices", "DELETE", "/devices", undefined],
  ])("lets nobody %s in another subscriber's domain", async (_, method, path, body) => {
    const before = await overview("family:dora");
    expect(before).toMatchObject({ memberCount: 1 });
    const answer = await ask(method, `/domains/family:dora${path}`, tokens.bob, body);
    expect(answer).toMatchObject({ status: 401, body: { error: "DOM_AUTHENTICATION_REQUIRED" } });
    expect(await overview("family:dora")).toEqual(before);
  });

  it("names how many devices its subscriber may have", async () => {
    const join = () =>
      ask("POST", "/domains/family:carol/register", tokens.carol, { machineGuid: crypto.randomUUID() });
    expect((await join()).status).toBe(201);
    expect((await join()).status).toBe(409);
    expect(await overview("family:carol")).toMatchObject({ maxMembership: 1, memberCount: 1 });
  });
});

/** The blocks of the document. One right after a command or a program is what that prints. */
function blocks(): readonly Block[] {
  const found = [...DOCUMENT.matchAll(/^```(\w+)\n(.*?)^```$(?:\n```(?:json|text)\n(.*?)^```$)?/gms)];
  return found.map(([, language = "", text = "", output = null]) => ({ language, text, output }));
}

/** The entries for `TRUSTED_ISSUERS` that the document has. */
function entries(): readonly Record<string, unknown>[] {
  return blocks().flatMap(({ language, text }) => (language === "json" ? JSON.parse(written(text)) : []));
}

/** A text of the document with the addresses of this test. */
function written(text: string): string {
  return addresses.reduce((result, [address, actual]) => result.replaceAll(address, actual), text);
}

/** The command that runs a program of the document. */
function program(text: string): string {
  const library = (name: string) => pathToFileURL(name === "client" ? "src/client/index.ts" : `src/${name}.ts`).href;
  const code = text.replaceAll(/"device-domain-server\/([\w/-]+)"/g, (_, name) => JSON.stringify(library(name)));
  writeFileSync(join(dir, "program.ts"), code);
  return `NODE_NO_WARNINGS=1 '${process.execPath}' program.ts`;
}

/** An OpenID provider as part 1 of the document wants it, whose development pages let anybody in by any name. */
async function startProvider(port: number): Promise<Server> {
  const oidc = new Provider(`http://127.0.0.1:${port}`, {
    jwks: { keys: [await newSigningKey()] },
    clients: [
      {
        client_id: APP.clientId,
        token_endpoint_auth_method: "none",
        redirect_uris: [APP.redirectUri],
        grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
        response_types: ["code"],
        application_type: "native",
        id_token_signed_response_alg: "ES256",
      },
    ],
    cookies: { keys: ["a-cookie-key-of-the-test"] },
    findAccount: (_: unknown, sub: string) => ({ accountId: sub, claims: () => ({ sub }) }),
    extraTokenClaims: (_: unknown, { accountId }: { accountId: string }) => {
      const dlimit = LIMITS[accountId];
      return dlimit === undefined ? {} : { dlimit };
    },
    features: {
      deviceFlow: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_: unknown, resource: string) => ({
          ...{ scope: "openid", audience: resource, accessTokenFormat: "jwt" },
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
  });
  const http = createServer(oidc.callback());
  http.listen(port, "127.0.0.1");
  await once(http, "listening");
  return http;
}

async function ask(method: string, path: string, token: string, body?: object) {
  const headers = { authorization: `Bearer ${token}`, ...(body ? { "content-type": "application/json" } : {}) };
  const response = await fetch(`${server.url}${path}`, { method, headers, body: body ? JSON.stringify(body) : null });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** A domain as its operator sees it, but for what is told of the copy. */
async function overview(domain: string): Promise<Record<string, unknown>> {
  const { copiedRevision, copySecondsBehind, ...rest } = (
    await ask("GET", `/admin/domains/${domain}`, server.adminToken)
  ).body;
  return rest;
}
