import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DeviceBans, MAX_BANS, MAX_KEYS_OF_BAN } from "../../src/server/object/device-bans.ts";
import { DomainObject } from "../../src/server/object/domain-object.ts";
import { newDevice } from "../support/devices.ts";
import { mintToken } from "../support/issuers.ts";
import {
  asAdmin,
  configure,
  deregister,
  newDomain,
  newGuid,
  type Reply,
  register,
  reply,
  rows,
} from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { askWith } from "../support/worker/environments.ts";
import { CONNECTION_LOST, faultyDatabase } from "../support/worker/faulty-database.ts";
import { runAlarm } from "../support/worker/objects.ts";
import { asOperator, everything, operate, signedBy } from "../support/worker/operators.ts";
import {
  banEverywhere,
  expectBanned,
  liftEverywhere,
  newIsolate,
  ofDevice,
  renamed,
} from "../support/worker/server-wide-bans.ts";

afterEach(() => vi.restoreAllMocks());

const bans = () => env.DEVICE_BANS.getByName("bans");

/** A domain with these members, and one more, that D1 has as well. */
async function inhabited(...guids: string[]): Promise<string> {
  const domain = newDomain();
  for (const guid of [newGuid(), ...guids]) await register(domain, guid);
  await expectCopied(domain);
  return domain;
}

/** Every server-wide ban on the list, page by page. */
async function listed(limit = 200): Promise<Reply["body"][]> {
  const found = [];
  for (let cursor = ""; ; ) {
    const { body } = await reply("GET", `/admin/device-bans?limit=${limit}${cursor}`, undefined, asAdmin);
    expect(body.bans.length).toBeLessThanOrEqual(limit);
    found.push(...body.bans);
    if (body.nextCursor === null) return found;
    cursor = `&cursor=${body.nextCursor}`;
  }
}

