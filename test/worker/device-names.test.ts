import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { base64url, type JWK } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import { configOf } from "../../src/server/config.ts";
import { openDeviceName, sealDeviceName } from "../../src/server/crypto/device-names.ts";
import type { DomainChanged } from "../../src/server/object/event-feed.ts";
import { DomainStorage } from "../../src/server/object/storage/domain-storage.ts";
import { newDevice } from "../support/devices.ts";
import {
  asAdmin,
  ask,
  deregister,
  newDomain,
  newGuid,
  register,
  reply,
  rows,
  stored,
} from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { askWith } from "../support/worker/environments.ts";
import { evict, execute, joins, objectOf, runAlarm, setEnvironment } from "../support/worker/objects.ts";
import { deviceId, operate, signedBy } from "../support/worker/operators.ts";
import { askDevices, devicesOf, handleOf, joinedAs, nameOf, ownedDomain } from "../support/worker/owners.ts";

const [TV, PHONE, TABLET] = [nameOf("TV"), nameOf("phone"), nameOf("tablet")];
const CURRENT = configOf(env).keyEncryptionKeys[0];

afterEach(() => vi.restoreAllMocks());

function newKek(): JWK {
  const k = base64url.encode(crypto.getRandomValues(new Uint8Array(32)));
  return { kty: "oct", alg: "A256GCM", kid: `kek-${newGuid()}`, k };
}

const withKeys = (...keys: readonly JWK[]) => ({ KEY_ENCRYPTION_KEYS: JSON.stringify({ keys }) });

/** Has a domain's object begin anew with these key-encryption keys. */
async function restart(domain: string, ...keks: readonly JWK[]): Promise<void> {
  await evict(domain);
  await setEnvironment(domain, withKeys(...keks));
}

/** The names of a domain's devices, as they open with these keys, by machine GUID. */
async function names(domain: string, keys: readonly JWK[] = [CURRENT]): Promise<Record<string, string | null>> {
  const { members } = await rows(domain);
  const opened = members.map(async ({ machine_guid, sealed_name }) => {
    const machineGuid = String(machine_guid);
    return [machineGuid, await openDeviceName(sealed_name as string | null, { domain, machineGuid }, keys)];
  });
  return Object.fromEntries(await Promise.all(opened));
}

/** The types of the changes in a domain's log, oldest first. */
async function changes(domain: string): Promise<Record<string, unknown>[]> {
  return (await rows(domain)).log.flatMap((entry) => JSON.parse(entry.changes as string));
}

