import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
// @ts-expect-error: oidc-provider comes without types
import { Provider } from "oidc-provider";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newSigningKey } from "../../scripts/local-secrets.ts";
import { signIn } from "../support/oidc-login.ts";
import { freePort, startServer, type TestServer } from "../support/server.ts";

/** A block of the document: what it is written in, its text, and of a command what it is said to answer. */
type Block = Readonly<{ language: string; text: string; answer: object | null }>;

const DOCUMENT = readFileSync("docs/households.md", "utf8");
const APP = { clientId: "an-app", redirectUri: "http://127.0.0.1:7777/signed-in" };
/** How many devices people may have, if not as many as all. */
const LIMITS: Readonly<Record<string, number>> = { carol: 1 };

const dir = mkdtempSync(join(tmpdir(), "households-"));
let provider: Server;
let issuer: string;
let server: TestServer;
let shell: Shell;
let tokens: { alice: string; bob: string; carol: string };

beforeAll(async () => {
  const [providerPort, port] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  issuer = `http://127.0.0.1:${providerPort}`;
  provider = await startProvider(providerPort);
  const entry = written(blocks().find(({ language }) => language === "json")?.text ?? "", url);
  server = await startServer({ port, vars: { TRUSTED_ISSUERS: entry } });
  const token = (person: string) => signIn(issuer, { ...APP, resource: url }, person);
  tokens = { alice: await token("alice"), bob: await token("bob"), carol: await token("carol") };
  shell = new Shell({ ALICE: tokens.alice, BOB: tokens.bob, ADMIN_TOKEN: server.adminToken });
});

afterAll(async () => {
  shell?.end();
  await server?.stop();
  provider?.close();
  rmSync(dir, { recursive: true, force: true });
});

describe("docs/households.md", () => {
  it("says what happens: each command, in order, answers as it is written", async () => {
    let ran = 0;
    for (const { language, text, answer } of blocks()) {
      if (language === "ts") expect(await program(text)).toBe("member 1\n");
      if (language !== "sh") continue;
      const output = await shell.run(written(text, server.url));
      expect(answer, text).not.toBeNull();
      expect(JSON.parse(output), text).toMatchObject(answer as object);
      ran++;
    }
    expect(ran).toBeGreaterThan(8);
  });
});

describe("a subscriber's token", () => {
  const device = crypto.randomUUID();

  it.each([
    ["join", "POST", "/register", { machineGuid: device }],
    ["renew", "POST", "/register", { machineGuid: "6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77" }],
    ["leave", "POST", "/deregister", { machineGuid: "6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77" }],
    ["ask whether it may leave", "POST", "/deregister", { machineGuid: device, preview: true }],
    ["see devices", "GET", "/devices", undefined],
    ["remove devices", "DELETE", "/devices", undefined],
  ])("lets nobody %s in another subscriber's domain", async (_, method, path, body) => {
    const before = await overview("family:alice");
    const answer = await ask(method, `/domains/family:alice${path}`, tokens.bob, body);
    expect(answer.status).toBe(401);
    expect(await overview("family:alice")).toEqual(before);
  });

  it("names how many devices its subscriber may have", async () => {
    const join = () =>
      ask("POST", "/domains/family:carol/register", tokens.carol, { machineGuid: crypto.randomUUID() });
    expect((await join()).status).toBe(201);
    expect((await join()).status).toBe(409);
    expect(await overview("family:carol")).toMatchObject({ maxMembership: 1, memberCount: 1 });
  });
});

/** The blocks of the document. A block of JSON right after a command is what the command answers. */
function blocks(): readonly Block[] {
  const found = [...DOCUMENT.matchAll(/^```(\w+)\n(.*?)^```$(\n```json\n(.*?)^```$)?/gms)];
  return found.map(([, language = "", text = "", , answer]) => ({
    language,
    text,
    answer: answer === undefined ? null : JSON.parse(answer),
  }));
}

/** A text of the document with the addresses of this test. */
function written(text: string, url: string): string {
  return text.replaceAll("https://login.example.com", issuer).replaceAll("https://domains.example.com", url);
}

/** What a program of the document prints. */
async function program(text: string): Promise<string> {
  const client = pathToFileURL("src/client/index.ts").href;
  const file = join(dir, "device.ts");
  const code = written(text, server.url).replace("device-domain-server/client", client);
  writeFileSync(file, `const token = process.env.ALICE as string;\n${code}`);
  const env = { ...process.env, ALICE: tokens.alice, NODE_NO_WARNINGS: "1" };
  return (await promisify(execFile)(process.execPath, [file], { env })).stdout;
}

/** One shell for all commands: later ones use what earlier ones set. */
class Shell {
  readonly #bash: ChildProcess;
  #output = "";

  constructor(variables: Record<string, string>) {
    this.#bash = spawn("bash", [], { env: { ...process.env, ...variables }, stdio: ["pipe", "pipe", "inherit"] });
    this.#bash.stdout?.on("data", (chunk) => {
      this.#output += chunk;
    });
  }

  /** @returns what the commands print */
  async run(commands: string): Promise<string> {
    this.#output = "";
    this.#bash.stdin?.write(`${commands}\nprintf '\\n@@done\\n'\n`);
    while (!this.#output.endsWith("\n@@done\n")) await once(this.#bash.stdout as NodeJS.ReadableStream, "data");
    return this.#output.slice(0, -"\n@@done\n".length);
  }

  end(): void {
    this.#bash.stdin?.end();
  }
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
        grant_types: ["authorization_code"],
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