describe("a device that is banned server-wide", () => {
  it("is evicted from each domain, with a rollover due, and comes back to none of them", async () => {
    const guid = newGuid();
    const domains = [await inhabited(guid), await inhabited(guid)].sort();
    const answer = await banEverywhere(guid.toUpperCase(), "stolen in Ghent");
    expect(answer).toMatchObject({ status: 201 });
    expect(answer.body).toEqual({
      handle: expect.any(String),
      machineGuid: `${guid.slice(0, 8)}…`,
      hasDeviceKey: false,
      reason: "stolen in Ghent",
      bannedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      bannedBy: "admin-token",
      domains: { banned: domains, failed: [], more: false },
    });
    for (const domain of domains) {
      const before = await everything(domain);
      expect(before.info).toMatchObject({ member_count: 1, key_rollover_required: 1, revision: 3 });
      expect(before.bans).toMatchObject([{ machine_guid: guid, reason: "stolen in Ghent", banned_by: "admin-token" }]);
      expectBanned(await register(domain, guid));
      expect(await everything(domain)).toEqual(before);
    }
  });

  it("joins no new domain, and brings none into being", async () => {
    const [guid, domain] = [newGuid(), newDomain()];
    expect((await banEverywhere(guid)).body.domains).toEqual({ banned: [], failed: [], more: false });
    expectBanned(await register(domain, guid));
    expectBanned(await register(domain, guid.toUpperCase()));
    expect((await rows(domain)).info).toBeUndefined();
    expect((await reply("GET", `/domains/${domain}`)).body.error).toBe("DOMAIN_NOT_FOUND");
    expect((await register(domain, newGuid())).status).toBe(201);
  });

  it("joins no domain that is there, which counts the refusal and is not changed", async () => {
    const [guid, domain] = [newGuid(), await inhabited()];
    await banEverywhere(guid);
    const before = await everything(domain);
    expectBanned(await register(domain, guid));
    expect(await everything(domain)).toEqual(before);
    await runAlarm(domain);
    const { refusals } = (await operate("GET", `/${domain}/activity`)).body;
    expect(refusals).toMatchObject([{ error: "DEVICE_BANNED", count: 1 }]);
  });

  it("is kept out with its device key, whatever machine GUID it gives, in new domains and others", async () => {
    const [home, device, other] = [newDomain(), await newDevice(), await newDevice("Ed25519")];
    for (const each of [device, other]) await signedBy(each, home, "register");
    await expectCopied(home);
    expect((await banEverywhere(device.machineGuid)).body.hasDeviceKey).toBe(true);
    for (const domain of [home, newDomain(), await inhabited()]) {
      expectBanned(await signedBy(renamed(device), domain, "register"));
      expectBanned(await signedBy(renamed(device), domain, "register", { encryptionKey: device.publicJwk }));
      // Nor unsigned, nor with a new key, under the GUID that is banned.
      expectBanned(await register(domain, device.machineGuid));
      expectBanned(await signedBy({ ...(await newDevice()), machineGuid: device.machineGuid }, domain, "register"));
      expect((await signedBy(other, domain, "register")).status).toBe(domain === home ? 200 : 201);
    }
  });

  it("does not renew where the database does not know it, and can still leave there", async () => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    await env.DB.prepare("delete from domain_membership where machine_guid = ?").bind(guid).run();
    expect((await banEverywhere(guid)).body.domains.banned).toEqual([]);
    expectBanned(await register(domain, guid));
    expect((await everything(domain)).members).toHaveLength(2);
    expect((await deregister(domain, guid, { preview: true })).body).toMatchObject({ allowed: true });
    expect((await deregister(domain, guid)).body).toMatchObject({ deregistered: true });
    expectBanned(await register(domain, guid));
  });

  it("is evicted by the same request again where it joined through an isolate that did not know yet", async () => {
    const guid = newGuid();
    const isolate = newIsolate();
    const domain = newDomain();
    await isolate.register(domain, newGuid());
    await banEverywhere(guid);
    expect((await isolate.register(domain, guid)).status).toBe(201);
    await expectCopied(domain);
    const again = await banEverywhere(guid);
    expect(again).toMatchObject({ status: 200, body: { domains: { banned: [domain], failed: [] } } });
    expectBanned(await isolate.register(domain, guid));
    expect((await everything(domain)).members).toHaveLength(1);
  });

  it("is told the first reason of these: no auth token, no or a wrong device key, the ban, a full domain", async () => {
    const [domain, device] = [newDomain(), await newDevice()];
    await signedBy(device, domain, "register");
    await expectCopied(domain);
    await env.DB.prepare("delete from domain_membership where domain = ?").bind(domain).run();
    await banEverywhere(device.machineGuid);
    // Still a member here: who does not prove to be the device learns nothing of the ban.
    expect((await register(domain, device.machineGuid)).body.error).toBe("DEVICE_PROOF_INVALID");
    const stranger = { ...(await newDevice()), machineGuid: device.machineGuid };
    expect((await signedBy(stranger, domain, "register")).body.error).toBe("DEVICE_PROOF_INVALID");
    await configure(domain, { authenticationRequired: true, deviceKeyRequired: true, maxMembership: 0 });
    expect((await signedBy(device, domain, "register")).body.error).toBe("DOM_AUTHENTICATION_REQUIRED");
    const headers = { authorization: `Bearer ${await mintToken("studio", env.TEST_ISSUER_KEYS.studio)}` };
    expect((await register(domain, device.machineGuid, {}, headers)).body.error).toBe("DEVICE_KEY_REQUIRED");
    await configure(domain, { maxMembership: 0 });
    expectBanned(await signedBy(device, domain, "register"));
    // Who may create no domain is told that, banned or not.
    const { body } = await askWith({ DOMAIN_CREATION: "operators" }, "POST", `/domains/${newDomain()}/register`, {
      machineGuid: device.machineGuid,
    });
    expect(body.error).toBe("DOMAIN_NOT_FOUND");
  });
});

