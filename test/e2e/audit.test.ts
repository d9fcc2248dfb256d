import { randomUUID } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { audit } from "../support/audit.ts";
import { type EmbeddedServer, startEmbeddedServer } from "../support/embedded-server.ts";

let server: EmbeddedServer;
beforeAll(async () => {
  server = await startEmbeddedServer({ vars: { LOG_RETENTION_DAYS: "10" } });
});
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

function sql(statement: string, ...values: unknown[]) {
  return server.database
    .prepare(statement)
    .bind(...values)
    .run();
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

  it.each([
    [
      "changed",
      "update domain_log set changes = replace(changes, 'device-joined', 'device-joined ') where domain = ? and revision = 3",
      "Entry 3 ",
    ],
    [
      "given another time",
      "update domain_log set committed_at = committed_at + 1 where domain = ? and revision = 4",
      "Entry 4 ",
    ],
    ["removed", "delete from domain_log where domain = ? and revision = 5", "Entry 5 is missing."],
    [
      "removed at the beginning",
      "delete from domain_log where domain = ? and revision <= 2",
      "Entries 1 to 2 are missing.",
    ],
    [
      "deprived of its hash",
      "update domain_log set hash = null where domain = ? and revision = 6",
      "Entry 6 has no hash",
    ],
    ["removed at the end", "delete from domain_log where domain = ? and revision = 9", "leads to revision 8"],
  ])("names an entry that was %s", async (_, statement, complaint) => {
    const domain = await eventfulDomain();
    await sql(statement, domain);
    const { code, found } = await audit(server, domain);
    expect(code).toBe(1);
    expect(found.error).toBe("LOG_NOT_WHOLE");
    expect(found.message).toContain(complaint);
  });

  it("names entries that changed places", async () => {
    const domain = await eventfulDomain();
    await sql("update domain_log set revision = revision + 100 where domain = ? and revision in (3, 4)", domain);
    await sql("update domain_log set revision = 107 - revision where domain = ? and revision in (103, 104)", domain);
    const { code, found } = await audit(server, domain);
    expect(code).toBe(1);
    expect(found.message).toContain("Entry 3 ");
  });

  it.each([
    [
      "a member who never joined",
      "insert into domain_membership (domain, machine_guid, joined_at) values (?, 'x', 0)",
      "never joined",
    ],
    ["a member who is gone", "delete from domain_membership where domain = ?", "is no member"],
    ["a setting nobody changed", "update domain_server_info set max_membership = 10 where domain = ?", "maxMembership"],
    [
      "a rollover nobody asked for",
      "update domain_server_info set key_rollover_required = 0 where domain = ?",
      "rollover",
    ],
    ["keys that nobody retired", "update domain_server_info set retired_up_to = 1 where domain = ?", "retired"],
  ])("finds %s", async (_, statement, complaint) => {
    const domain = await eventfulDomain();
    await sql(statement, domain);
    const { code, found } = await audit(server, domain);
    expect(code).toBe(1);
    expect(found.message).toContain(complaint);
  });

  it("holds the log against an earlier head: a log that was written anew is found out", async () => {
    const domain = await eventfulDomain();
    const { found } = await audit(server, domain);
    const file = join(mkdtempSync(join(tmpdir(), "heads-")), "head.jws");
    writeFileSync(file, found.head);
    await joins(domain, randomUUID());
    expect((await audit(server, domain, "--head", file)).code).toBe(0);

    // The whole domain is replaced by one with a log of its own, which is in itself without fault.
    for (const table of ["domain_log", "domain_server_info", "domain_membership", "domain_keys", "domain_bans"]) {
      await sql(`delete from ${table} where domain = ?`, domain);
    }
    for (let count = 0; count < 10; count++) await joins(domain, randomUUID());
    expect((await audit(server, domain)).code).toBe(0);
    const later = await audit(server, domain, "--head", file);
    expect(later.code).toBe(1);
    expect(later.found.message).toContain("Entry 9 is not the one that was signed for.");
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
    const rows = await server.database
      .prepare("select max(committed_at) as time from domain_log where domain = ? and revision <= 6")
      .bind(domain)
      .first<{ time: number }>();
    await sql(
      "update domain_log set committed_at = committed_at + ? where domain = ? and revision > 6",
      15 * day,
      domain,
    );
    await server.runScheduled(new Date((rows?.time ?? 0) + 20 * day));

    const left = await server.database
      .prepare("select min(revision) as first, count(*) as entries from domain_log where domain = ?")
      .bind(domain)
      .first<{ first: number; entries: number }>();
    expect(left).toEqual({ first: 7, entries: 3 });
    const checkpointed = (await ask("GET", `/admin/domains/${domain}/log/head`)) as {
      checkpoint: { revision: number };
    };
    expect(checkpointed.checkpoint.revision).toBe(6);

    // The test itself moved the times of entries 7 to 9, which an audit rightly finds: move them back.
    await sql("update domain_log set committed_at = committed_at - ? where domain = ?", 15 * day, domain);
    expect(await audit(server, domain)).toMatchObject({ code: 0, found: { entries: 3, members: 1, keyVersion: 3 } });
    expect(await audit(server, domain, "--archive", archive)).toMatchObject({ code: 0, found: { entries: 9 } });

    await joins(domain, randomUUID());
    expect((await audit(server, domain)).code).toBe(0);
    await sql("delete from domain_log where domain = ? and revision = 7", domain);
    expect((await audit(server, domain)).found.message).toContain("Entry 7 is missing.");
  });

  it("keeps its newest entry, however old", async () => {
    const domain = await eventfulDomain();
    await server.runScheduled(new Date(Date.now() + 1_000 * 24 * 60 * 60 * 1000));
    expect(await audit(server, domain)).toMatchObject({ code: 0, found: { entries: 1 } });
    await joins(domain, randomUUID());
    expect(await audit(server, domain)).toMatchObject({ code: 0, found: { entries: 2 } });
  });
});
