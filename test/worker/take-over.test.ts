import { abortAllDurableObjects, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import {
  asAdmin,
  configure,
  deregister,
  newDomain,
  newGuid,
  register,
  reply,
  stored,
} from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { LOGGED_DEFAULTS } from "../support/worker/default-settings.ts";
import { faultyDatabase } from "../support/worker/faulty-database.ts";
import { setEnvironment } from "../support/worker/objects.ts";

/** Writes rows of a domain into the database, as a service does that brings its domains along. */
async function imported(domain: string, members: readonly string[], settings: { maxMembership?: number } = {}) {
  await env.DB.prepare("insert into domain_server_info (domain, max_membership) values (?, ?)")
    .bind(domain, settings.maxMembership ?? null)
    .run();
  await env.DB.prepare("insert into domain_membership (domain, machine_guid) select ?, value from json_each(?)")
    .bind(domain, JSON.stringify(members))
    .run();
}

/** The entries of a domain's log, oldest first. */
async function log(domain: string) {
  return (await reply("GET", `/admin/domains/${domain}/log?order=oldest`, undefined, asAdmin)).body.entries;
}

/** Writes a domain with so many members, whose GUIDs are numbers in the last place. */
async function importMany(domain: string, members: number): Promise<void> {
  await imported(domain, []);
  await env.DB.prepare(
    `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ?2)
      insert into domain_membership (domain, machine_guid)
      select ?1, printf('00000000-0000-4000-8000-%012x', n) from numbers`,
  )
    .bind(domain, members)
    .run();
}

const numbered = (n: number) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;

describe("an empty object whose domain the database knows", () => {
  it("serves its members, counts them, and makes a new key first", async () => {
    const domain = newDomain();
    const [member, other, stranger] = [newGuid(), newGuid(), newGuid()];
    await imported(domain, [member, other], { maxMembership: 2 });
    const renewal = await register(domain, member);
    expect([renewal.status, renewal.body.newMember, renewal.body.keyVersion]).toEqual([200, false, 1]);
    expect((await register(domain, stranger)).body.error).toBe("DOM_LIMIT_REACHED");
    expect((await deregister(domain, other)).body.deregistered).toBe(true);
    expect((await register(domain, stranger)).body).toMatchObject({ newMember: true, keyVersion: 2 });
    await expectCopied(domain);
  });

  it.each([
    ["a look at the domain", (domain: string) => reply("GET", `/domains/${domain}`)],
    ["a look at its keys", (domain: string) => reply("GET", `/domains/${domain}/keys`)],
    ["a leave", (domain: string, member: string) => deregister(domain, member)],
    ["an operator's list", (domain: string) => reply("GET", `/admin/domains/${domain}/members`, undefined, asAdmin)],
    ["an operator's change", (domain: string) => reply("PATCH", `/admin/domains/${domain}`, {}, asAdmin)],
  ])("takes it over for %s", async (_, ask) => {
    const domain = newDomain();
    const member = newGuid();
    await imported(domain, [member]);
    expect((await ask(domain, member)).status).toBe(200);
    expect((await log(domain))[0].changes[0].type).toBe("domain-taken-over");
  });

  it("begins the log with a record of it, above the revision the database had", async () => {
    const domain = newDomain();
    await imported(domain, [newGuid()], { maxMembership: 7 });
    await env.DB.prepare("update domain_server_info set revision = 41 where domain = ?").bind(domain).run();
    await reply("GET", `/domains/${domain}`);
    const entries = await log(domain);
    const settings = { ...LOGGED_DEFAULTS, maxMembership: 7 };
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ revision: 42, previous: null });
    expect(entries[0].changes).toEqual([
      { type: "domain-taken-over", settings, keyVersion: 0, retiredUpTo: 0, memberCount: 1 },
    ]);
    await expectCopied(domain);
  });

  it("has the keys, bans and settings that an object before it had copied", async () => {
    const domain = newDomain();
    const [member, banned] = [newGuid(), newGuid()];
    const first = await register(domain, member);
    await register(domain, banned);
    await reply("PUT", `/admin/domains/${domain}/bans/${banned}`, { reason: "stolen" }, asAdmin);
    await register(domain, member);
    const settings = { maxMembership: 1, rolloverIntervalSeconds: 60, retireAfterDays: 400 };
    await configure(domain, settings);
    await expectCopied(domain);
    // The same rows under another name are what an object of a new namespace finds.
    const renamed = newDomain();
    for (const table of ["domain_server_info", "domain_membership", "domain_bans"]) {
      await env.DB.prepare(`update ${table} set domain = ? where domain = ?`).bind(renamed, domain).run();
    }
    const overview = await reply("GET", `/admin/domains/${renamed}`, undefined, asAdmin);
    expect(overview.body).toMatchObject({ ...settings, memberCount: 1, keyRolloverRequired: true });
    expect((await register(renamed, banned)).body.error).toBe("DEVICE_BANNED");
    expect((await register(renamed, member)).status).toBe(200);
    expect(first.status).toBe(201);
  });

  it("keeps when it was created, and takes keys that are missing for retired", async () => {
    const [domain, guid] = [newDomain(), newGuid()];
    await imported(domain, [guid]);
    await env.DB.prepare("update domain_server_info set created_at = 1700000000000 where domain = ?")
      .bind(domain)
      .run();
    // Any wrapped key does: it is retired, or not asked for.
    await env.DB.prepare(
      `insert into domain_keys (domain, key_version, public_jwk, wrapped_private_jwk, key_encryption_kid)
        values (?1, 1, '{}', 'one', 'kek'), (?1, 4, '{}', 'four', 'kek')`,
    )
      .bind(domain)
      .run();
    const { body } = await reply("GET", `/admin/domains/${domain}`, undefined, asAdmin);
    expect(body).toMatchObject({ createdAt: "2023-11-14T22:13:20.000Z", keyVersion: 4, retiredUpTo: 3 });
    const renewal = await register(domain, guid, { afterKeyVersion: 4 });
    expect([renewal.status, renewal.body.keyVersion, renewal.body.credentials.length]).toEqual([200, 5, 1]);
    // Nothing brings them back, and the key set does not promise them.
    const restored = await reply("PUT", `/admin/domains/${domain}/retired-keys`, { upTo: 0 }, asAdmin);
    expect(restored.body.retiredUpTo).toBe(3);
    expect((await register(domain, newGuid(), { credentials: "newest" })).status).toBe(201);
    expect((await reply("GET", `/domains/${domain}/keys?before=5`)).body).not.toHaveProperty("olderKeyVersions");
    await expectCopied(domain);
  });

  it("retires no key that is still to be made", async () => {
    const domain = newDomain();
    await imported(domain, []);
    await env.DB.prepare("update domain_server_info set retired_up_to = 3 where domain = ?").bind(domain).run();
    const joined = await register(domain, newGuid());
    expect([joined.body.keyVersion, joined.body.credentials.length]).toEqual([1, 1]);
  });

  it("takes nothing over if the domain came into being while the database was asked", async () => {
    const [domain, member, left] = [newDomain(), newGuid(), newGuid()];
    let isHeld = false;
    const database = faultyDatabase(env.DB, async (_, run) => {
      // Polled: a promise of another object may not be awaited.
      while (isHeld) await scheduler.wait(1);
      return run();
    });
    await setEnvironment(domain, { DB: database });
    const now = Date.now();
    expect((await reply("GET", `/domains/${domain}`)).status).toBe(404);
    isHeld = true;
    const clock = vi.spyOn(Date, "now").mockReturnValue(now + 5_000);
    const looked = reply("GET", `/domains/${domain}`);
    await vi.waitFor(() => expect(clock).toHaveBeenCalled());
    await scheduler.wait(20);
    // For a moment after the first look nobody asks the database.
    clock.mockReturnValue(now + 100);
    for (const guid of [member, left]) expect((await register(domain, guid)).status).toBe(201);
    vi.restoreAllMocks();
    await expectCopied(domain);
    isHeld = false;
    expect((await looked).status).toBe(200);
    const types = (await log(domain)).flatMap(({ changes }: { changes: { type: string }[] }) =>
      changes.map(({ type }) => type),
    );
    expect(types).not.toContain("domain-taken-over");
    expect(await stored(domain, "select * from take_over")).toEqual([]);
  });

  it("is refused retryably while the database cannot say whether it knows the domain", async () => {
    const domain = newDomain();
    await imported(domain, []);
    await env.DB.prepare("alter table domain_membership rename to gone").run();
    try {
      const refusal = await register(domain, newGuid());
      expect(refusal.status).toBe(503);
      expect(refusal.headers.get("retry-after")).toBe("1");
    } finally {
      await env.DB.prepare("alter table gone rename to domain_membership").run();
    }
    await vi.waitFor(async () => expect((await register(domain, newGuid())).status).toBe(201));
  });
});