describe("the name that a device gives itself", () => {
  it("is that of a new member, signed or not", async () => {
    const [domain, guid, device] = [newDomain(), newGuid(), await newDevice()];
    await register(domain, guid, { deviceName: TV });
    await signedBy(device, domain, "register", { deviceName: PHONE });
    expect(await names(domain)).toEqual({ [guid]: TV, [device.machineGuid]: PHONE });
    await expectCopied(domain);
  });

  it("names a member that has none yet, once: a renewal after that changes nothing", async () => {
    const [domain, guid] = [newDomain(), newGuid()];
    await register(domain, guid);
    expect(await names(domain)).toEqual({ [guid]: null });
    expect((await register(domain, guid, { deviceName: TV })).status).toBe(200);
    const { info } = await rows(domain);
    for (const deviceName of [TV, PHONE]) {
      expect((await register(domain, guid, { deviceName })).status).toBe(200);
    }
    expect(await names(domain)).toEqual({ [guid]: TV });
    expect((await rows(domain)).info).toEqual(info);
    expect((await changes(domain)).at(-1)).toEqual({
      type: "device-named",
      deviceId: await deviceId(domain, guid),
      requestId: expect.any(String),
    });
    await expectCopied(domain);
  });

  it("stays when the device binds a key, and goes when it leaves", async () => {
    const [domain, device] = [newDomain(), await newDevice()];
    await register(domain, device.machineGuid, { deviceName: TV });
    await signedBy(device, domain, "register", { deviceName: PHONE });
    expect(await names(domain)).toEqual({ [device.machineGuid]: TV });
    await signedBy(device, domain, "deregister");
    await signedBy(device, domain, "register");
    expect(await names(domain)).toEqual({ [device.machineGuid]: null });
  });

  it("comes with a key of its own in one request: both are taken", async () => {
    const [domain, device] = [newDomain(), await newDevice()];
    await register(domain, device.machineGuid);
    await signedBy(device, domain, "register", { deviceName: TV });
    expect(await names(domain)).toEqual({ [device.machineGuid]: TV });
    const [member] = (await rows(domain)).members;
    expect(member?.device_key_thumbprint).toBe(device.thumbprint);
  });

  it("is refused by name if it is none, and then nobody joins", async () => {
    const domain = newDomain();
    for (const deviceName of ["", " ", "x".repeat(65), "a\u202eb", "a\u001b[31mb", "\ud83d", 7, null, {}]) {
      const { status, body } = await register(domain, newGuid(), { deviceName });
      expect([status, body.errors?.[0].field]).toEqual([400, "deviceName"]);
    }
    expect((await register(domain, newGuid(), { deviceName: "💥".repeat(64) })).status).toBe(201);
    expect((await rows(domain)).members).toHaveLength(1);
  });

  it("is kept from those who are refused", async () => {
    const { domain, owner } = await ownedDomain();
    const [guid] = await joinedAs(domain, owner, null);
    expect((await register(domain, guid, { deviceName: TV })).status).toBe(401);
    expect(await names(domain)).toEqual({ [guid]: null });
  });
});

describe("the name that an owner gives", () => {
  it("lasts, whatever the device calls itself; null takes it away, and the device may name itself again", async () => {
    const { domain, owner } = await ownedDomain();
    const [guid] = await joinedAs(domain, owner, TV);
    const rename = async (name: string | null) => {
      const path = `/${await handleOf(domain, owner, guid)}`;
      return askDevices("PATCH", domain, path, { ...owner, "machine-guid": guid }, { name });
    };
    const renamed = await rename(PHONE);
    expect([renamed.status, renamed.headers.get("cache-control")]).toEqual([200, "no-store"]);
    const [listed] = await devicesOf(domain, owner);
    expect(renamed.body).toEqual({ ...listed, handle: expect.any(String), thisDevice: true });
    expect(listed?.name).toBe(PHONE);
    await register(domain, guid, { deviceName: TV }, owner);
    expect(await names(domain)).toEqual({ [guid]: PHONE });
    expect((await rename(null)).body.name).toBeNull();
    const { info } = await rows(domain);
    expect((await rename(null)).body.name).toBeNull();
    expect((await rows(domain)).info).toEqual(info);
    await register(domain, guid, { deviceName: TABLET }, owner);
    expect(await names(domain)).toEqual({ [guid]: TABLET });
    const named = (await changes(domain)).filter(({ type }) => type === "device-named");
    expect(named.map(({ by }) => by)).toEqual(["owner", "owner", undefined]);
    await expectCopied(domain);
  });

  it("changes nothing else: the membership, its days and the keys stay, and no rollover is due", async () => {
    const { domain, owner } = await ownedDomain();
    const [guid] = await joinedAs(domain, owner, TV);
    const before = await rows(domain);
    const path = `/${await handleOf(domain, owner, guid)}`;
    await askDevices("PATCH", domain, path, owner, { name: PHONE });
    const after = await rows(domain);
    const sealed_name = expect.any(String);
    expect(after.members).toEqual(before.members.map((member) => ({ ...member, sealed_name })));
    expect(after.members).not.toEqual(before.members);
    expect(after.keys).toEqual(before.keys);
    expect(after.info).toMatchObject({ key_rollover_required: 0, member_count: 1 });
  });

  it("is shown to operators, in lists and alone", async () => {
    const [domain, guid] = [newDomain(), newGuid()];
    await register(domain, guid, { deviceName: TV });
    expect((await operate("GET", `/${domain}/members`)).body.members).toMatchObject([{ name: TV }]);
    expect((await operate("GET", `/${domain}/members/${guid}`)).body.name).toBe(TV);
  });
});

