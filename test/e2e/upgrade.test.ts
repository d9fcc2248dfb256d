import { randomUUID } from "node:crypto";
import { compactDecrypt, createLocalJWKSet, decodeProtectedHeader, importJWK, type JWK, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newKeyEncryptionKey } from "../../scripts/local-secrets.ts";
import { publicMembers } from "../../src/client/device-keys.ts";
import { signDeviceRequest } from "../../src/client/device-requests.ts";
import { audit } from "../support/audit.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../support/embedded-server.ts";
import {
  DOMAIN_AUTHORITY_KEY,
  KEY_ENCRYPTION_KEY,
  OLDEST_MEMBER,
  SECRETS,
  SIGNING_KEY,
  SIGNING_MEMBER,
  STATEMENTS,
  TOKENS,
  WRITTEN_AT,
} from "../support/first-release.ts";

const DOMAINS = ["attic", "den", "fleet", "unused"];
const TABLES = ["domain_membership", "domain_keys", "domain_log", "domain_requests"];
const set = (...keys: JWK[]) => JSON.stringify({ keys });

let server: EmbeddedServer;
beforeAll(async () => {
  server = await startEmbeddedServer({
    migrated: false,
    vars: { KEY_ENCRYPTION_KEYS: set(KEY_ENCRYPTION_KEY), DOMAIN_AUTHORITY_KEYS: set(DOMAIN_AUTHORITY_KEY) },
  });
});
afterAll(() => server?.stop());

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
type Reply = { status: number; body: any };

async function ask(method: string, path: string, body?: object | string, headers: object = {}): Promise<Reply> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      "content-type": typeof body === "string" ? "application/jose" : "application/json",
      authorization: `Bearer ${server.adminToken}`,
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

type Row = Record<string, unknown>;

async function rowsOf(table: string): Promise<Row[]> {
  return (await server.database.prepare(`select * from ${table}`).all<Row>()).results;
}

/** A server that is asked for something all the while: devices join, renew, leave, and join where nobody was. */
class Load {
  /** The devices that were told that they are members, or that they are none any more, by domain. */
  readonly members = new Map<string, Set<string>>();
  readonly former = new Map<string, Set<string>>();
  /** How many requests were answered, and how many were not served though the database was up to date. */
  answered = 0;
  unserved: Reply[] = [];
  migrated = false;
  #stopped = false;
  readonly #lives: Promise<void>[];

  constructor(regulars: readonly Readonly<{ domain: string; machineGuid: string }>[]) {
    this.#lives = [
      ...["attic", "den", "fleet", `new-${randomUUID()}`].map((domain) => this.#comeAndGo(domain)),
      ...regulars.map(({ domain, machineGuid }) => this.#renew(domain, machineGuid)),
    ];
  }

  /** Once so many more requests were answered. */
  async progress(requests: number): Promise<void> {
    for (const aim = this.answered + requests; this.answered < aim; ) {
      await Promise.race([new Promise((resolve) => setTimeout(resolve, 5)), ...this.#lives]);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lives);
  }

  async #comeAndGo(domain: string): Promise<void> {
    while (!this.#stopped) {
      const [passing, staying] = [randomUUID(), randomUUID()];
      for (const machineGuid of [passing, staying]) await this.#served(domain, "register", machineGuid, [200, 201]);
      await this.#served(domain, "deregister", passing, [200]);
      this.#note(this.members, domain, staying);
      this.#note(this.former, domain, passing);
    }
  }

  async #renew(domain: string, machineGuid: string): Promise<void> {
    while (!this.#stopped) {
      const { body } = await this.#served(domain, "register", machineGuid, [200]);
      expect(body.newMember).toBe(false);
    }
  }

  /** Asks until the server serves it, as a device does. */
  async #served(domain: string, action: string, machineGuid: string, statuses: readonly number[]): Promise<Reply> {
    for (;;) {
      const { migrated } = this;
      const reply = await ask("POST", `/domains/${domain}/${action}`, { machineGuid });
      this.answered++;
      if (reply.status < 500) {
        expect(statuses).toContain(reply.status);
        return reply;
      }
      if (migrated) this.unserved.push(reply);
    }
  }

  #note(devices: Map<string, Set<string>>, domain: string, machineGuid: string): void {
    devices.set(domain, (devices.get(domain) ?? new Set()).add(machineGuid));
  }
}

/** Has every secret of old opened with what the members of its domain are given now. */
async function openSecrets(): Promise<void> {
  const keys = new Map<string, JWK>();
  for (const [domain, machineGuid] of [
    ["den", OLDEST_MEMBER],
    ["fleet", randomUUID()],
    ["attic", randomUUID()],
  ] as const) {
    const { body } = await ask("POST", `/domains/${domain}/register`, { machineGuid });
    for (const { privateKey } of body.credentials) keys.set(privateKey.kid, privateKey);
  }
  for (const { kid, jwe } of SECRETS) {
    const key = await importJWK(keys.get(kid) as JWK, "ECDH-ES+A256KW");
    expect(new TextDecoder().decode((await compactDecrypt(jwe, key)).plaintext)).toBe(`a secret for ${kid}`);
  }
}

