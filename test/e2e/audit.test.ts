import { randomUUID } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { audit } from "../support/node/audit.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../support/node/embedded-server.ts";

let server: EmbeddedServer;
beforeAll(async () => {
  server = await startEmbeddedServer({ vars: { LOG_RETENTION_DAYS: "10" } });
});
afterEach(() => vi.unstubAllGlobals());
afterAll(() => server?.stop());

const asOperator = () => ({ authorization: `Bearer ${server.adminToken}`, "content-type": "application/json" });

async function ask(method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: asOperator(),
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`${method} ${path} failed with ${response.status}: ${await response.text()}`);
  return response.json();
}

const joins = (domain: string, machineGuid: string) => ask("POST", `/domains/${domain}/register`, { machineGuid });

/** A domain of which the log tells something of every kind, in revisions 1 to 9. */
async function eventfulDomain(): Promise<string> {
  const domain = `audited-${randomUUID()}`;
  const [one, two, three] = [randomUUID(), randomUUID(), randomUUID()];
  await ask("PUT", `/admin/domains/${domain}`, { maxMembership: 9 });
  for (const guid of [one, two, three]) await joins(domain, guid);
  await ask("POST", `/domains/${domain}/deregister`, { machineGuid: one });
  await joins(domain, randomUUID());
  await ask("DELETE", `/admin/domains/${domain}/members/${two}`);
  await ask("POST", `/admin/domains/${domain}/rollover`, { when: "now" });
  await ask("PUT", `/admin/domains/${domain}/bans/${three}`, { reason: "was sold" });
  return domain;
}

/** Changes what the domain's object has in its storage, past its code. */
async function tamper(domain: string, ...statements: readonly string[]): Promise<void> {
  for (const statement of statements) await server.stored(domain, statement);
  await server.evict(domain);
}

/** Waits until the database has everything of a domain. */
async function untilCopied(domain: string): Promise<void> {
  for (;;) {
    const { revision, copiedRevision } = (await ask("GET", `/admin/domains/${domain}`)) as Record<string, number>;
    if (copiedRevision === revision) return;
    await delay(50);
  }
}

/** Has the domain's object look after its log, and waits until it begins at a revision. */
async function untilCut(domain: string, first: number): Promise<void> {
  // What is refused is counted, and written down by the alarm.
  const refused = await fetch(`${server.url}/domains/${domain}/deregister`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ machineGuid: randomUUID() }),
  });
  expect(refused.status).toBe(403);
  for (;;) {
    const [row] = await server.stored(domain, "select min(revision) as first from domain_log");
    if (row?.first === first) return;
    await delay(50);
  }
}