/** Every text in every table of D1. */
async function textsOfDatabase(): Promise<string> {
  const tables = await env.DB.prepare(
    "select name from sqlite_master where type = 'table' and name not like '\\_cf%' escape '\\'",
  ).all<{
    name: string;
  }>();
  expect(tables.results.length).toBeGreaterThan(4);
  const all = await Promise.all(tables.results.map(({ name }) => env.DB.prepare(`select * from "${name}"`).all()));
  return JSON.stringify(all.map(({ results }) => results));
}

/** Every text in every table of a domain's object. */
function textsOfObject(domain: string): Promise<string> {
  return runInDurableObject(objectOf(domain), (_, { storage: { sql } }) => {
    const query = "select name from sqlite_master where type = 'table' and name not like '\\_cf%' escape '\\'";
    const tables = sql.exec<{ name: string }>(query).toArray();
    expect(tables.length).toBeGreaterThan(10);
    return JSON.stringify(tables.map(({ name }) => sql.exec(`select * from "${name}"`).toArray()));
  });
}

describe("the name of a device, in the clear or sealed,", () => {
  it("is in no table, no entry of the log, no event, no record and no response but those for who may see it", async () => {
    const { domain, owner } = await ownedDomain();
    const sent: DomainChanged[] = [];
    const sendBatch = async (messages: Iterable<{ body: DomainChanged }>) => {
      sent.push(...[...messages].map(({ body }) => structuredClone(body)));
    };
    await evict(domain);
    await setEnvironment(domain, { EVENTS: { sendBatch } });
    const [guid, other] = (await joinedAs(domain, owner, TV, null)) as [string, string];
    await register(domain, other, { deviceName: PHONE }, owner);
    const path = `/${await handleOf(domain, owner, guid)}`;
    await askDevices("PATCH", domain, path, owner, { name: TABLET });
    await askDevices("DELETE", domain, path, owner);
    await expectCopied(domain);
    const { info, members } = await rows(domain);
    await vi.waitFor(() => expect(sent.at(-1)?.data.revision).toBe(info?.revision));
    expect(JSON.stringify(sent)).toContain("device-named");

    const clear = [TV, PHONE, TABLET];
    const sealed = members.map(({ sealed_name }) => String(sealed_name));
    expect(sealed).toEqual([expect.stringMatching(/^eyJ/)]);
    const parts = sealed.map((text) => text.split(".")[3] as string);
    const [database, object] = [await textsOfDatabase(), await textsOfObject(domain)];
    for (const name of clear) for (const texts of [database, object]) expect(texts).not.toContain(name);
    // The scan itself finds what is there.
    for (const part of parts) for (const texts of [database, object]) expect(texts).toContain(part);

    const log = JSON.stringify((await operate("GET", `/${domain}/log`)).body);
    const told = await Promise.all(
      ["", "/audit", "/log/export", "/log/head", "/activity"].map(async (rest) => {
        return (await ask("GET", `/admin/domains/${domain}${rest}`, undefined, asAdmin)).text();
      }),
    );
    const joined = JSON.stringify((await register(domain, other, {}, owner)).body);
    for (const text of [JSON.stringify(sent), log, ...told, joined, JSON.stringify((await rows(domain)).log)]) {
      for (const secret of [...clear, ...parts, "sealedName"]) expect(text).not.toContain(secret);
    }
  });

  it("is another text each time it is sealed", async () => {
    const [domain, machineGuid] = [newDomain(), newGuid()];
    const seal = () => sealDeviceName(TV, { domain, machineGuid }, [CURRENT]);
    const [one, two] = [await seal(), await seal()];
    expect(one).not.toBe(two);
    for (const sealed of [one, two]) {
      expect(await openDeviceName(sealed, { domain, machineGuid }, [CURRENT])).toBe(TV);
    }
  });
});