describe("a database of the first release", () => {
  const before: Record<string, Row[]> = {};

  it("is brought up to date under load, and nobody loses anything", async () => {
    await server.migrate();
    for (const statement of STATEMENTS) await server.database.prepare(statement).run();
    for (const table of TABLES) before[table] = await rowsOf(table);
    expect(Object.values(before).every((rows) => rows.length > 0)).toBe(true);
    expect((await ask("GET", "/health")).body).toMatchObject({ database: "unmigrated" });

    const regulars = (before.domain_membership as Row[])
      .filter((row) => row.device_key_thumbprint === null)
      .map((row) => ({ domain: row.domain as string, machineGuid: row.machine_guid as string }));
    const load = new Load(regulars);
    for (let name: string | null = ""; name !== null; name = await server.migrate()) await load.progress(20);
    load.migrated = true;
    await load.progress(500);
    await load.stop();

    expect(load.unserved).toEqual([]);
    expect((await ask("GET", "/health")).body).toEqual({ status: "ok", database: "ok", secrets: "ok" });
    for (const table of TABLES) {
      const after = await rowsOf(table);
      for (const row of before[table] as Row[]) expect(after).toContainEqual(expect.objectContaining(row));
    }
    const members = await rowsOf("domain_membership");
    const isMember = (domain: string, machineGuid: string) =>
      members.some((row) => row.domain === domain && row.machine_guid === machineGuid);
    expect(load.members.size).toBe(4);
    for (const [domain, guids] of load.members) for (const guid of guids) expect(isMember(domain, guid)).toBe(true);
    for (const [domain, guids] of load.former) for (const guid of guids) expect(isMember(domain, guid)).toBe(false);
    const [log, keys] = [await rowsOf("domain_log"), await rowsOf("domain_keys")];
    for (const { domain, member_count, revision } of await rowsOf("domain_server_info")) {
      const ofDomain = (rows: readonly Row[]) => rows.filter((row) => row.domain === domain);
      expect(ofDomain(members)).toHaveLength(member_count as number);
      expect(ofDomain(log)).toHaveLength(revision as number);
      const versions = ofDomain(keys).map((row) => row.key_version as number);
      expect(versions).toEqual(versions.map((_, index) => index + 1));
    }
  });

  it("serves what devices and licence servers got before", async () => {
    await openSecrets();
    const authority = createLocalJWKSet((await ask("GET", "/.well-known/jwks.json")).body);
    for (const token of TOKENS) {
      const { payload } = await jwtVerify(token, authority, { currentDate: new Date(WRITTEN_AT) });
      const { keys } = (await ask("GET", "/domains/den/keys")).body;
      expect((payload.cnf as { jwk: JWK }).jwk).toEqual(keys[(payload.key_version as number) - 1]);
    }
  });

  it("knows its devices: who signs, and who asks for a leave again whose answer was lost", async () => {
    const path = "/domains/fleet/register";
    const audience = `https://domains.example${path}`;
    const signed = await signDeviceRequest(
      { machineGuid: SIGNING_MEMBER },
      { audience, signedAt: Date.now(), requestKey: randomUUID() },
      { privateKey: SIGNING_KEY, publicJwk: publicMembers(SIGNING_KEY) },
    );
    const asked = {
      machineGuid: (before.domain_requests as Row[]).find((row) => row.request_key === "moving-out")?.machine_guid,
    };
    expect(await ask("POST", "/domains/den/deregister", asked, { "idempotency-key": "moving-out" })).toMatchObject({
      status: 200,
      body: { deregistered: true },
    });
    expect(await ask("POST", path, { machineGuid: SIGNING_MEMBER })).toMatchObject({
      status: 403,
      body: { error: "DEVICE_PROOF_INVALID" },
    });
    expect(await ask("POST", path, signed)).toMatchObject({ status: 200, body: { newMember: false } });
  });

  it("has logs that lead to what the domains are, and that tell nobody a machine GUID", async () => {
    const guids = [...(before.domain_membership as Row[]), ...(before.domain_requests as Row[])].map(
      (row) => row.machine_guid as string,
    );
    for (const domain of DOMAINS) {
      expect(await audit(server, domain)).toMatchObject({ code: 0, found: { domain, problems: [] } });
      const response = await fetch(`${server.url}/admin/domains/${domain}/log/export`, {
        headers: { authorization: `Bearer ${server.adminToken}` },
      });
      const exported = await response.text();
      for (const guid of guids) expect(exported).not.toContain(guid);
    }
  });

  it("has its keys wrapped anew, and opens what it did before", async () => {
    const fresh = newKeyEncryptionKey();
    await server.restart({ KEY_ENCRYPTION_KEYS: set(fresh, KEY_ENCRYPTION_KEY) });
    expect((await ask("GET", "/admin/key-encryption")).body).toMatchObject({ unclassified: true, done: false });
    for (let done = false; !done; ) {
      const { body } = await ask("POST", "/admin/key-encryption/rewrap");
      expect(body.locked).toBe(0);
      done = body.done;
    }
    await server.restart({ KEY_ENCRYPTION_KEYS: set(fresh) });
    for (const row of await rowsOf("domain_keys")) {
      expect(decodeProtectedHeader(row.wrapped_private_jwk as string).kid).toBe(fresh.kid);
    }
    await openSecrets();
  });
});