describe("a server-wide ban that is there already", () => {
  it("with another reason has that from now on, by who gave it; with the same one nothing changes", async () => {
    const [guid, domain] = [newGuid(), await inhabited()];
    const first = await banEverywhere(guid, "lost");
    const again = await banEverywhere(guid, "stolen", await asOperator("domains:evict"));
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ reason: "stolen", bannedBy: "https://office.example#someone" });
    const third = await banEverywhere(guid, "stolen");
    expect(third.status).toBe(200);
    expect(third.body).toEqual({ ...again.body, handle: expect.any(String) });
    expect(Date.parse(again.body.bannedAt)).toBeGreaterThanOrEqual(Date.parse(first.body.bannedAt));
    expectBanned(await register(domain, guid));
  });

  it("goes on with the domains that failed", async () => {
    const guid = newGuid();
    const [lame, well] = [await inhabited(guid), await inhabited(guid)];
    const { execute } = DomainObject.prototype;
    const spy = vi.spyOn(DomainObject.prototype, "execute").mockImplementation(async function (
      this: DomainObject,
      ...[command, context]: Parameters<DomainObject["execute"]>
    ) {
      const { name } = (this as unknown as { ctx: DurableObjectState }).ctx.id;
      if (name === lame) return { granted: false, refusal: { error: "OVERLOADED", reason: "a test" } } as never;
      return execute.call(this, command, context) as never;
    });
    const { status, body } = await banEverywhere(guid);
    expect(status).toBe(201);
    expect(body.domains).toEqual({ banned: [well], failed: [{ domain: lame, error: "OVERLOADED" }], more: false });
    spy.mockRestore();
    expectBanned(await register(lame, guid));
    expect((await everything(lame)).members).toHaveLength(2);
    const again = await banEverywhere(guid);
    expect(again).toMatchObject({ status: 200, body: { domains: { banned: [lame], failed: [], more: false } } });
    expect((await everything(lame)).members).toHaveLength(1);
  });

  it("holds from the first request on, also if the database cannot say where the device is", async () => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    const DB = faultyDatabase(env.DB, async () => {
      throw new Error(CONNECTION_LOST);
    });
    const { status, body } = await askWith(
      { DB },
      "PUT",
      `/admin/devices/${guid}/ban`,
      { reason: "stolen" },
      asAdmin as Record<string, string>,
    );
    expect([status, body.error]).toEqual([503, "TEMPORARILY_UNAVAILABLE"]);
    expectBanned(await newIsolate().register(domain, guid));
    expectBanned(await newIsolate().register(newDomain(), guid));
    expect((await banEverywhere(guid)).body.domains.banned).toEqual([domain]);
    expect((await everything(domain)).members).toHaveLength(1);
  });
});

describe("a server-wide ban that is lifted", () => {
  it("lets the device and its key come back everywhere, and join new domains", async () => {
    const device = await newDevice();
    const domains = [newDomain(), newDomain()].sort();
    for (const domain of domains) await signedBy(device, domain, "register");
    for (const domain of domains) await expectCopied(domain);
    await banEverywhere(device.machineGuid);
    const answer = await liftEverywhere(device.machineGuid);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      handle: expect.any(String),
      machineGuid: `${device.machineGuid.slice(0, 8)}…`,
      banned: false,
      domains: { lifted: domains, failed: [], more: false },
    });
    for (const domain of [...domains, newDomain()]) {
      expect((await signedBy(device, domain, "register")).status).toBe(201);
      expect((await signedBy(renamed(device), domain, "register")).status).toBe(201);
      expect((await everything(domain)).bans).toEqual([]);
    }
    expect((await ofDevice("GET", device.machineGuid)).body.ban).toBeNull();
  });

  it("leaves the ban that a domain had of its own", async () => {
    const guid = newGuid();
    const [own, other] = [await inhabited(guid), await inhabited(guid)];
    await operate("PUT", `/${own}/bans/${guid}`, { reason: "rude" });
    await banEverywhere(guid);
    expect((await liftEverywhere(guid)).body.domains.lifted).toEqual([other]);
    expectBanned(await register(own, guid));
    expect((await register(other, guid)).status).toBe(201);
  });

  it("goes on with the domains that failed, and is done with those that lifted theirs already or are gone", async () => {
    const guid = newGuid();
    const [lame, lifted, gone] = [await inhabited(guid), await inhabited(guid), await inhabited(guid)];
    await banEverywhere(guid);
    await operate("DELETE", `/${lifted}/bans/${guid}`);
    await operate("DELETE", `/${gone}?confirm=${gone}`);
    const { execute } = DomainObject.prototype;
    const spy = vi.spyOn(DomainObject.prototype, "execute").mockImplementation(async function (
      this: DomainObject,
      ...[command, context]: Parameters<DomainObject["execute"]>
    ) {
      if ((this as unknown as { ctx: DurableObjectState }).ctx.id.name === lame) throw new Error("a fault of a test");
      return execute.call(this, command, context) as never;
    });
    const first = await liftEverywhere(guid);
    expect(first.body.domains).toEqual({
      lifted: [lifted, gone].sort(),
      failed: [{ domain: lame, error: "INTERNAL_ERROR" }],
      more: false,
    });
    spy.mockRestore();
    expect((await register(newDomain(), guid)).status).toBe(201);
    expectBanned(await register(lame, guid));
    expect((await liftEverywhere(guid)).body.domains).toEqual({ lifted: [lame], failed: [], more: false });
    expect((await register(lame, guid)).status).toBe(201);
    expect((await liftEverywhere(guid)).body.error).toBe("NOT_FOUND");
  });

  it("is not there to be lifted if nobody put it", async () => {
    for (const guid of [newGuid(), newGuid()]) {
      expect(await liftEverywhere(guid)).toMatchObject({ status: 404, body: { error: "NOT_FOUND" } });
    }
  });
});

