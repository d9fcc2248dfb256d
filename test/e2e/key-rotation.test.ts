import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { decodeProtectedHeader, type JWK } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { newKeyEncryptionKey } from "../../scripts/local-secrets.ts";
import { DeviceDomain } from "../../src/client/device-domain.ts";
import { MemoryStore } from "../../src/client/memory-store.ts";
import { encryptToDomain } from "../../src/licence/domain-encryption.ts";
import { wrapPrivateKey } from "../../src/server/crypto/key-wrapping.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../support/node/embedded-server.ts";

const ISSUER = "https://domains.example";

let server: EmbeddedServer;
afterEach(() => server?.stop());

const set = (...keys: JWK[]) => JSON.stringify({ keys });

async function ask(method: string, path: string, token = server.adminToken, body?: object) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  return { status: response.status, body: (await response.json()) as any };
}

/** As often as it takes a server to come back, on however slow a machine. */
const PATIENT = { retries: 10_000, pause: () => new Promise<void>((resolve) => setTimeout(resolve, 20)) };

const open = (domain: string) =>
  DeviceDomain.open(`${server.url}/domains/${domain}`, { store: new MemoryStore(), issuer: ISSUER, ...PATIENT });

const encrypt = (domain: string, secret: string) =>
  encryptToDomain(`${server.url}/domains/${domain}`, secret, { issuer: ISSUER, ...PATIENT });

const text = (plaintext: Uint8Array) => new TextDecoder().decode(plaintext);

/** Waits until the database has everything of a domain. */
async function untilCopied(domain: string): Promise<void> {
  for (;;) {
    const { revision, copiedRevision } = (await ask("GET", `/admin/domains/${domain}`)).body;
    if (copiedRevision === revision) return;
    await delay(50);
  }
}