describe("an audit", () => {
  it("finds a log whole that nobody touched", async () => {
    const domain = await eventfulDomain();
    const { code, found } = await audit(server, domain);
    expect(code).toBe(0);
    expect(found).toMatchObject({ domain, entries: 9, revision: 9, members: 1, keyVersion: 3, problems: [] });
  });

  it("follows keys that are retired and brought back", async () => {
    const domain = await eventfulDomain();
    await ask("PUT", `/admin/domains/${domain}/retired-keys`, { upTo: 2 });
    expect(await audit(server, domain)).toMatchObject({ code: 0, found: { entries: 10, keyVersion: 3, problems: [] } });
    await ask("PUT", `/admin/domains/${domain}/retired-keys`, { upTo: 0 });
    expect(await audit(server, domain)).toMatchObject({ code: 0, found: { entries: 11, problems: [] } });
  });

  it("follows rollovers that a leave puts off and an eviction does not, and keys that are retired by age", async () => {
    const domain = `audited-${randomUUID()}`;
    const [one, two, three] = [randomUUID(), randomUUID(), randomUUID()];
    await ask("PUT", `/admin/domains/${domain}`, { rolloverIntervalSeconds: 86_400 });
    for (const guid of [one, two]) await joins(domain, guid);
    await ask("POST", `/domains/${domain}/deregister`, { machineGuid: one });
    expect(await joins(domain, three)).toMatchObject({ keyVersion: 1 });
    expect(await audit(server, domain)).toMatchObject({ code: 0, found: { keyVersion: 1, problems: [] } });
    await ask("DELETE", `/admin/domains/${domain}/members/${two}`);
    expect(await ask("POST", `/domains/${domain}/rollover`)).toEqual({ domain, keyVersion: 2 });
    await ask("PUT", `/admin/domains/${domain}/retired-keys`, { olderThanDays: 0 });
    expect(await ask("GET", `/admin/domains/${domain}`)).toMatchObject({ retiredUpTo: 1 });
    expect(await audit(server, domain)).toMatchObject({ code: 0, found: { members: 1, keyVersion: 2, problems: [] } });
  });

  it.each([
    [
      "changed",
      "update domain_log set changes = replace(changes, 'device-joined', 'device-joined ') where revision = 3",
      "Entry 3 ",
    ],
    ["given another time", "update domain_log set committed_at = committed_at + 1 where revision = 4", "Entry 4 "],
    ["removed", "delete from domain_log where revision = 5", "Entry 5 is missing."],
    ["removed at the beginning", "delete from domain_log where revision <= 2", "Entries 1 to 2 are missing."],
    ["given another hash", "update domain_log set hash = 'another' where revision = 6", "Entry 6 "],
    ["removed at the end", "delete from domain_log where revision = 9", "leads to revision 8"],
  ])("names an entry that was %s", async (_, statement, complaint) => {
    const domain = await eventfulDomain();
    await tamper(domain, statement);
    const { code, found } = await audit(server, domain);
    expect(code).toBe(6);
    expect(found.error).toBe("LOG_NOT_WHOLE");
    expect(found.message).toContain(complaint);
  });

  it("names entries that changed places", async () => {
    const domain = await eventfulDomain();
    await tamper(
      domain,
      "update domain_log set revision = revision + 100 where revision in (3, 4)",
      "update domain_log set revision = 107 - revision where revision in (103, 104)",
    );
    const { code, found } = await audit(server, domain);
    expect(code).toBe(6);
    expect(found.message).toContain("Entry 3 ");
  });

  it.each([
    [
      "a member who never joined",
      "insert into domain_membership (machine_guid, joined_at, last_renewed_on) values ('x', 0, 0)",
      "never joined",
    ],
    ["a member who is gone", "delete from domain_membership", "is not a member"],
    ["a setting nobody changed", "update domain_server_info set max_membership = 10", "maxMembership"],
    ["a rollover nobody asked for", "update domain_server_info set key_rollover_required = 0", "rollover"],
    ["keys that nobody retired", "update domain_server_info set retired_up_to = 1", "retired"],
  ])("finds %s", async (_, statement, complaint) => {
    const domain = await eventfulDomain();
    await tamper(domain, statement);
    const { code, found } = await audit(server, domain);
    expect(code).toBe(6);
    expect(found.message).toContain(complaint);
  });

  it("holds the log against an earlier head: a log that was written anew is found out", async () => {
    const domain = await eventfulDomain();
    const { found } = await audit(server, domain);
    const file = join(mkdtempSync(join(tmpdir(), "heads-")), "head.jws");
    writeFileSync(file, found.head);
    await joins(domain, randomUUID());
    expect((await audit(server, domain, "--head", file)).code).toBe(0);
    for (const kept of [JSON.stringify(found), JSON.stringify(found.head), `${found.head}\n`]) {
      writeFileSync(file, kept);
      expect((await audit(server, domain, "--head", file)).code).toBe(0);
    }
    writeFileSync(file, "{}");
    expect(await audit(server, domain, "--head", file)).toMatchObject({ code: 2, found: { error: "UNREADABLE_FILE" } });
    writeFileSync(file, found.head);

    // The whole domain is replaced by one with a log of its own, which is in itself without fault.
    await untilCopied(domain);
    const inDatabase = ["domain_server_info", "domain_membership", "domain_keys", "domain_bans"];
    for (const table of inDatabase) {
      await server.database.prepare(`delete from ${table} where domain = ?`).bind(domain).run();
    }
    const inObject = [...inDatabase, "domain_log", "domain_requests", "copy_outbox", "progress"];
    await tamper(domain, ...inObject.map((table) => `delete from ${table}`));
    for (let count = 0; count < 10; count++) await joins(domain, randomUUID());
    expect((await audit(server, domain)).code).toBe(0);
    const later = await audit(server, domain, "--head", file);
    expect(later.code).toBe(6);
    expect(later.found.message).toContain("Entry 9 is not the one that was signed for.");
  });
});

