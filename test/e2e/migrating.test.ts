import { spawnSync } from "node:child_process";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CompactEncrypt, calculateJwkThumbprint, decodeJwt, importJWK, type JWK } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DeviceDomain, MemoryStore } from "../../src/client/index.ts";
import { encryptToDomain } from "../../src/licence/index.ts";
import { audit } from "../support/node/audit.ts";
import { startServer, type TestServer } from "../support/node/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.stop());

const DOMAIN = "living-room";
const MEMBERS = [randomUUID(), randomUUID(), randomUUID()] as const;
/** A domain key of the other system. */
const KEY = newPrivateKey();

function newPrivateKey(): JWK {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }) as JWK;
}

/** Runs `npm run wrap-keys` on lines. */
function wrapKeys(lines: readonly (object | string)[], ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/wrap-keys.ts", ...args], {
    input: lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join(""),
    encoding: "utf8",
    env: { ...process.env, KEY_ENCRYPTION_KEYS: server.secrets.KEY_ENCRYPTION_KEYS },
  });
  return { status, stdout, stderr };
}

async function load(name: string, sql: string): Promise<void> {
  const file = join(server.dir, name);
  writeFileSync(file, sql);
  await server.loadDatabase(file);
}

async function ask(method: string, path: string, body?: object) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${server.adminToken}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  return { status: response.status, body: (await response.json()) as any };
}

const open = (machineGuid: string) =>
  DeviceDomain.open(`${server.url}/domains/${DOMAIN}`, { store: new MemoryStore(), machineGuid });

const text = (plaintext: Uint8Array) => new TextDecoder().decode(plaintext);

describe("a domain of another system", () => {
  let fromBefore: string;

  it("is loaded into the database by its three tables", async () => {
    const { status, stdout, stderr } = wrapKeys([{ domain: DOMAIN, keyVersion: 1, privateJwk: KEY }]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).not.toContain(KEY.d);
    await load("keys.sql", stdout);
    const rows = MEMBERS.map((machineGuid) => `('${DOMAIN}', '${machineGuid}')`);
    await load("members.sql", `insert into domain_membership (domain, machine_guid) values ${rows.join(", ")};`);
    await load("domains.sql", `insert into domain_server_info (domain, max_membership) values ('${DOMAIN}', 3);`);

    // What a licence server of the other system encrypted to its key.
    const { d: _, ...publicJwk } = KEY;
    fromBefore = await new CompactEncrypt(new TextEncoder().encode("from before"))
      .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM", kid: await calculateJwkThumbprint(publicJwk) })
      .encrypt(await importJWK(publicJwk, "ECDH-ES+A256KW"));
  });

  it("serves its members the key they had, and a new one", async () => {
    const device = await open(MEMBERS[0]);
    expect(await device.join()).toEqual({ newMember: false, keyVersion: 2 });
    expect(text(await device.decrypt(fromBefore))).toBe("from before");
    expect(decodeJwt(device.domainToken as string)).toMatchObject({ sub: DOMAIN, key_version: 2 });
    const secret = await encryptToDomain(`${server.url}/domains/${DOMAIN}`, "from now on");
    const another = await open(MEMBERS[1]);
    expect(await another.join()).toEqual({ newMember: false, keyVersion: 2 });
    for (const each of [device, another]) expect(text(await each.decrypt(secret))).toBe("from now on");
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 2 });
  });

  it("counts its members against its maximum", async () => {
    const newcomer = await open(randomUUID());
    await expect(newcomer.join()).rejects.toMatchObject({ error: "DOM_LIMIT_REACHED" });
    const leaver = await open(MEMBERS[2]);
    await leaver.join();
    await leaver.leave();
    expect(await newcomer.join()).toEqual({ newMember: true, keyVersion: 3 });
    expect(text(await newcomer.decrypt(fromBefore))).toBe("from before");
  });

  it("has a log that begins with its take-over, and stands an audit", async () => {
    const { body } = await ask("GET", `/admin/domains/${DOMAIN}/log?order=oldest`);
    expect(body.entries[0]).toMatchObject({
      previous: null,
      changes: [
        {
          type: "domain-taken-over",
          settings: { maxMembership: 3, authenticationRequired: false },
          keyVersion: 1,
          retiredUpTo: 0,
          memberCount: 3,
        },
      ],
    });
    expect(await audit(server, DOMAIN)).toMatchObject({
      code: 0,
      found: { domain: DOMAIN, members: 3, keyVersion: 3, problems: [] },
    });
  });

  it("is in the database again after each change", async () => {
    const { status, body } = await ask("POST", `/admin/domains/${DOMAIN}/copy`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ copiedRevision: body.revision, copySecondsBehind: 0, memberCount: 3 });
    const { body: page } = await ask("GET", "/admin/domains?prefix=living");
    expect(page.domains).toMatchObject([{ domain: DOMAIN, memberCount: 3, keyVersion: 3, revision: body.revision }]);
    expect((await ask("GET", "/health")).status).toBe(200);
  });
});

