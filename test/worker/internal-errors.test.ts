import { env } from "cloudflare:workers";
import { base64url } from "jose";
import { afterEach, beforeAll, beforeEach, describe, expect, it, type MockInstance, vi } from "vitest";
import {
  asAdmin,
  deregister,
  newDomain,
  newGuid,
  ORIGIN,
  type Reply,
  register,
  reply,
  stored,
} from "../support/worker/client.ts";
import { emptyDatabase } from "../support/worker/empty-database.ts";
import { evict, execute, joins, setEnvironment } from "../support/worker/objects.ts";

const DOMAIN = "forgotten-migration";

// Storage is this file's own: what an operator meets who deploys and forgets the migrations of the database.
beforeAll(async () => {
  const tables = ["domain_server_info", "domain_membership", "domain_keys", "domain_bans"];
  await env.DB.batch(tables.map((table) => env.DB.prepare(`drop table ${table}`)));
});

const LEVELS = ["info", "warn", "error"] as const;
type Line = { level: string; message: string; requestId?: string; [field: string]: unknown };

let spies: MockInstance[] = [];
beforeEach(() => {
  spies = LEVELS.map((level) => vi.spyOn(console, level).mockImplementation(() => {}));
});
afterEach(() => vi.restoreAllMocks());

/** The log lines of this test, of the Worker and of the object. */
function logged(): Line[] {
  return spies.flatMap((spy) => spy.mock.calls.map(([line]) => JSON.parse(line as string) as Line));
}

/** Requests that look into the database: the list does so itself, and an object that holds no domain yet. */
const READS: [string, string, object?][] = [
  ["GET", `/domains/${DOMAIN}`],
  ["GET", `/domains/${DOMAIN}/keys`],
  ["GET", `/admin/domains/${DOMAIN}`],
  ["GET", "/admin/domains"],
  ["GET", `/admin/domains/${DOMAIN}/log/head`],
];
const CHANGES: [string, string, object][] = [
  ["POST", `/domains/${DOMAIN}/register`, { machineGuid: newGuid() }],
  ["POST", `/domains/${DOMAIN}/deregister`, { machineGuid: newGuid() }],
  ["PUT", `/admin/domains/${DOMAIN}`, {}],
  ["PATCH", `/admin/domains/${DOMAIN}`, { maxMembership: 1 }],
];

function expectGenericText({ status, body, headers }: Reply) {
  expect(status).toBe(500);
  expect(body).toMatchObject({ status: 500, error: "INTERNAL_ERROR", title: "Internal error" });
  expect(new URL(body.type).origin).toBe(ORIGIN);
  expect(headers.get("content-type")).toBe("application/problem+json");
  expect(headers.get("cache-control")).toBe("no-store");
  expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  const told = JSON.stringify([body, [...headers]]);
  // Neither SQL nor a table, a library, a file or a line of a stack.
  expect(told).not.toMatch(/select|insert|domain_|no such|sqlite|d1_|drizzle|\.ts|\.js|\bat /i);
  expect(told).not.toContain("migrat");
}

describe("an error nobody expected", () => {
  it.each([...READS, ...CHANGES])("%s %s is answered with generic text", async (method, path, body) => {
    expectGenericText(await reply(method, path, body, asAdmin));
  });

  it.each([...READS, ...CHANGES])("%s %s is logged with its cause, under the id of the answer", async (...request) => {
    const [method, path, body] = request;
    const { headers } = await reply(method, path, body, asAdmin);
    const errors = logged().filter(({ level }) => level === "error");
    // The head of the log is two readings, and both of them fail.
    expect(errors).toHaveLength(path.endsWith("/head") ? 2 : 1);
    for (const error of errors) {
      expect(error.requestId).toBe(headers.get("x-request-id"));
      expect(JSON.stringify(error)).toContain("no such table");
    }
  });

  it.each(CHANGES)("%s %s is logged with what to do about it", async (method, path, body) => {
    await reply(method, path, body, asAdmin);
    expect(JSON.stringify(logged())).toContain("npm run db:migrate");
  });

  it("writes no token, no key and no machine GUID into the log", async () => {
    const machineGuid = newGuid();
    const authorization = "Bearer eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl";
    await reply("POST", `/domains/${DOMAIN}/register`, { machineGuid }, { authorization });
    await reply("POST", `/domains/${DOMAIN}/deregister`, { machineGuid }, { authorization });
    await reply("PUT", `/admin/domains/${DOMAIN}`, {}, asAdmin);
    const lines = JSON.stringify(logged());
    expect(lines).toContain("no such table");
    for (const secret of [machineGuid, authorization.slice(7), env.ADMIN_TOKEN]) expect(lines).not.toContain(secret);
  });

  it("is answered as one although its message reads like an error of the database", async () => {
    const kek = { kty: "oct", alg: "A256GCM", kid: "reset", k: base64url.encode(new Uint8Array(32)) };
    const domain = `${newDomain()}.connection-lost`;
    await setEnvironment(domain, { KEY_ENCRYPTION_KEYS: JSON.stringify({ keys: [kek] }), DB: emptyDatabase() });
    await execute(domain, joins(newGuid()));
    await stored(domain, "update domain_keys set wrapped_private_jwk = 'x'");
    await evict(domain);
    expectGenericText(await register(domain, newGuid()));
    expect(JSON.stringify(logged())).toContain("KeyWrappingError");
  });

  it("is none of a domain whose object holds it", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await setEnvironment(domain, { DB: emptyDatabase() });
    expect((await register(domain, guid)).status).toBe(201);
    await evict(domain);
    // From here on the object has no database to ask.
    expect((await register(domain, newGuid())).status).toBe(201);
    expect((await register(domain, guid)).body).toMatchObject({ newMember: false, keyVersion: 1 });
    expect((await reply("GET", `/domains/${domain}/keys`)).body).toMatchObject({ currentKeyVersion: 1 });
    expect((await deregister(domain, guid)).body.deregistered).toBe(true);
    expect((await reply("GET", `/admin/domains/${domain}/members`, undefined, asAdmin)).body.members).toHaveLength(1);
  });

  it("does not keep what needs no database from working", async () => {
    expect((await reply("GET", "/.well-known/jwks.json")).status).toBe(200);
    expect((await reply("GET", "/nothing")).status).toBe(404);
    expect((await reply("POST", `/domains/${DOMAIN}/register`, {})).status).toBe(400);
  });
});
