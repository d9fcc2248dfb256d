import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DomainObject } from "../../src/server/object/domain-object.ts";
import { newDevice } from "../support/devices.ts";
import { asAdmin, configure, newDomain, newGuid, type Reply, register, reply } from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { askWith } from "../support/worker/environments.ts";
import {
  CONNECTION_LOST,
  faultyDatabase,
  setWriterDatabase,
  unluckyDatabase,
} from "../support/worker/faulty-database.ts";
import { asOperator, everything, operate, paged, signedBy } from "../support/worker/operators.ts";
import { banEverywhere, ofDevice } from "../support/worker/server-wide-bans.ts";

afterEach(() => vi.restoreAllMocks());

/** Domains with this device and another one, that D1 has as well, by name. */
async function homesOf(guid: string, count: number): Promise<string[]> {
  const domains = Array.from({ length: count }, newDomain).sort();
  for (const domain of domains) for (const each of [newGuid(), guid]) await register(domain, each);
  for (const domain of domains) await expectCopied(domain);
  return domains;
}

const evictEverywhere = (device: string, headers?: object) =>
  ofDevice("DELETE", `${device}/domains`, undefined, headers);

/** The domains on a device's list, page by page. */
async function listed(device: string, limit = 200): Promise<Reply["body"][]> {
  const found = [];
  for (let cursor = ""; ; ) {
    const { body } = await ofDevice("GET", `${device}?limit=${limit}${cursor}`);
    expect(body.domains.length).toBeLessThanOrEqual(limit);
    found.push(...body.domains);
    if (body.nextCursor === null) return found;
    cursor = `&cursor=${body.nextCursor}`;
  }
}

/** Domains whose objects fail, in a way of their own. */
function failing(domains: Readonly<Record<string, () => unknown>>): void {
  const { execute } = DomainObject.prototype;
  vi.spyOn(DomainObject.prototype, "execute").mockImplementation(async function (
    this: DomainObject,
    ...[command, context]: Parameters<DomainObject["execute"]>
  ) {
    const { name = "" } = (this as unknown as { ctx: DurableObjectState }).ctx.id;
    return (domains[name]?.() ?? execute.call(this, command, context)) as never;
  });
}

const overloaded = () => ({ granted: false, refusal: { error: "OVERLOADED", reason: "a test" } });

describe("a server-wide ban", () => {
  it("leaves the ban of a domain that was there before, also if the database did not show that", async () => {
    const guid = newGuid();
    const [own, other] = await homesOf(guid, 2);
    await setWriterDatabase(unluckyDatabase(() => "fails before").database);
    await operate("PUT", `/${own}/bans/${guid}`, { reason: "fraud" });
    expect((await banEverywhere(guid)).body.domains.banned).toEqual([own, other]);
    await setWriterDatabase();
    // Once more, as an operator does to be sure: the ban of the other one is still this one's.
    await banEverywhere(guid);
    await ofDevice("DELETE", `${guid}/ban`);
    expect((await register(own as string, guid)).body.error).toBe("DEVICE_BANNED");
    expect((await register(other as string, guid)).status).toBe(201);
  });
});