describe("a take-over that takes a while", () => {
  const MANY = 20_000;
  /** Takes back what was imported. */
  const withdraw = (domain: string) =>
    env.DB.batch(
      ["domain_server_info", "domain_membership", "domain_keys", "domain_bans"].map((table) =>
        env.DB.prepare(`delete from ${table} where domain = ?`).bind(domain),
      ),
    );
  /** A domain whose take-over waits in the midst of its members until it is released. */
  async function begun() {
    const domain = newDomain();
    await importMany(domain, MANY);
    let [pages, isHeld] = [0, true];
    const database = faultyDatabase(env.DB, async (sql, run) => {
      const isPage = sql.some((each) => each.includes("domain_membership"));
      if (isPage) pages++;
      // Polled: a promise of another object may not be awaited.
      while (isPage && pages > 5 && isHeld) await scheduler.wait(1);
      return run();
    });
    await setEnvironment(domain, { DB: database });
    expect((await register(domain, newGuid())).status).toBe(503);
    return {
      domain,
      release: () => {
        isHeld = false;
      },
    };
  }
  const taken = (domain: string, ask: () => ReturnType<typeof register>) =>
    vi.waitFor(
      async () => {
        const response = await ask();
        expect(response.status, domain).not.toBe(503);
        return response;
      },
      { timeout: 60_000, interval: 100 },
    );

  it("keeps out the devices that are banned, also those that asked meanwhile", async () => {
    const { domain, release } = await begun();
    const banned = newGuid();
    await env.DB.prepare("insert into domain_bans (domain, machine_guid, reason, banned_by) values (?, ?, 'x', 'y')")
      .bind(domain, banned)
      .run();
    expect((await register(domain, banned)).status).toBe(503);
    release();
    const response = await taken(domain, () => register(domain, banned));
    expect(response.body.error).toBe("DEVICE_BANNED");
  });

  it("ends if the domain is taken back meanwhile, and leaves nothing of it", async () => {
    const { domain, release } = await begun();
    await withdraw(domain);
    release();
    const joined = await taken(domain, () => register(domain, newGuid()));
    expect(joined.status).toBe(201);
    const { body } = await reply("GET", `/admin/domains/${domain}`, undefined, asAdmin);
    expect(body.memberCount).toBe(1);
    expect((await stored(domain, "select count(*) as members from domain_membership"))[0]?.members).toBe(1);
  });

  it("begins anew if other rows take their place meanwhile", async () => {
    const { domain, release } = await begun();
    const member = newGuid();
    await withdraw(domain);
    await imported(domain, [member]);
    // Some seconds pass between the two.
    await env.DB.prepare("update domain_server_info set created_at = created_at + 5000 where domain = ?")
      .bind(domain)
      .run();
    release();
    const renewal = await taken(domain, () => register(domain, member));
    expect(renewal.body).toMatchObject({ newMember: false });
    const { body } = await reply("GET", `/admin/domains/${domain}`, undefined, asAdmin);
    expect(body.memberCount).toBe(1);
    await expectCopied(domain);
  });
});

