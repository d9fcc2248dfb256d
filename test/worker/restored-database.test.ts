import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { configure, deregister, invariantViolations, newDomain, newGuid, register } from "../support/worker/client.ts";
import { copyOf, expectCopied } from "../support/worker/copied.ts";
import { operate } from "../support/worker/operators.ts";

const TABLES = ["domain_server_info", "domain_membership", "domain_keys", "domain_bans"] as const;

type Snapshot = Readonly<Record<string, readonly Record<string, unknown>[]>>;

/** All that the database has of a domain. */
async function snapshot(domain: string): Promise<Snapshot> {
  const tables = TABLES.map(async (table) => {
    const { results } = await env.DB.prepare(`select * from ${table} where domain = ?`).bind(domain).all();
    return [table, results] as const;
  });
  return Object.fromEntries(await Promise.all(tables));
}

/** Has the database have of a domain what it had, as Time Travel does with all of it. */
async function restore(domain: string, rows: Snapshot): Promise<void> {
  await env.DB.batch(
    TABLES.flatMap((table) => [
      env.DB.prepare(`delete from ${table} where domain = ?`).bind(domain),
      ...(rows[table] ?? []).map((row) => {
        const names = Object.keys(row);
        const places = names.map(() => "?").join(", ");
        return env.DB.prepare(`insert into ${table} (${names.join(", ")}) values (${places})`).bind(
          ...Object.values(row),
        );
      }),
    ]),
  );
}

/** A domain with a life of ten changes, and what the database had after each of them. */
async function lived() {
  const domain = newDomain();
  const [one, two, three] = [newGuid(), newGuid(), newGuid()];
  const snapshots: Snapshot[] = [await snapshot(domain)];
  for (const change of [
    () => register(domain, one),
    () => register(domain, two),
    () => operate("PUT", `/${domain}/bans/${two}`, { reason: "stolen" }),
    () => register(domain, three),
    () => deregister(domain, one),
    () => configure(domain, { maxMembership: 5 }),
    () => operate("POST", `/${domain}/rollover`, { when: "now" }),
    () => operate("DELETE", `/${domain}/bans/${two}`),
    () => operate("PUT", `/${domain}/retired-keys`, { upTo: 1 }),
    () => register(domain, two),
  ]) {
    expect((await change()).status).toBeLessThan(300);
    await expectCopied(domain);
    snapshots.push(await snapshot(domain));
  }
  return { domain, member: three, snapshots };
}

const WAYS: Readonly<Record<string, (domain: string) => Promise<{ status: number }>>> = {
  "an operator who asks for it": (domain) => operate("POST", `/${domain}/copy`),
  "the next join": (domain) => register(domain, newGuid()),
  "the next change of an operator": (domain) => operate("POST", `/${domain}/rollover`, { when: "now" }),
};

describe("a database restored to any earlier state", () => {
  it.each(Object.entries(WAYS))("comes right by %s", async (_, ask) => {
    const { domain, snapshots } = await lived();
    for (const earlier of snapshots) {
      await configure(domain, { maxMembership: null });
      await expectCopied(domain);
      await restore(domain, earlier);
      expect((await ask(domain)).status).toBeLessThan(300);
      await expectCopied(domain);
      expect(await invariantViolations(domain)).toEqual([]);
    }
  });

  it("has no device notice: who is a member renews, who left is none", async () => {
    const { domain, member, snapshots } = await lived();
    for (const earlier of snapshots) {
      await restore(domain, earlier);
      expect((await register(domain, member)).status).toBe(200);
      expect((await deregister(domain, newGuid())).status).toBe(403);
    }
    expect((await operate("POST", `/${domain}/copy`)).status).toBe(200);
    await expectCopied(domain);
  });

  it("comes right if it is restored while devices come and go", async () => {
    const { domain, snapshots } = await lived();
    await configure(domain, { maxMembership: null });
    const guids = Array.from({ length: 8 }, newGuid);
    let restored = 0;
    const comeAndGo = async (guid: string) => {
      while (restored < snapshots.length) {
        expect((await register(domain, guid)).status).toBe(201);
        expect((await deregister(domain, guid)).status).toBe(200);
      }
    };
    const all = Promise.all(guids.map(comeAndGo));
    for (const earlier of snapshots) {
      await restore(domain, earlier);
      restored++;
    }
    await all;
    expect((await operate("POST", `/${domain}/copy`)).status).toBe(200);
    await expectCopied(domain);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("says that an operator's change is copied only when all is right again", async () => {
    const { domain, snapshots } = await lived();
    for (const earlier of snapshots) {
      await restore(domain, earlier);
      const guid = newGuid();
      const { body } = await operate("PUT", `/${domain}/bans/${guid}`, { reason: "stolen" });
      expect(body.copied).toBe(true);
      const { domain_bans: bans, domain_membership: members } = await copyOf(domain);
      expect(bans?.map(({ machine_guid }) => machine_guid)).toContain(guid);
      expect(members).toHaveLength(2);
    }
  });
});
