import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const checkout = process.cwd();
let copy: string;
let port: number;

beforeAll(async () => {
  // A clone as a newcomer has it, but with the dependencies of this checkout: installing them is the slow part.
  copy = mkdtempSync(join(tmpdir(), "device-domain-"));
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" });
  for (const file of files.trim().split("\n")) cpSync(join(checkout, file), join(copy, file));
  symlinkSync(join(checkout, "node_modules"), join(copy, "node_modules"));
  port = await freePort();
  // As a deployment from this clone leaves it.
  const config = readFileSync(join(copy, "wrangler.toml"), "utf8");
  const deployed = config.replace(/^DOMAIN_SERVER_URL = ".*"$/m, 'DOMAIN_SERVER_URL = "https://domains.example.com"');
  expect(deployed).toContain('https://domains.example.com"');
  writeFileSync(join(copy, "wrangler.toml"), deployed);
});

afterAll(() => {
  rmSync(copy, { recursive: true, force: true });
});

describe("npm run dev", () => {
  const machineGuid = randomUUID();
  let secrets: string;

  it("writes secrets for its owner alone, migrates, and serves", async () => {
    const server = run();
    await healthy(server);
    await said(server, "/docs");
    secrets = readFileSync(join(copy, ".dev.vars"), "utf8");
    expect(statSync(join(copy, ".dev.vars")).mode & 0o777).toBe(0o600);
    expect(secrets).toMatch(/^ADMIN_TOKEN=\S{32,}$/m);
    const joined = await register(machineGuid);
    expect(joined.status).toBe(201);
    const { credentials } = (await joined.json()) as { credentials: [{ token: string }] };
    expect(decodeJwt(credentials[0].token).iss).toBe(`http://localhost:${port}`);
    await stopped(server);
    expect(server.output()).toContain(`console  http://localhost:${port}/console`);
    for (const secret of secrets.matchAll(/=(.*)$/gm)) expect(server.output()).not.toContain(secret[1]);
  });

  it("keeps secrets and data when it starts again", async () => {
    const server = run();
    await healthy(server);
    expect(readFileSync(join(copy, ".dev.vars"), "utf8")).toBe(secrets);
    expect((await register(machineGuid)).status).toBe(200);

    const second = run();
    expect(await second.ended).toBe(1);
    expect(second.output()).toMatch(/^Port \d+ is in use: .*PORT=.*\.$/m);
    await stopped(server);
  });

  it.each([
    ["a missing secret", (text: string) => text.replace(/^ADMIN_TOKEN=.*$/m, ""), "ADMIN_TOKEN is not set."],
    [
      "a secret that is no JSON",
      (text: string) => text.replace(/^(KEY_ENCRYPTION_KEYS)=.*$/m, "$1=oops"),
      "KEY_ENCRYPTION_KEYS is not JSON.",
    ],
    [
      "a key of the wrong kind",
      (text: string) => text.replace('"oct"', '"EC"'),
      "KEY_ENCRYPTION_KEYS is malformed at keys.0.kty",
    ],
  ])("says in a sentence what to do about %s", async (_, spoil, sentence) => {
    writeFileSync(join(copy, ".dev.vars"), spoil(secrets));
    const server = run();
    expect(await server.ended).toBe(1);
    expect(server.output()).toContain(sentence);
    expect(server.output()).toContain("Mend it in .dev.vars");
    expect(server.output()).not.toMatch(/\n\s+at /);
    writeFileSync(join(copy, ".dev.vars"), secrets);
  });
});

describe("npm run dev with other secrets than the data is wrapped with", () => {
  it("says in a sentence what is wrong, and how to start over", async () => {
    const file = join(copy, ".dev.vars");
    const former = readFileSync(file, "utf8");
    rmSync(file);
    const server = run();
    await said(server, "npm run reset");
    expect(server.output()).toContain("do not fit the local data");
    await stopped(server);
    writeFileSync(file, former);
  });
});

type Run = { child: ChildProcess; output: () => string; ended: Promise<number | null> };

function run(): Run {
  const child = spawn("npm", ["run", "--silent", "dev"], { cwd: copy, env: { ...process.env, PORT: String(port) } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  return { child, output: () => output, ended };
}

async function healthy({ child, output }: Run): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the server ended early:\n${output()}`);
    const response = await fetch(`http://localhost:${port}/health`).catch(() => null);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Waits until it has said something. */
async function said({ child, output }: Run, text: string): Promise<void> {
  while (!output().includes(text)) {
    if (child.exitCode !== null) throw new Error(`the server ended early:\n${output()}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Ends npm as a supervisor would, and waits until nothing listens any more. */
async function stopped({ child, ended }: Run): Promise<void> {
  child.kill("SIGTERM");
  await ended;
  for (;;) {
    // It may go away in the middle of an answer, too.
    const answer = fetch(`http://localhost:${port}/health`).then((response) => response.text());
    if ((await answer.catch(() => null)) === null) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function register(machineGuid: string): Promise<Response> {
  return fetch(`http://localhost:${port}/domains/living-room/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ machineGuid }),
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, "localhost", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