describe("the list of server-wide bans", () => {
  it("holds each once, page by page, in whole to nobody, with handles that name the device", async () => {
    const guids = [newGuid(), newGuid(), newGuid()].sort();
    const before = await listed();
    for (const guid of guids) await banEverywhere(guid, `of ${guid.slice(0, 8)}`);
    const all = await listed(2);
    expect(all).toHaveLength(before.length + 3);
    const ours = all.filter(({ reason }) => guids.some((guid) => reason === `of ${guid.slice(0, 8)}`));
    expect(ours.map(({ machineGuid }) => machineGuid)).toEqual(guids.map((guid) => `${guid.slice(0, 8)}…`));
    for (const guid of guids) expect(JSON.stringify(all)).not.toContain(guid);
    const shown = (await ofDevice("GET", ours[0].handle)).body;
    const { handle, machineGuid, ...terms } = ours[0];
    expect(shown).toMatchObject({ machineGuid, ban: terms, domains: [], nextCursor: null });
    expect((await liftEverywhere(ours[0].handle)).status).toBe(200);
    expect(await listed()).toHaveLength(before.length + 2);
  });

  it("takes no cursor of another list", async () => {
    for (let index = 0; index < 2; index++) await banEverywhere(newGuid());
    const { nextCursor } = (await reply("GET", "/admin/device-bans?limit=1", undefined, asAdmin)).body;
    const { status, body } = await ofDevice("GET", `${newGuid()}?cursor=${nextCursor}`);
    expect([status, body.error]).toEqual([400, "INVALID_REQUEST"]);
  });
});

describe("who bans server-wide", () => {
  it("needs the scope domains:evict, and who looks domains:read", async () => {
    const [reader, evicter] = [await asOperator("domains:read"), await asOperator("domains:evict")];
    const guid = newGuid();
    for (const { status } of [await banEverywhere(guid, "no", reader), await liftEverywhere(guid, reader)]) {
      expect(status).toBe(403);
    }
    expect((await register(newDomain(), guid)).status).toBe(201);
    expect((await banEverywhere(guid, "yes", evicter)).status).toBe(201);
    expect((await reply("GET", "/admin/device-bans", undefined, evicter)).status).toBe(403);
    expect((await ofDevice("GET", guid, undefined, evicter)).status).toBe(403);
    expect((await reply("GET", "/admin/device-bans", undefined, reader)).status).toBe(200);
    expect((await ofDevice("GET", guid, undefined, reader)).status).toBe(200);
    for (const [method, path] of [
      ["PUT", `devices/${guid}/ban`],
      ["DELETE", `devices/${guid}/ban`],
      ["GET", "device-bans"],
    ] as const) {
      expect((await reply(method, `/admin/${path}`)).status).toBe(401);
    }
  });

  it.each([
    [{}, ["reason"]],
    [{ reason: "" }, ["reason"]],
    [{ reason: "r".repeat(501) }, ["reason"]],
    [{ reason: "stolen", until: "2027-01-01" }, ["until"]],
    ["{", ["body"]],
  ])("gives a reason, and no more than that: %j", async (body, fields) => {
    const guid = newGuid();
    const answer = await ofDevice("PUT", `${guid}/ban`, body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors.map(({ field }: { field: string }) => field)).toEqual(fields);
    expect((await ofDevice("GET", guid)).body.ban).toBeNull();
  });

  it("names the device by its whole machine GUID, or by a handle", async () => {
    for (const device of ["x", `${newGuid()}x`, "6f1c7a52"]) {
      for (const { status, body } of [await banEverywhere(device), await liftEverywhere(device)]) {
        expect(status).toBe(400);
        expect(body.errors).toEqual([expect.objectContaining({ field: "machineGuid" })]);
      }
    }
  });
});

