import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { DatabaseWriter } from "../../src/server/database/database-writer.ts";
import { FAMILIES } from "../../src/server/database/metrics.ts";
import { openMetricsText } from "../../src/server/http/openmetrics.ts";
import { asAdmin, ask, configure, deregister, newDomain, newGuid, register, reply } from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { runAlarm } from "../support/worker/objects.ts";
import { asOperator, operate } from "../support/worker/operators.ts";

const writer = () => env.DATABASE_WRITER.getByName("DB");

/** Has the database writer start anew: it counts what the database holds at the next question. */
async function restartWriter(): Promise<void> {
  await writer().lag();
  await evictDurableObject(writer());
}

beforeEach(restartWriter);

const text = async () => (await ask("GET", "/admin/metrics", undefined, asAdmin)).text();

/** The samples as they stand in the text, without the label of the database. */
async function samples(): Promise<Record<string, number>> {
  const lines = (await text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(
    lines.map((line) => {
      const [, name = "", labels = "", value] = /^(\w+)\{database="DB",?(.*)\} (.+)$/.exec(line) ?? [];
      return [labels === "" ? name : `${name}{${labels}}`, Number(value)];
    }),
  );
}

/** How much each counter of something grew meanwhile. */
async function growth(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await samples();
  await work();
  const after = await samples();
  return Object.fromEntries(
    Object.entries(after).flatMap(([name, value]) => {
      const grown = value - (before[name] ?? 0);
      return /_total/.test(name) && !name.includes("writes") && grown !== 0 ? [[name, grown]] : [];
    }),
  );
}

describe("the metrics", () => {
  it("count what happens in domains, each thing once", async () => {
    const [domain, one, two, three] = [newDomain(), newGuid(), newGuid(), newGuid()];
    const grown = await growth(async () => {
      for (const device of [one, two, three]) await register(domain, device);
      await register(domain, one);
      await deregister(domain, one, { preview: true });
      await deregister(domain, one);
      const { body } = await operate("GET", `/${domain}/members`);
      await operate("DELETE", `/${domain}/members/${body.members[0].handle}`);
      await register(domain, newGuid());
      await expectCopied(domain);
    });
    expect(grown).toEqual({
      device_domain_domains_created_total: 1,
      device_domain_joins_total: 4,
      device_domain_leaves_total: 1,
      device_domain_removals_total: 1,
      device_domain_rollovers_total: 2,
      device_domain_commits_total: 6,
    });
  });

  it("count refusals by their error, and none of previews that are granted", async () => {
    const domain = newDomain();
    await configure(domain, { maxMembership: 0 });
    await expectCopied(domain);
    const grown = await growth(async () => {
      for (let count = 0; count < 3; count++) expect((await register(domain, newGuid())).status).toBe(409);
      expect((await deregister(domain, newGuid())).status).toBe(403);
      await runAlarm(domain);
      await vi.waitFor(async () => {
        expect((await samples())['device_domain_refusals_total{error="DEREG_DENIED"}']).toBeGreaterThan(0);
      });
    });
    expect(grown).toEqual({
      'device_domain_refusals_total{error="DOM_LIMIT_REACHED"}': 3,
      'device_domain_refusals_total{error="DEREG_DENIED"}': 1,
    });
  });

  it("count a part of the copy once, though it comes again, and go on after a restart", async () => {
    const domain = newDomain();
    const parts: Parameters<DatabaseWriter["write"]>[0][] = [];
    const { write } = DatabaseWriter.prototype;
    const spy = vi.spyOn(DatabaseWriter.prototype, "write").mockImplementation(function (
      this: DatabaseWriter,
      part,
      urgent,
    ) {
      parts.push(part);
      return write.call(this, part, urgent);
    });
    const grown = await growth(async () => {
      await register(domain, newGuid());
      await expectCopied(domain);
      spy.mockRestore();
      await restartWriter();
      for (const part of parts) await writer().write(part);
    });
    expect(parts.length).toBeGreaterThan(0);
    expect(grown.device_domain_joins_total).toBe(1);
  });

  it("count what became of a domain that was deleted before it was copied", async () => {
    const domain = newDomain();
    const grown = await growth(async () => {
      await register(domain, newGuid());
      await reply("DELETE", `/admin/domains/${domain}?confirm=${domain}`, undefined, asAdmin);
      await vi.waitFor(async () => {
        expect((await samples()).device_domain_domains_deleted_total).toBeGreaterThan(0);
      });
    });
    expect(grown).toMatchObject({
      device_domain_domains_created_total: 1,
      device_domain_domains_deleted_total: 1,
      device_domain_joins_total: 1,
    });
  });

  it("say what the database holds", async () => {
    const domain = newDomain();
    for (let count = 0; count < 3; count++) await register(domain, newGuid());
    await expectCopied(domain);
    const sums = await env.DB.prepare(
      "select count(*) as domains, sum(member_count) as members from domain_server_info",
    ).first();
    expect(await samples()).toMatchObject({
      device_domain_domains: sums?.domains,
      device_domain_members: sums?.members,
      device_domain_keys_to_rewrap: 0,
      device_domain_copy_waiting_changes: 0,
      device_domain_copy_lag_seconds: 0,
    });
  });

  it("are a text of OpenMetrics without machine GUIDs and names", async () => {
    const [domain, device] = [newDomain(), newGuid()];
    await register(domain, device, { deviceName: "Kitchen" });
    await expectCopied(domain);
    const answer = await ask("GET", "/admin/metrics", undefined, await asOperator("metrics:read"));
    expect(answer.headers.get("content-type")).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
    const body = await answer.text();
    expect(body.endsWith("\n# EOF\n")).toBe(true);
    for (const [family, { type }] of Object.entries(FAMILIES)) {
      expect(body.split("\n").filter((line) => line === `# TYPE ${family} ${type}`)).toHaveLength(1);
    }
    for (const secret of [domain, device, device.slice(0, 8), "Kitchen"]) expect(body).not.toContain(secret);
  });

  it("of several databases stand together in their families", () => {
    const of = (joins: number) => ({
      device_domain_joins_total: joins,
      'device_domain_refusals_total{error="DEREG_DENIED"}': 1,
    });
    const lines = openMetricsText(
      new Map([
        ["DB", of(1)],
        ["DB_2", of(2)],
      ]),
    ).split("\n");
    const at = lines.indexOf("# TYPE device_domain_joins counter");
    expect(lines.slice(at + 2, at + 4)).toEqual([
      'device_domain_joins_total{database="DB"} 1',
      'device_domain_joins_total{database="DB_2"} 2',
    ]);
    expect(lines).toContain('device_domain_refusals_total{database="DB_2",error="DEREG_DENIED"} 1');
  });

  it("are refused retryably while the database does not answer", async () => {
    await runInDurableObject(writer(), (object: DatabaseWriter) => {
      const failing = {
        prepare: () => {
          throw new Error("D1_ERROR: Network connection lost.");
        },
      };
      Object.defineProperty(object, "env", { value: { ...env, DB: failing } });
    });
    const answer = await reply("GET", "/admin/metrics", undefined, asAdmin);
    expect([answer.status, answer.body.error]).toEqual([503, "TEMPORARILY_UNAVAILABLE"]);
  });
});