describe("a new key-encryption key", () => {
  const [old, fresh] = [newKeyEncryptionKey(), newKeyEncryptionKey()];
  /** More than one run wraps. */
  const MANY = 300;

  /** Puts keys of many domains into the database, as the server would have them. */
  async function manyKeys(): Promise<void> {
    const rows = await Promise.all(
      Array.from({ length: MANY }, async (_, index) => {
        const domain = `stock-${index}`;
        return [domain, await wrapPrivateKey({ kty: "EC", d: domain }, { domain, keyVersion: 1 }, [old])];
      }),
    );
    await server.database.batch([
      server.database
        .prepare("insert into domain_server_info (domain) select value ->> 0 from json_each(?)")
        .bind(JSON.stringify(rows)),
      server.database
        .prepare(
          `insert into domain_keys (domain, key_version, public_jwk, wrapped_private_jwk, key_encryption_kid)
           select value ->> 0, 1, '{}', value ->> 1, ? from json_each(?)`,
        )
        .bind(old.kid, JSON.stringify(rows)),
    ]);
  }

  /** How many keys the database notes for each key-encryption key, what their wrapping says, and what operators see. */
  async function found() {
    const { results } = await server.database
      .prepare("select key_encryption_kid as kid, wrapped_private_jwk as wrapped from domain_keys")
      .all<{ kid: string; wrapped: string }>();
    const { kids } = (await ask("GET", "/admin/key-encryption")).body as {
      kids: { kid: string; domainKeys: number }[];
    };
    const tally = (kids: readonly (string | undefined)[]) =>
      Object.fromEntries([...new Set(kids)].map((kid) => [kid, kids.filter((each) => each === kid).length]));
    return {
      noted: tally(results.map(({ kid }) => kid)),
      wrapped: tally(results.map(({ wrapped }) => decodeProtectedHeader(wrapped).kid)),
      counted: Object.fromEntries(kids.map(({ kid, domainKeys }) => [kid, domainKeys])),
    };
  }

  it("comes to wrap every key while devices come and go and the server dies; then the old one may go", async () => {
    server = await startEmbeddedServer({ vars: { KEY_ENCRYPTION_KEYS: set(old) } });
    await manyKeys();
    const resident = await open("home");
    await resident.join();
    const secret = await encrypt("home", "from before");
    await untilCopied("home");

    await server.restart({ KEY_ENCRYPTION_KEYS: set(fresh, old) });
    expect((await ask("GET", "/admin/key-encryption")).body).toEqual({
      currentKid: fresh.kid,
      kids: [{ kid: old.kid, domainKeys: MANY + 1 }],
      done: false,
    });

    // Devices that join and leave all the while, each leave of which has the domain make a key.
    let stopped = false;
    const busy = ["busy-1", "busy-2", "busy-3"];
    const lives: Promise<number>[] = busy.map(async (domain) => {
      let left = 0;
      for (; !stopped; left++) {
        const device = await open(domain);
        await device.join();
        const jwe = await encrypt(domain, `secret ${left}`);
        expect(text(await device.decrypt(jwe))).toBe(`secret ${left}`);
        await device.leave();
      }
      return left;
    });

    // Killed in the middle of a run, as far as a run can be caught there: it is far from all in any case.
    const run = ask("POST", "/admin/key-encryption/rewrap").catch(() => null);
    while ((await found()).noted[fresh.kid as string] === undefined);
    await server.restart();
    await run;
    const midway = await found();
    expect(midway.noted[old.kid as string]).toBeGreaterThan(0);

    for (let done = false; !done; ) {
      const { status, body } = await ask("POST", "/admin/key-encryption/rewrap");
      expect(status).toBe(200);
      expect(body.locked).toBe(0);
      done = body.done;
    }
    stopped = true;
    const left = (await Promise.all(lives)).reduce((sum, each) => sum + each);
    expect(left).toBeGreaterThanOrEqual(3);
    // What is counted must not change between the two counts.
    for (const domain of busy) await untilCopied(domain);
    const after = await found();
    expect(Object.keys(after.noted)).toEqual([fresh.kid]);
    expect(after.wrapped).toEqual(after.noted);
    expect(after.counted).toEqual(after.noted);

    await server.restart({ KEY_ENCRYPTION_KEYS: set(fresh) });
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    await resident.join();
    expect(text(await resident.decrypt(secret))).toBe("from before");
  });

  it("goes unnoticed by a domain that has its keys in memory, and is worked off by the hour", async () => {
    server = await startEmbeddedServer({ vars: { KEY_ENCRYPTION_KEYS: set(old) } });
    const device = await open("home");
    await device.join();
    await server.restart({ KEY_ENCRYPTION_KEYS: set(fresh, old) });
    await device.join();
    await server.runScheduled(new Date());
    expect((await ask("GET", "/admin/key-encryption")).body).toMatchObject({ done: true });
    expect(await device.join()).toEqual({ newMember: false, keyVersion: 1 });
    expect(await (await open("home")).join()).toEqual({ newMember: true, keyVersion: 1 });
  });

  it("cannot replace one that is still needed: its domains are refused, and the health check names it", async () => {
    server = await startEmbeddedServer({ vars: { KEY_ENCRYPTION_KEYS: set(old) } });
    const machineGuid = randomUUID();
    expect((await ask("POST", "/domains/home/register", "", { machineGuid })).status).toBe(201);
    await untilCopied("home");
    await server.restart({ KEY_ENCRYPTION_KEYS: set(fresh) });
    expect(await ask("POST", "/domains/home/register", "", { machineGuid })).toMatchObject({
      status: 500,
      body: { error: "INTERNAL_ERROR" },
    });
    // Who needs none of its keys is served: in other domains, and in this one.
    expect((await ask("POST", "/domains/elsewhere/register", "", { machineGuid })).status).toBe(201);
    const holder = { machineGuid, afterKeyVersion: 1 };
    expect(await ask("POST", "/domains/home/register", "", holder)).toMatchObject({
      status: 200,
      body: { credentials: [] },
    });
    expect((await ask("GET", "/domains/home/keys")).status).toBe(200);
    expect((await ask("GET", "/admin/key-encryption")).body).toMatchObject({ currentKid: fresh.kid, done: false });

    const before = server.logLines.length;
    expect(await ask("GET", "/health")).toMatchObject({ status: 503, body: { database: "ok", secrets: "failing" } });
    const lines = server.logLines.slice(before).filter((line) => line.includes("the secrets are not well"));
    expect(lines).toEqual([expect.stringContaining(old.kid as string)]);

    await server.restart({ KEY_ENCRYPTION_KEYS: set(fresh, old) });
    expect((await ask("POST", "/domains/home/register", "", { machineGuid })).status).toBe(200);
    expect((await ask("GET", "/health")).status).toBe(200);
  });
});

describe("a new admin token", () => {
  it("counts beside the one before, for as long as that is configured", async () => {
    server = await startEmbeddedServer();
    const [former, present] = [server.adminToken, randomBytes(32).toString("base64url")];
    const statuses = async () => [
      (await ask("GET", "/admin/domains", former)).status,
      (await ask("GET", "/admin/domains", present)).status,
    ];
    expect(await statuses()).toEqual([200, 401]);
    await server.restart({ ADMIN_TOKEN: present, ADMIN_TOKEN_PREVIOUS: former });
    expect(await statuses()).toEqual([200, 200]);
    for (const token of [former, present]) {
      const { status } = await ask("PUT", "/admin/domains/home", token, { maxMembership: token === former ? 1 : 2 });
      expect(status).toBeLessThan(300);
    }
    const { body } = await ask("GET", "/admin/domains/home/log", present);
    const by = body.entries.flatMap(({ changes }: { changes: { by?: string }[] }) =>
      changes.flatMap((each) => each.by ?? []),
    );
    expect(by).toEqual(["admin-token", "admin-token"]);
    await server.restart({ ADMIN_TOKEN_PREVIOUS: "" });
    expect(await statuses()).toEqual([401, 200]);
  });
});