describe("npm run wrap-keys", () => {
  const line = (keyVersion: number, privateJwk: object = newPrivateKey()) => ({
    domain: "den",
    keyVersion,
    privateJwk,
  });

  it("writes the rows as JSON Lines, too", () => {
    const { status, stdout } = wrapKeys([line(1), "", line(2)], "--json");
    expect(status).toBe(0);
    const rows = stdout.trim().split("\n");
    expect(rows.map((row) => JSON.parse(row))).toMatchObject([
      { domain: "den", key_version: 1 },
      { domain: "den", key_version: 2 },
    ]);
  });

  it("adds the public half where it is left out, and names the key by its thumbprint", async () => {
    const { kty, crv, d, x, y } = newPrivateKey();
    const { stdout } = wrapKeys([line(1, { kty, crv, d })], "--json");
    const kid = await calculateJwkThumbprint({ kty, crv, x, y } as JWK);
    expect(JSON.parse(JSON.parse(stdout).public_jwk)).toMatchObject({ x, y, kid, key_version: 1 });
  });

  it("says which keys have to be retired where the oldest are lost", () => {
    const { status, stderr } = wrapKeys([line(3), line(4)]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "den begins with key 3: set its retired_up_to to 2.\n" });
  });

  it.each<[string, () => readonly (object | string)[], RegExp]>([
    ["no JSON", () => ["oops"], /^Line 1 is not JSON\.$/],
    ["a malformed name", () => [{ ...line(1), domain: "a..b" }], /^Line 1: domain: must not hold two dots/],
    ["no key version", () => [line(0)], /^Line 1: keyVersion: /],
    ["a gap", () => [line(1), line(3)], /^Line 2: key 3 of den follows key 1\./],
    ["a version twice", () => [line(1), line(1)], /^Line 2: key 1 of den follows key 1\./],
    ["another curve", () => [line(1, { ...newPrivateKey(), crv: "P-384" })], /^Line 1: privateJwk: crv: /],
    [
      "the public half of another key",
      () => [line(1, { ...newPrivateKey(), x: KEY.x })],
      /not of the same key as d\.$/,
    ],
    ["no scalar of the curve", () => [line(1, { kty: "EC", crv: "P-256", d: "_".repeat(42).concat("8") })], /P-256\.$/],
  ])("refuses %s with one sentence that holds no private key", (_, lines, sentence) => {
    const given = lines();
    const { status, stderr } = wrapKeys(given);
    expect(status).toBe(1);
    expect(stderr.trim()).toMatch(sentence);
    for (const each of given) {
      const { d } = (each as { privateJwk?: JWK }).privateJwk ?? {};
      if (d !== undefined) expect(stderr).not.toContain(d);
    }
  });
});

describe("npm run copy", () => {
  const copy = (url: string) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/copy.ts", "--server", url], {
      encoding: "utf8",
      env: { ...process.env, ADMIN_TOKEN: server.adminToken },
    });
    return { status, stdout, stderr };
  };

  it("brings back what the database lost of the domains it knows", async () => {
    for (const domain of ["den", "fleet"]) await ask("PUT", `/admin/domains/${domain}`, { maxMembership: 9 });
    await ask("POST", "/domains/fleet/register", { machineGuid: randomUUID() });
    expect((await ask("POST", "/admin/domains/fleet/copy")).status).toBe(200);
    await load(
      "loss.sql",
      "update domain_server_info set revision = 1, member_count = 0, max_membership = null where domain = 'fleet';",
    );
    expect(copy(server.url)).toMatchObject({ status: 0, stdout: "3 domains are copied, 0 failed.\n", stderr: "" });
    const { body } = await ask("GET", "/admin/domains?prefix=fleet");
    expect(body.domains).toMatchObject([{ domain: "fleet", memberCount: 1, maxMembership: 9 }]);
  });

  it("tells which domains failed, and copies the others", async () => {
    await load("malformed.sql", "insert into domain_server_info (domain) values ('a..b');");
    const { status, stdout, stderr } = copy(server.url);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "3 domains are copied, 1 failed.\n" });
    expect(stderr).toMatch(/^a\.\.b was not copied: 400 INVALID_REQUEST/);
  });

  it("tells when it cannot ask", () => {
    const { status, stderr } = copy("http://127.0.0.1:1");
    expect({ status, stderr }).toEqual({ status: 1, stderr: "http://127.0.0.1:1 cannot be reached.\n" });
  });
});
