import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../scripts/ports.ts";
import { Clone } from "../support/node/newcomer.ts";

let clone: Clone;

beforeAll(async () => {
  clone = new Clone(await freePort());
  // As a deployment from this clone leaves it.
  const file = join(clone.folder, "wrangler.toml");
  const config = readFileSync(file, "utf8");
  const deployed = config.replace(/^DOMAIN_SERVER_URL = ".*"$/m, 'DOMAIN_SERVER_URL = "https://domains.example.com"');
  expect(deployed).toContain('https://domains.example.com"');
  writeFileSync(file, deployed);
});

afterAll(() => clone.remove());

describe("npm run dev", () => {
  const machineGuid = randomUUID();
  let secrets: string;

  it("writes secrets for its owner alone, migrates, and serves", async () => {
    const server = clone.dev();
    await clone.healthy(server);
    await clone.said(server, "/docs");
    secrets = readFileSync(join(clone.folder, ".dev.vars"), "utf8");
    expect(statSync(join(clone.folder, ".dev.vars")).mode & 0o777).toBe(0o600);
    expect(secrets).toMatch(/^ADMIN_TOKEN=\S{32,}$/m);
    const joined = await register(machineGuid);
    expect(joined.status).toBe(201);
    const { credentials } = (await joined.json()) as { credentials: [{ token: string }] };
    expect(decodeJwt(credentials[0].token).iss).toBe(clone.url);
    await clone.stopped(server);
    expect(server.output()).toContain(`console  ${clone.url}/console`);
    for (const secret of secrets.matchAll(/=(.*)$/gm)) expect(server.output()).not.toContain(secret[1]);
  });

  it("keeps secrets and data when it starts again, and puts none on a command line, where other users see it", async () => {
    const former = "a-former-admin-token-of-some-length";
    writeFileSync(join(clone.folder, ".dev.vars"), `${secrets}\nADMIN_TOKEN_PREVIOUS=${former}\n`);
    const server = clone.dev();
    await clone.healthy(server);
    expect(server.output()).toContain("ADMIN_TOKEN_PREVIOUS counts in deployments alone");
    expect((await register(machineGuid)).status).toBe(200);
    const commands = execFileSync("ps", ["-eo", "args", "-ww"], { encoding: "utf8" });
    expect(commands).toContain(`--port=${new URL(clone.url).port}`);
    for (const [, secret = ""] of secrets.matchAll(/=(.*)$/gm)) expect(commands).not.toContain(secret);
    expect(commands).not.toContain(former);

    const second = clone.dev();
    expect(await second.ended).toBe(1);
    expect(second.output()).toMatch(/^Port \d+ is in use: .*PORT=.*\.$/m);
    await clone.stopped(server);
    writeFileSync(join(clone.folder, ".dev.vars"), secrets);
  });

  it.each([
    ["a missing secret", (text: string) => text.replace(/^ADMIN_TOKEN=.*$/m, ""), "ADMIN_TOKEN is not set."],
    [
      "a secret that is not JSON",
      (text: string) => text.replace(/^(KEY_ENCRYPTION_KEYS)=.*$/m, "$1=oops"),
      "KEY_ENCRYPTION_KEYS is not JSON.",
    ],
    [
      "a key of the wrong kind",
      (text: string) => text.replace('"oct"', '"EC"'),
      "KEY_ENCRYPTION_KEYS is malformed at keys.0.kty",
    ],
  ])("says in a sentence what to do about %s", async (_, spoil, sentence) => {
    writeFileSync(join(clone.folder, ".dev.vars"), spoil(secrets));
    const server = clone.dev();
    expect(await server.ended).toBe(1);
    expect(server.output()).toContain(sentence);
    expect(server.output()).toContain("Mend it in .dev.vars");
    expect(server.output()).not.toMatch(/\n\s+at /);
    writeFileSync(join(clone.folder, ".dev.vars"), secrets);
  });
});

describe("npm run dev with other secrets than the data is wrapped with", () => {
  it("says in a sentence what is wrong, and how to start over", async () => {
    const file = join(clone.folder, ".dev.vars");
    const former = readFileSync(file, "utf8");
    rmSync(file);
    const server = clone.dev();
    await clone.said(server, "npm run reset");
    expect(server.output()).toContain("do not fit the local data");
    await clone.stopped(server);
    writeFileSync(file, former);
  });
});

function register(machineGuid: string): Promise<Response> {
  return fetch(`${clone.url}/domains/living-room/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ machineGuid }),
  });
}