describe("the domains of a device", () => {
  it("are listed by name, with when it joined and whether by a key, and nothing of other devices", async () => {
    const device = await newDevice();
    const [signed, unsigned] = [newDomain(), newDomain()].sort() as [string, string];
    await signedBy(device, signed, "register");
    await register(unsigned, device.machineGuid);
    await register(newDomain(), newGuid());
    for (const domain of [signed, unsigned]) await expectCopied(domain);
    const { status, body } = await ofDevice("GET", device.machineGuid.toUpperCase());
    expect(status).toBe(200);
    const joinedAt = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(body).toEqual({
      handle: expect.any(String),
      machineGuid: `${device.machineGuid.slice(0, 8)}…`,
      ban: null,
      domains: [
        { domain: signed, joinedAt, hasDeviceKey: true },
        { domain: unsigned, joinedAt, hasDeviceKey: false },
      ],
      nextCursor: null,
    });
  });

  it("are none for a device that nobody knows", async () => {
    const { status, body } = await ofDevice("GET", newGuid());
    expect(status).toBe(200);
    expect(body).toMatchObject({ ban: null, domains: [], nextCursor: null });
  });

  it("come page by page, each once, by a cursor that is good for this device alone", async () => {
    const guid = newGuid();
    const domains = await homesOf(guid, 5);
    expect((await listed(guid, 2)).map(({ domain }) => domain)).toEqual(domains);
    const { nextCursor } = (await ofDevice("GET", `${guid}?limit=2`)).body;
    expect((await ofDevice("GET", `${newGuid()}?cursor=${nextCursor}`)).body.errors).toMatchObject([
      { field: "cursor" },
    ]);
    expect((await ofDevice("GET", `${guid}?limit=201`)).status).toBe(400);
  });

  it("are found by any handle of the device, and its own handle is good in each of them", async () => {
    const guid = newGuid();
    const [first, second] = (await homesOf(guid, 2)) as [string, string];
    const members = await paged(`/${first}/members`, "members");
    const member = members.find(({ machineGuid }) => machineGuid === `${guid.slice(0, 8)}…`);
    const { body } = await ofDevice("GET", member?.handle);
    expect(body.domains.map(({ domain }: { domain: string }) => domain)).toEqual([first, second]);
    expect(JSON.stringify(body)).not.toContain(guid);
    expect((await operate("GET", `/${second}/members/${member?.handle}`)).status).toBe(400);
    expect((await operate("GET", `/${second}/members/${body.handle}`)).status).toBe(200);
    expect((await operate("DELETE", `/${second}/members/${body.handle}`)).status).toBe(200);
    expect((await ofDevice("GET", body.handle)).body.domains).toHaveLength(1);
  });

  it("are not those that it left, nor those that were deleted or have no row of their own", async () => {
    const guid = newGuid();
    const [kept, left, deleted] = (await homesOf(guid, 3)) as [string, string, string];
    await operate("DELETE", `/${left}/members/${guid}`);
    await operate("DELETE", `/${deleted}?confirm=${deleted}`);
    await env.DB.prepare("insert into domain_membership (domain, machine_guid) values (?, ?)")
      .bind(newDomain(), guid)
      .run();
    expect((await listed(guid)).map(({ domain }) => domain)).toEqual([kept]);
  });

  it("are not named by what is no device", async () => {
    for (const name of ["x", "6f1c7a52", `${newGuid()}x`]) {
      for (const { status, body } of [await ofDevice("GET", name), await evictEverywhere(name)]) {
        expect(status).toBe(400);
        expect(body.errors).toEqual([{ field: "machineGuid", detail: "must be a UUID, or a handle from a list" }]);
      }
    }
  });

  it("are found by an index, in order, however many devices and domains there are", async () => {
    const sql: string[] = [];
    const DB = faultyDatabase(env.DB, (statements, run) => {
      sql.push(...statements);
      return run();
    });
    await askWith({ DB }, "GET", `/admin/devices/${newGuid()}`, undefined, asAdmin);
    expect(sql).toHaveLength(1);
    const { results } = await env.DB.prepare(`explain query plan ${sql[0]}`)
      .bind(newGuid(), "", 51)
      .all<{ detail: string }>();
    const plan = results.map(({ detail }) => detail).join("\n");
    expect(plan).toContain("domain_membership_by_device (machine_guid=? AND domain>?)");
    expect(plan).not.toMatch(/SCAN|TEMP B-TREE/);
  });

  it("cannot be told while the database cannot be asked", async () => {
    const DB = faultyDatabase(env.DB, async () => {
      throw new Error(CONNECTION_LOST);
    });
    for (const [method, path] of [
      ["GET", ""],
      ["DELETE", "/domains"],
    ] as const) {
      const { status, body } = await askWith({ DB }, method, `/admin/devices/${newGuid()}${path}`, undefined, asAdmin);
      expect([status, body.error]).toEqual([503, "TEMPORARILY_UNAVAILABLE"]);
    }
  });
});