describe("a name that does not open", () => {
  it("shows as none, and stops neither lists, renewals, renamings nor removals", async () => {
    const { domain, owner } = await ownedDomain();
    const [guid, other] = (await joinedAs(domain, owner, TV, PHONE)) as [string, string];
    const elsewhere = newDomain();
    const foreign = [
      "rubbish",
      await sealDeviceName(TV, { domain, machineGuid: guid }, [newKek()]),
      // Another's, put into this row by hand.
      await sealDeviceName(TV, { domain, machineGuid: other }, [CURRENT]),
      await sealDeviceName(TV, { domain: elsewhere, machineGuid: guid }, [CURRENT]),
    ];
    for (const sealed of foreign) {
      await stored(domain, "update domain_membership set sealed_name = ? where machine_guid = ?", sealed, guid);
      const shown = (await devicesOf(domain, owner)).map(({ name }) => name);
      expect(new Set(shown)).toEqual(new Set([PHONE, null]));
      expect((await operate("GET", `/${domain}/members/${guid}`)).body.name).toBeNull();
      expect((await register(domain, guid, { deviceName: TABLET }, owner)).status).toBe(200);
    }
    const path = `/${await handleOf(domain, owner, guid)}`;
    expect((await askDevices("PATCH", domain, path, owner, { name: TV })).body.name).toBe(TV);
    await stored(domain, "update domain_membership set sealed_name = 'rubbish'");
    expect((await askDevices("DELETE", domain, path, owner)).status).toBe(200);
    expect((await deregister(domain, other, {}, owner)).status).toBe(200);
  });
});