describe("server-wide bans are bounded:", () => {
  const fill = (count: number) =>
    runInDurableObject(bans(), (_, { storage }) => {
      storage.sql.exec("delete from device_bans where reason = 'filler'");
      storage.sql.exec(
        `with recursive n(i) as (select 1 union all select i + 1 from n where i < ?)
          insert into device_bans select printf('%08x-0000-4000-8000-000000000000', i), '[]', 'filler', 'x', 1, 'x' from n`,
        count,
      );
    });

  it("one above the most is refused and changes nothing, those there can be repeated and lifted", async () => {
    const [last, excess] = [newGuid(), newGuid()];
    await banEverywhere(last);
    const { length } = await listed();
    await fill(MAX_BANS - length);
    const { status, body } = await banEverywhere(excess);
    expect(status).toBe(400);
    expect(body.errors).toEqual([
      { field: "machineGuid", detail: "is one too many: at most 10000 devices may be banned server-wide" },
    ]);
    expect((await register(newDomain(), excess)).status).toBe(201);
    expect((await banEverywhere(last, "again")).status).toBe(200);
    expect((await liftEverywhere(last)).status).toBe(200);
    expect((await banEverywhere(excess)).status).toBe(201);
    await runInDurableObject(bans(), (_, { storage }) => {
      storage.sql.exec("delete from device_bans where reason = 'filler'");
    });
  });

  it("with a device no more than so many of its keys are banned", async () => {
    const guid = newGuid();
    const devices = await Promise.all(Array.from({ length: MAX_KEYS_OF_BAN + 1 }, () => newDevice()));
    const domains = devices.map(() => newDomain()).sort();
    for (const [index, domain] of domains.entries()) {
      const device = devices[index] as (typeof devices)[number];
      await signedBy({ ...device, machineGuid: guid }, domain, "register");
      await expectCopied(domain);
    }
    await banEverywhere(guid);
    const statuses = [];
    for (const device of devices) statuses.push((await signedBy(renamed(device), newDomain(), "register")).status);
    expect(statuses).toEqual([...Array(MAX_KEYS_OF_BAN).fill(403), 201]);
  });
});

describe("the object of the bans", () => {
  it("writes nothing as long as nobody is banned", async () => {
    const empty = env.DEVICE_BANS.getByName("another");
    expect(await empty.names(null)).toEqual({ version: "", names: [] });
    expect(await empty.names("")).toBeNull();
    expect(await empty.find(newGuid())).toBeNull();
    expect(await empty.list({ after: null, limit: 9 })).toEqual([]);
    expect(await empty.lift(newGuid(), "a request", 9)).toEqual({ lifted: false, domains: [] });
    await empty.forgetDomains(newGuid(), []);
    await runInDurableObject(empty, (_, { storage }) => {
      expect([...storage.sql.exec("select * from sqlite_master")]).toEqual([]);
    });
  });

  it("forgets no domain of a device that was banned again while its ban was being lifted", async () => {
    const guid = newGuid();
    const ban = (requestId: string) =>
      bans().ban({ machineGuid: guid, reason: "x", bannedBy: "x", deviceKeys: [], domains: ["den"], requestId });
    await ban("first");
    expect(await bans().lift(guid, "second", 9)).toEqual({ lifted: true, domains: ["den"] });
    await ban("third");
    await bans().forgetDomains(guid, ["den"]);
    expect(await bans().lift(guid, "fourth", 9)).toEqual({ lifted: true, domains: ["den"] });
    await bans().forgetDomains(guid, ["den"]);
    expect(await bans().lift(guid, "fifth", 9)).toEqual({ lifted: false, domains: [] });
  });

  /** The outcome of a request whose first call of a method is lost after it was carried out. */
  async function lostAfter<T>(method: "ban" | "lift", request: () => Promise<T>): Promise<T> {
    const original = DeviceBans.prototype[method] as (...args: unknown[]) => unknown;
    let reached = false;
    vi.spyOn(DeviceBans.prototype, method).mockImplementationOnce(async function (
      this: DeviceBans,
      ...args: unknown[]
    ) {
      original.apply(this, args);
      await (this as unknown as { ctx: DurableObjectState }).ctx.storage.sync();
      reached = true;
      return new Promise<never>(() => {});
    } as never);
    const outcome = request();
    while (!reached) await scheduler.wait(1);
    await abortAllDurableObjects();
    return outcome;
  }

  it("that is lost after it banned a device, or lifted the ban, has done it once", async () => {
    const guid = newGuid();
    const before = (await listed()).length;
    expect((await lostAfter("ban", () => banEverywhere(guid))).status).toBe(201);
    expect(await listed()).toHaveLength(before + 1);
    expectBanned(await register(newDomain(), guid));
    expect((await lostAfter("lift", () => liftEverywhere(guid))).status).toBe(200);
    expect(await listed()).toHaveLength(before);
    expect((await register(newDomain(), guid)).status).toBe(201);
  });
});
