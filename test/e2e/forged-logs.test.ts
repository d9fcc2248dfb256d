import { createHash, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canonicalEntry } from "../../src/domain/log-entry.ts";
import { audit } from "../support/node/audit.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../support/node/embedded-server.ts";

let server: EmbeddedServer;
beforeAll(async () => {
  server = await startEmbeddedServer();
});
afterAll(() => server?.stop());

async function ask(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${server.adminToken}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`${method} ${path} failed with ${response.status}: ${await response.text()}`);
  return (await response.json()) as Record<string, unknown>;
}

type LogRow = { revision: number; committed_at: number; changes: string; hash: string };

/** A domain with two members and a ban. */
async function newDomain(): Promise<string> {
  const domain = `forged-${randomUUID()}`;
  for (const guid of [randomUUID(), randomUUID()])
    await ask("POST", `/domains/${domain}/register`, { machineGuid: guid });
  await ask("PUT", `/admin/domains/${domain}/bans/${randomUUID()}`, { reason: "sold" });
  return domain;
}

/** Changes what the domain's object has in its storage, as somebody does who can write it, and nothing else. */
async function tamper(domain: string, ...statements: readonly string[]): Promise<void> {
  for (const statement of statements) await server.stored(domain, statement);
  await server.evict(domain);
}

const rowsOf = async (domain: string) =>
  (await server.stored(domain, "select revision, committed_at, changes, hash from domain_log order by 1")) as LogRow[];

/** The hash that an entry has after another one: everybody can compute it. */
function hashOf(domain: string, { revision, committed_at, changes }: LogRow, previous: string | null): string {
  const committedAt = new Date(committed_at).toISOString();
  const entry = { domain, revision, committedAt, previous, changes: JSON.parse(changes) };
  return createHash("sha256").update(canonicalEntry(entry)).digest("base64url");
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** The statements that write a log anew from a revision on, each entry hashed over the one before. */
function rewritten(domain: string, rows: readonly LogRow[], from: number): string[] {
  let previous = rows.find(({ revision }) => revision === from - 1)?.hash ?? null;
  return rows
    .filter(({ revision }) => revision >= from)
    .map((row) => {
      previous = hashOf(domain, row, previous);
      return `update domain_log set changes = ${quoted(row.changes)}, hash = ${quoted(previous)} where revision = ${row.revision}`;
    });
}

async function problemsOf(domain: string): Promise<string> {
  const { code, found } = await audit(server, domain);
  return code === 0 ? "" : found.message;
}

describe("somebody who can write the storage of an object, and has none of the secrets", () => {
  it("is not there: the log is whole", async () => {
    expect(await problemsOf(await newDomain())).toBe("");
  });

  it("cannot append a join, with its member, that is taken for one", async () => {
    const domain = await newDomain();
    const rows = await rowsOf(domain);
    const last = rows.at(-1) as LogRow;
    const changes = JSON.stringify([
      { deviceId: "x", deviceKeyThumbprint: null, requestId: "r", type: "device-joined" },
    ]);
    const row = { ...last, revision: last.revision + 1, changes };
    const hash = hashOf(domain, row, last.hash);
    await tamper(
      domain,
      `insert into domain_log select ${row.revision}, committed_at, ${quoted(changes)}, ${quoted(hash)}, mac
        from domain_log where revision = ${last.revision}`,
      `insert into domain_membership (machine_guid, joined_at, last_renewed_on) values ('x', 0, 0)`,
      `update domain_server_info set revision = revision + 1, head = ${quoted(hash)}, member_count = member_count + 1`,
    );
    expect(await problemsOf(domain)).toContain(`Entry ${row.revision} was not written by this server`);
    const head = await ask("GET", `/admin/domains/${domain}/log/head`);
    expect(head).toMatchObject({ revision: row.revision, statement: null });
    // What the server writes after it does not make it better.
    await ask("POST", `/domains/${domain}/register`, { machineGuid: randomUUID() });
    expect(await problemsOf(domain)).toContain(`Entry ${row.revision} was not written by this server`);
  });

  it("cannot write the whole log anew", async () => {
    const domain = await newDomain();
    const rows = (await rowsOf(domain)).map((row) => ({ ...row, changes: row.changes.replace("sold", "lost") }));
    const statements = rewritten(domain, rows, 1);
    const head = /hash = ('[^']*')/.exec(statements.at(-1) as string)?.[1] as string;
    await tamper(
      domain,
      ...statements,
      "update domain_bans set reason = 'lost'",
      `update domain_server_info set head = ${head}`,
    );
    expect(await problemsOf(domain)).toContain("Entry 3 was not written by this server");
  });

  it.each([
    ["unbind a device key", "update domain_membership set device_key_thumbprint = 'x'", "another device key"],
    ["remove a ban", "delete from domain_bans", "is in the log, and not in the domain"],
    ["change a ban", "update domain_bans set reason = 'x'", "is another than in the log"],
    ["swap a key", "update domain_keys set public_jwk = json_set(public_jwk, '$.kid', 'x')", "Key 1 is another"],
  ])("cannot %s unseen", async (_, statement, problem) => {
    const domain = await newDomain();
    await tamper(domain, statement);
    expect(await problemsOf(domain)).toContain(problem);
  });
});

describe("somebody who can write the database", () => {
  it.each(["domain_membership", "domain_keys", "domain_bans"])("cannot remove a row of %s unseen", async (table) => {
    const domain = await newDomain();
    expect(await problemsOf(domain)).toBe("");
    await server.database.prepare(`delete from ${table} where domain = ?`).bind(domain).run();
    expect(await problemsOf(domain)).toContain(`differs from the domain: ${table}`);
    await ask("POST", `/admin/domains/${domain}/copy`);
    expect(await problemsOf(domain)).toBe("");
  });

  it("cannot change the settings there unseen", async () => {
    const domain = await newDomain();
    await server.database
      .prepare("update domain_server_info set max_membership = 1 where domain = ?")
      .bind(domain)
      .run();
    expect(await problemsOf(domain)).toContain("differs from the domain: domain_server_info");
  });
});