describe("a device that is evicted from all its domains", () => {
  it("is a member of none, a rollover is due in each, and it may come back", async () => {
    const guid = newGuid();
    const domains = await homesOf(guid, 3);
    const { status, body } = await evictEverywhere(guid, await asOperator("domains:evict"));
    expect(status).toBe(200);
    expect(body).toEqual({ evicted: domains, failed: [], more: false });
    for (const domain of domains) {
      const { info, members, bans } = await everything(domain);
      expect(info).toMatchObject({ member_count: 1, key_rollover_required: 1, revision: 3 });
      expect(members.map(({ machine_guid }) => machine_guid)).not.toContain(guid);
      expect(bans).toEqual([]);
      const [entry] = (await operate("GET", `/${domain}/log`)).body.entries;
      expect(entry.changes).toMatchObject([{ type: "device-evicted", by: "https://office.example#someone" }]);
    }
    expect(await listed(guid)).toEqual([]);
    expect((await evictEverywhere(guid)).body).toEqual({ evicted: [], failed: [], more: false });
    expect((await register(domains[0] as string, guid)).status).toBe(201);
  });

  it("is evicted from the others if domains fail, which are named with what kept them, and done by a repeat", async () => {
    const guid = newGuid();
    const [busy, well, broken] = (await homesOf(guid, 3)) as [string, string, string];
    failing({
      [busy]: overloaded,
      [broken]: () => {
        throw new Error("a fault of a test");
      },
    });
    const first = await evictEverywhere(guid);
    expect(first.status).toBe(200);
    expect(first.body).toEqual({
      evicted: [well],
      failed: [
        { domain: busy, error: "OVERLOADED" },
        { domain: broken, error: "INTERNAL_ERROR" },
      ],
      more: false,
    });
    expect((await everything(busy)).members).toHaveLength(2);
    vi.restoreAllMocks();
    expect((await evictEverywhere(guid)).body).toEqual({ evicted: [busy, broken], failed: [], more: false });
  });

  it("is done with where the database still has it, though it is not a member, or the domain is gone", async () => {
    const guid = newGuid();
    const [left, never] = [newDomain(), newDomain()].sort() as [string, string];
    await configure(left, {});
    await expectCopied(left);
    for (const domain of [left, never]) {
      await env.DB.batch([
        env.DB.prepare("insert or ignore into domain_server_info (domain) values (?)").bind(domain),
        env.DB.prepare("insert into domain_membership (domain, machine_guid) values (?, ?)").bind(domain, guid),
      ]);
    }
    failing({ [never]: () => ({ granted: false, refusal: { error: "DOMAIN_NOT_FOUND", reason: "a test" } }) });
    expect((await evictEverywhere(guid)).body).toEqual({ evicted: [left, never], failed: [], more: false });
    expect((await everything(left)).log).toHaveLength(1);
  });

  it("is evicted from a hundred domains by one request, and by the next from the rest", async () => {
    const guid = newGuid();
    const domains = Array.from({ length: 103 }, newDomain).sort();
    await Promise.all(domains.map((domain) => register(domain, guid)));
    await vi.waitFor(async () => expect(await listed(guid)).toHaveLength(103), { timeout: 20_000 });
    const { body } = await evictEverywhere(guid);
    expect(body).toEqual({ evicted: domains.slice(0, 100), failed: [], more: true });
    // A ban goes on in the same way.
    await vi.waitFor(async () => expect(await listed(guid)).toHaveLength(3), { timeout: 20_000 });
    const ban = await banEverywhere(guid);
    expect(ban.body.domains).toEqual({ banned: domains.slice(100), failed: [], more: false });
  });

  it("needs an operator who may evict, and to look one who may read", async () => {
    const guid = newGuid();
    const [domain] = (await homesOf(guid, 1)) as [string];
    const [reader, evicter] = [await asOperator("domains:read"), await asOperator("domains:evict")];
    expect((await evictEverywhere(guid, reader)).status).toBe(403);
    expect((await ofDevice("GET", guid, undefined, evicter)).status).toBe(403);
    expect((await reply("DELETE", `/admin/devices/${guid}/domains`)).status).toBe(401);
    expect((await reply("GET", `/admin/devices/${guid}`)).status).toBe(401);
    expect((await everything(domain)).members).toHaveLength(2);
    expect((await ofDevice("GET", guid, undefined, reader)).body.domains).toHaveLength(1);
  });
});

describe("a device in more than a hundred domains that is banned server-wide", () => {
  it("is banned in the rest by repeats, and let back in the same way", async () => {
    const guid = newGuid();
    const domains = Array.from({ length: 102 }, newDomain).sort();
    await Promise.all(domains.map((domain) => register(domain, guid)));
    await vi.waitFor(async () => expect(await listed(guid)).toHaveLength(102), { timeout: 20_000 });
    const first = await banEverywhere(guid);
    expect([first.status, first.body.domains]).toEqual([
      201,
      { banned: domains.slice(0, 100), failed: [], more: true },
    ]);
    // It does not renew in those that are left either.
    expect((await register(domains[101] as string, guid)).body.error).toBe("DEVICE_BANNED");
    await vi.waitFor(async () => expect(await listed(guid)).toHaveLength(2), { timeout: 20_000 });
    const second = await banEverywhere(guid);
    expect([second.status, second.body.domains]).toEqual([
      200,
      { banned: domains.slice(100), failed: [], more: false },
    ]);
    const lifted = await ofDevice("DELETE", `${guid}/ban`);
    expect(lifted.body.domains).toEqual({ lifted: domains.slice(0, 100), failed: [], more: true });
    const rest = await ofDevice("DELETE", `${guid}/ban`);
    expect(rest).toMatchObject({
      status: 200,
      body: { domains: { lifted: domains.slice(100), failed: [], more: false } },
    });
    for (const domain of [domains[0], domains[101]]) expect((await register(domain as string, guid)).status).toBe(201);
  });
});