describe("a take-over of very many members", () => {
  it("refuses retryably meanwhile, goes on where a lost object was, and ends with all of them", async () => {
    const domain = newDomain();
    await importMany(domain, 1_000_000);
    const refusal = await register(domain, numbered(1));
    expect([refusal.status, refusal.body.error]).toEqual([503, "TEMPORARILY_UNAVAILABLE"]);
    expect(refusal.headers.get("retry-after")).toBe("1");
    const reached = async () =>
      Number((await stored(domain, "select count(*) as members from domain_membership"))[0]?.members);
    await vi.waitFor(async () => expect(await reached()).toBeGreaterThan(20_000), { timeout: 60_000, interval: 20 });
    await abortAllDurableObjects();
    // Nobody asks any more: the alarm alone sees to it.
    await runDurableObjectAlarm(env.DOMAIN_OBJECT.getByName(domain));
    const overview = await vi.waitFor(
      async () => {
        const { status, body } = await reply("GET", `/admin/domains/${domain}`, undefined, asAdmin);
        expect(status).toBe(200);
        return body;
      },
      { timeout: 60_000, interval: 100 },
    );
    expect(overview.memberCount).toBe(1_000_000);
    expect((await register(domain, numbered(1_000_000))).status).toBe(200);
    expect((await register(domain, newGuid())).status).toBe(201);
  });
});