describe("an audit of a domain that changes meanwhile", () => {
  /** Has a device join each time that an audit has read the domain's rows, so many times. */
  function joinsDuringAudit(domain: string, times: number): void {
    const request = fetch;
    let left = times;
    vi.stubGlobal("fetch", async (...asked: Parameters<typeof fetch>) => {
      const response = await request(...asked);
      if (String(asked[0]).endsWith("/audit") && left-- > 0) await joins(domain, randomUUID());
      return response;
    });
  }

  it("reads it again, and finds its log whole", async () => {
    const domain = await eventfulDomain();
    joinsDuringAudit(domain, 4);
    expect(await audit(server, domain)).toMatchObject({ code: 0, found: { entries: 13, members: 5, problems: [] } });
  });

  it("gives up where it changes too fast, and calls nothing tampered with", async () => {
    const domain = await eventfulDomain();
    joinsDuringAudit(domain, Number.POSITIVE_INFINITY);
    const { code, found } = await audit(server, domain);
    expect(code).toBe(4);
    expect(found).toEqual({ error: "AUDIT_UNFINISHED", message: "The domain changes too fast: audit again." });
  });
});

describe("a log that was cut", () => {
  it("is still checked from where it was cut, and whole with an earlier export", async () => {
    const domain = await eventfulDomain();
    const exported = await fetch(`${server.url}/admin/domains/${domain}/log/export`, { headers: asOperator() });
    const archive = join(mkdtempSync(join(tmpdir(), "archives-")), "log.jsonl");
    writeFileSync(archive, await exported.text());
    // Twenty days pass for the first six entries, and five for the rest.
    const day = 24 * 60 * 60 * 1000;
    await tamper(
      domain,
      `update domain_log set committed_at = committed_at - ${20 * day} where revision <= 6`,
      `update domain_log set committed_at = committed_at - ${5 * day} where revision > 6`,
    );
    await untilCut(domain, 7);
    expect(await server.stored(domain, "select count(*) as entries from domain_log")).toEqual([{ entries: 3 }]);
    const checkpointed = (await ask("GET", `/admin/domains/${domain}/log/head`)) as {
      checkpoint: { revision: number };
    };
    expect(checkpointed.checkpoint.revision).toBe(6);

    // The test itself moved the times of entries 7 to 9, which an audit rightly finds: move them back.
    await tamper(domain, `update domain_log set committed_at = committed_at + ${5 * day}`);
    expect(await audit(server, domain)).toMatchObject({ code: 0, found: { entries: 3, members: 1, keyVersion: 3 } });
    expect(await audit(server, domain, "--archive", archive)).toMatchObject({ code: 0, found: { entries: 9 } });
    for (const file of [`${archive}.not-there`, "README.md"]) {
      const { code, found } = await audit(server, domain, "--archive", file);
      expect([code, found.error, found.message]).toEqual([2, "UNREADABLE_FILE", expect.stringContaining(file)]);
    }

    await joins(domain, randomUUID());
    expect((await audit(server, domain)).code).toBe(0);
    await tamper(domain, "delete from domain_log where revision = 7");
    expect((await audit(server, domain)).found.message).toContain("Entry 7 is missing.");
  });

  it("keeps its newest entry, however old", async () => {
    const domain = await eventfulDomain();
    const longAgo = 1_000 * 24 * 60 * 60 * 1000;
    await tamper(domain, `update domain_log set committed_at = committed_at - ${longAgo}`);
    await untilCut(domain, 9);
    await tamper(domain, `update domain_log set committed_at = committed_at + ${longAgo}`);
    expect(await audit(server, domain)).toMatchObject({ code: 0, found: { entries: 1 } });
    await joins(domain, randomUUID());
    expect(await audit(server, domain)).toMatchObject({ code: 0, found: { entries: 2 } });
  });
});