describe("names whose key-encryption key rotates", () => {
  it("are sealed anew before the keys are wrapped anew, in D1 too; then the former key may go", async () => {
    const { domain, owner } = await ownedDomain();
    const [named, nameless] = (await joinedAs(domain, owner, TV, null)) as [string, string];
    const fresh = newKek();
    await restart(domain, fresh, CURRENT);
    expect(await objectOf(domain).rewrapKeys(newGuid())).toMatchObject({ grant: { value: { rewrapped: 1 } } });
    expect(await names(domain, [fresh])).toEqual({ [named]: TV, [nameless]: null });
    const last = (await changes(domain)).slice(-2);
    expect(last).toEqual([
      { type: "names-resealed", keyEncryptionKid: fresh.kid, names: 1 },
      { type: "keys-rewrapped", keyEncryptionKid: fresh.kid, keys: 1 },
    ]);
    await expectCopied(domain);
    const listed = await askWith(withKeys(fresh), "GET", `/domains/${domain}/devices`, undefined, owner);
    const shown = listed.body.devices.map(({ name }: { name: string | null }) => name);
    expect(new Set(shown)).toEqual(new Set([TV, null]));
    // A second run finds nothing to do.
    const { info } = await rows(domain);
    await restart(domain, fresh);
    await runAlarm(domain);
    await objectOf(domain).rewrapKeys(newGuid());
    expect((await rows(domain)).info).toEqual(info);
  });

  it("are sealed anew by the thousand, page by page", async () => {
    const { domain, owner } = await ownedDomain();
    const [first] = await joinedAs(domain, owner, TV);
    const guids = Array.from({ length: 1_200 }, newGuid);
    const sealed = await Promise.all(
      guids.map(async (machineGuid) => [machineGuid, await sealDeviceName(PHONE, { domain, machineGuid }, [CURRENT])]),
    );
    await stored(
      domain,
      `insert into domain_membership (machine_guid, joined_at, sealed_name)
        select value ->> 0, 0, value ->> 1 from json_each(?)`,
      JSON.stringify(sealed),
    );
    const fresh = newKek();
    await restart(domain, fresh, CURRENT);
    await objectOf(domain).rewrapKeys(newGuid());
    const all = await names(domain, [fresh]);
    expect(Object.values(all).filter((name) => name === PHONE)).toHaveLength(1_200);
    expect(all[first]).toBe(TV);
    const counts = (await changes(domain)).flatMap(({ type, names: count }) =>
      type === "names-resealed" ? [count as number] : [],
    );
    expect(counts).toEqual([500, 500, 201]);
    await expectCopied(domain);
  });

  it("leave alone what does not open, and what was renamed meanwhile", async () => {
    const { domain, owner } = await ownedDomain();
    const [lost, kept] = (await joinedAs(domain, owner, null, PHONE)) as [string, string];
    const gone = await sealDeviceName(TV, { domain, machineGuid: lost }, [newKek()]);
    await stored(domain, "update domain_membership set sealed_name = ? where machine_guid = ?", gone, lost);
    const fresh = newKek();
    await restart(domain, fresh, CURRENT);
    const renamed = await sealDeviceName(TABLET, { domain, machineGuid: kept }, [CURRENT]);
    const { stateWith } = DomainStorage.prototype;
    vi.spyOn(DomainStorage.prototype, "stateWith").mockImplementationOnce(function (this: DomainStorage, guids) {
      this.sql.exec("update domain_membership set sealed_name = ? where machine_guid = ?", renamed, kept);
      return stateWith.call(this, guids);
    });
    await objectOf(domain).rewrapKeys(newGuid());
    expect(await names(domain)).toEqual({ [lost]: null, [kept]: TABLET });
    // The next run finds it.
    await objectOf(domain).rewrapKeys(newGuid());
    expect(await names(domain, [fresh])).toEqual({ [lost]: null, [kept]: TABLET });
    const [member] = await stored(domain, "select sealed_name from domain_membership where machine_guid = ?", lost);
    expect(member?.sealed_name).toBe(gone);
  });

  it("are sealed anew also where a Worker with the former key sealed one after that", async () => {
    const [domain, guid] = [newDomain(), newGuid()];
    await register(domain, newGuid());
    const fresh = newKek();
    await restart(domain, fresh, CURRENT);
    await objectOf(domain).rewrapKeys(newGuid());
    const sealedName = await sealDeviceName(TV, { domain, machineGuid: guid }, [CURRENT]);
    await execute(domain, joins(guid, { sealedName }));
    await runAlarm(domain);
    await expect.poll(async () => (await names(domain, [fresh]))[guid], { timeout: 30_000 }).toBe(TV);
  });
});

describe("a domain that is taken over from D1", () => {
  it("brings its devices' names along, and seals those anew that need it", async () => {
    const domain = newDomain();
    const guids = [newGuid(), newGuid(), newGuid()] as const;
    const former = newKek();
    const sealed = [
      [guids[0], await sealDeviceName(TV, { domain, machineGuid: guids[0] }, [CURRENT])],
      [guids[1], await sealDeviceName(PHONE, { domain, machineGuid: guids[1] }, [former])],
      [guids[2], null],
    ];
    await env.DB.prepare("insert into domain_server_info (domain) values (?)").bind(domain).run();
    await env.DB.prepare(
      `insert into domain_membership (domain, machine_guid, sealed_name)
        select ?, value ->> 0, value ->> 1 from json_each(?)`,
    )
      .bind(domain, JSON.stringify(sealed))
      .run();
    await setEnvironment(domain, withKeys(CURRENT, former));
    expect((await reply("GET", `/domains/${domain}`)).status).toBe(200);
    await runAlarm(domain);
    const expected = { [guids[0]]: TV, [guids[1]]: PHONE, [guids[2]]: null };
    await expect.poll(() => names(domain), { timeout: 30_000 }).toEqual(expected);
    await expectCopied(domain);
  });
});
