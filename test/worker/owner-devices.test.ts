import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { dayOf } from "../../src/domain/evolve.ts";
import { configure, deregister, newDomain, newGuid, register, reply, rows, stored } from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { askWith, from, limitOf } from "../support/worker/environments.ts";
import { evict, execute, gist, objectOf } from "../support/worker/objects.ts";
import { deviceId, operate } from "../support/worker/operators.ts";
import {
  askDevices,
  bearer,
  devicesOf,
  handleOf,
  joinedAs,
  nameOf,
  type OwnedDevice,
  ownedDomain,
} from "../support/worker/owners.ts";

const [TV, PHONE, TABLET] = [nameOf("TV"), nameOf("phone"), nameOf("tablet")];
const today = () => new Date().toISOString().slice(0, 10);

/** The requests of an owner, about a device with this handle. */
const REQUESTS = [
  ["GET", () => "", undefined],
  ["DELETE", () => "", undefined],
  ["PATCH", (handle: string) => `/${handle}`, { name: nameOf("mine") }],
  ["DELETE", (handle: string) => `/${handle}`, undefined],
] as const;

describe("the owner of a domain", () => {
  it("sees its devices: names, days, and which one asks, but no machine GUID", async () => {
    const { domain, owner } = await ownedDomain("alice", { maxMembership: 5 });
    const days = [today()];
    const guids = await joinedAs(domain, owner, TV, null);
    days.push(today());
    const { status, body, headers } = await askDevices("GET", domain, "", { ...owner, "machine-guid": guids[0] });
    expect(status).toBe(200);
    expect(headers.get("cache-control")).toBe("no-store");
    const names = new Map([
      [guids[0], TV],
      [guids[1], null],
    ]);
    expect(body).toEqual({
      domain,
      memberCount: 2,
      maxMembership: 5,
      devices: await Promise.all(
        guids.toSorted().map(async (guid) => ({
          handle: expect.stringMatching(/^eyJ/),
          deviceId: await deviceId(domain, guid),
          name: names.get(guid),
          joinedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
          lastRenewedOn: expect.stringMatching(new RegExp(days.join("|"))),
          thisDevice: guid === guids[0],
        })),
      ),
      nextCursor: null,
    });
    for (const guid of guids) expect(JSON.stringify(body)).not.toContain(guid.slice(0, 8));
  });

  it("gets them in pages, each once, and names the asking one in either case", async () => {
    const { domain, owner } = await ownedDomain();
    const guids = await joinedAs(domain, owner, TV, PHONE, TABLET);
    const paged = await devicesOf(domain, owner, 1);
    expect(paged.map(({ deviceId: id }) => id).toSorted()).toEqual(
      (await Promise.all(guids.map((guid) => deviceId(domain, guid)))).toSorted(),
    );
    const asking = { ...owner, "machine-guid": guids[1]?.toUpperCase() ?? "" };
    const { body } = await askDevices("GET", domain, "", asking);
    expect(body.devices.filter(({ thisDevice }: OwnedDevice) => thisDevice)).toMatchObject([{ name: PHONE }]);
  });

  it("sees a renewal of a moment ago, which is not written yet", async () => {
    const { domain, owner } = await ownedDomain();
    const [guid] = await joinedAs(domain, owner, TV);
    await stored(domain, "update domain_membership set last_renewed_on = 20000");
    expect(await devicesOf(domain, owner)).toMatchObject([{ lastRenewedOn: "2024-10-04" }]);
    const days = [today()];
    await register(domain, guid, {}, owner);
    days.push(today());
    expect(days).toContain((await devicesOf(domain, owner))[0]?.lastRenewedOn);
  });

  it("is told what is wrong with a request, by name", async () => {
    const { domain, owner } = await ownedDomain();
    const [guid] = await joinedAs(domain, owner, TV);
    const handle = await handleOf(domain, owner, guid);
    const other = await ownedDomain();
    const [elsewhere] = await joinedAs(other.domain, other.owner, TV);
    const foreign = await handleOf(other.domain, other.owner, elsewhere);
    const wrong = { ...owner, "machine-guid": "6f1c7a52" };
    for (const [field, method, rest, headers, body] of [
      ["machine-guid", "GET", "", wrong],
      ["machine-guid", "PATCH", `/${handle}`, wrong, { name: PHONE }],
      ["limit", "GET", "?limit=201", owner],
      ["cursor", "GET", `?cursor=${handle}`, owner],
      ["exept", "DELETE", `?exept=${handle}`, owner],
      ["except", "DELETE", "?except=", owner],
      ["except", "DELETE", "?except=nobody", owner],
      ["except", "DELETE", `?except=${guid}`, owner],
      ["except", "DELETE", `?except=${foreign}`, owner],
      ["except", "DELETE", `?except=${handle}&except=${handle}`, owner],
      ["name", "PATCH", `/${handle}`, owner, { name: "" }],
      ["name", "PATCH", `/${handle}`, owner, { name: "a\nb" }],
      ["name", "PATCH", `/${handle}`, owner, { name: "x".repeat(65) }],
      ["name", "PATCH", `/${handle}`, owner, {}],
      ["nick", "PATCH", `/${handle}`, owner, { name: PHONE, nick: "x" }],
    ] as [string, string, string, Record<string, string>, object?][]) {
      const { status, body: problem } = await askDevices(method, domain, rest, headers, body);
      expect([status, problem.errors?.[0].field], `${method} ${rest}`).toEqual([400, field]);
    }
    expect(await devicesOf(domain, owner)).toMatchObject([{ name: TV }]);
  });

  it("cannot be outpaced: strangers do not spend what it may ask", async () => {
    const { domain, owner } = await ownedDomain();
    const limit = limitOf(2);
    const ask = async (headers: Record<string, string>) => {
      const path = `/domains/${domain}/devices`;
      return (await askWith({ DOMAIN_LIMIT: limit }, "GET", path, undefined, headers)).status;
    };
    const stranger = await bearer("mallory");
    const statuses = [];
    for (const headers of [stranger, stranger, stranger, {}, owner, owner, owner]) statuses.push(await ask(headers));
    expect(statuses).toEqual([401, 401, 429, 401, 200, 200, 429]);
    for (const key of limit.counts.keys()) expect(key).not.toMatch(/alice|mallory/);
  });

  it("is counted by its address before anything is looked at", async () => {
    const { domain, owner } = await ownedDomain();
    const [guid] = await joinedAs(domain, owner, TV);
    const handle = await handleOf(domain, owner, guid);
    const full = { ADDRESS_LIMIT: limitOf(0) };
    for (const [method, rest, body] of REQUESTS) {
      const path = `/domains/${domain}/devices${rest(handle)}`;
      const { status } = await askWith(full, method, path, body, { ...owner, ...from("203.0.113.7") });
      expect(status).toBe(429);
    }
  });
});

describe("who is not the owner", () => {
  it("learns nothing and changes nothing, whatever it shows and asks", async () => {
    const { domain, owner } = await ownedDomain();
    const [guid] = await joinedAs(domain, owner, TV);
    const handle = await handleOf(domain, owner, guid);
    const before = await rows(domain);
    const strangers: Record<string, string>[] = [
      {},
      { authorization: "Bearer rubbish" },
      { authorization: `Bearer ${env.ADMIN_TOKEN}` },
      await bearer("bob"),
      await bearer("Alice"),
      await bearer("alice", "arcade"),
      await bearer("alice", "studio", { expires: -120 }),
      await bearer("alice", "studio", { claims: { sub: undefined } }),
      await bearer("alice", "studio", { claims: { cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } } }),
    ];
    const told = new Set<string>();
    for (const headers of strangers) {
      for (const [method, rest, body] of REQUESTS) {
        const refused = await askDevices(method, domain, rest(handle), headers, body);
        expect([refused.status, refused.body.error, refused.headers.get("www-authenticate")]).toEqual([
          401,
          "DOM_AUTHENTICATION_REQUIRED",
          "Bearer",
        ]);
        told.add(JSON.stringify(refused.body));
      }
    }
    // Each time the same: whose the domain is does not show.
    expect(told.size).toBe(1);
    expect(await rows(domain)).toEqual(before);
  });

  it("cannot tell a domain with an owner from one without, or with devices", async () => {
    const told = async (domain: string) => {
      const { status, body } = await askDevices("GET", domain, "", await bearer("bob", "arcade"));
      return JSON.stringify([status, body]);
    };
    const [full, empty] = [await ownedDomain(), await ownedDomain()];
    await joinedAs(full.domain, full.owner, TV);
    const ownerless = newDomain();
    await configure(ownerless, { authenticationRequired: true, authNamespace: "studio" });
    const answers = await Promise.all([full.domain, empty.domain, ownerless].map(told));
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain("DOM_AUTHENTICATION_REQUIRED");
  });

  it("is not helped by a domain of its own: a handle is good for its domain alone", async () => {
    const [hers, his] = [await ownedDomain("alice"), await ownedDomain("bob")];
    const [guid] = await joinedAs(hers.domain, hers.owner, TV);
    const handle = await handleOf(hers.domain, hers.owner, guid);
    for (const [method, rest, body] of REQUESTS.slice(2)) {
      const { status } = await askDevices(method, his.domain, rest(handle), his.owner, body);
      expect(status).toBe(404);
    }
    expect(await devicesOf(hers.domain, hers.owner)).toMatchObject([{ name: TV }]);
  });

  it("is nobody's: 404 from a domain without an owner, for whom that is no secret", async () => {
    const anonymous = newDomain();
    await register(anonymous, newGuid());
    const ofNamespace = newDomain();
    await configure(ofNamespace, { authenticationRequired: true, authNamespace: "studio" });
    for (const domain of [anonymous, ofNamespace]) {
      for (const [method, rest, body] of REQUESTS) {
        const refused = await askDevices(method, domain, rest("x"), await bearer("alice"), body);
        expect([refused.status, refused.body.error, refused.body.detail]).toEqual([
          404,
          "NOT_FOUND",
          "The domain has no owner.",
        ]);
      }
      expect((await askDevices("GET", domain, "", {})).status).toBe(401);
    }
    expect((await rows(anonymous)).members).toHaveLength(1);
  });

  it("asks for a domain that there is not, and brings none into being", async () => {
    const domain = newDomain();
    for (const [method, rest, body] of REQUESTS) {
      const refused = await askDevices(method, domain, rest("x"), await bearer("alice"), body);
      expect([refused.status, refused.body.error]).toEqual([404, "DOMAIN_NOT_FOUND"]);
    }
    expect(await stored(domain, "select 1")).toEqual([]);
  });

  it("is who owned the domain until a moment ago", async () => {
    const { domain, owner } = await ownedDomain();
    await joinedAs(domain, owner, TV);
    await reply(
      "PATCH",
      `/admin/domains/${domain}`,
      { ownerSubject: "bob" },
      { authorization: `Bearer ${env.ADMIN_TOKEN}` },
    );
    expect((await askDevices("DELETE", domain, "", owner)).status).toBe(401);
    expect(await devicesOf(domain, await bearer("bob"))).toHaveLength(1);
  });
});

describe("a device that its owner removes", () => {
  it("is not a member, gets nothing new, and the rollover does not wait", async () => {
    const { domain, owner } = await ownedDomain("alice", { rolloverIntervalSeconds: 86_400 });
    const [lost, kept] = (await joinedAs(domain, owner, TV, PHONE)) as [string, string];
    const handle = await handleOf(domain, owner, lost);
    const removed = await askDevices("DELETE", domain, `/${handle}`, owner);
    expect([removed.status, removed.body]).toEqual([200, { domain, removed: 1 }]);
    expect((await reply("GET", `/domains/${domain}/keys`)).body.currentKeyVersion).toBeNull();
    const renewal = await register(domain, kept, { afterKeyVersion: 1 }, owner);
    expect(renewal.body).toMatchObject({ newMember: false, keyVersion: 2, credentials: [{ keyVersion: 2 }] });
    const leave = await deregister(domain, lost, {}, owner);
    expect([leave.status, leave.body.error]).toEqual([403, "DEREG_DENIED"]);
    expect(await devicesOf(domain, owner)).toMatchObject([{ name: PHONE }]);
    await expectCopied(domain);
  });

  it("is in the log, by the owner, and may come back", async () => {
    const { domain, owner } = await ownedDomain();
    const [guid] = await joinedAs(domain, owner, TV);
    const { headers } = await askDevices("DELETE", domain, `/${await handleOf(domain, owner, guid)}`, owner);
    const { entries } = (await operate("GET", `/${domain}/log?limit=1`)).body;
    expect(entries[0].changes).toEqual([
      {
        type: "device-evicted",
        by: "owner",
        deviceId: await deviceId(domain, guid),
        requestId: headers.get("x-request-id"),
      },
    ]);
    expect((await register(domain, guid, {}, owner)).status).toBe(201);
    expect(await devicesOf(domain, owner)).toMatchObject([{ name: null }]);
  });

  it("is gone the second time: 404", async () => {
    const { domain, owner } = await ownedDomain();
    const [guid] = await joinedAs(domain, owner, TV);
    const handle = await handleOf(domain, owner, guid);
    expect((await askDevices("DELETE", domain, `/${handle}`, owner)).status).toBe(200);
    for (const [method, rest, body] of REQUESTS.slice(2)) {
      const refused = await askDevices(method, domain, rest(handle), owner, body);
      expect([refused.status, refused.body.error]).toEqual([404, "NOT_FOUND"]);
    }
    for (const name of [guid, "x", "%00", await deviceId(domain, guid)]) {
      expect((await askDevices("DELETE", domain, `/${name}`, owner)).status).toBe(404);
    }
  });

  it("was removed once, if the call was repeated under its id", async () => {
    const { domain, owner } = await ownedDomain();
    const guids = await joinedAs(domain, owner, TV, PHONE);
    const auth = { kind: "verified", namespace: "studio", keyThumbprint: null, subject: "alice" } as const;
    const command = { type: "remove", requestId: newGuid(), machineGuids: guids, auth } as const;
    expect(gist(await execute(domain, command))).toEqual({ removed: 2 });
    await register(domain, guids[0], {}, owner);
    expect(gist(await execute(domain, command))).toEqual({ removed: 2 });
    expect((await rows(domain)).members).toHaveLength(1);
  });
});

describe("signing out everywhere", () => {
  it("removes all devices, or all others, and nothing the second time", async () => {
    const { domain, owner } = await ownedDomain();
    const [kept] = await joinedAs(domain, owner, TV, PHONE, TABLET);
    const handle = await handleOf(domain, owner, kept);
    const others = await askDevices("DELETE", domain, `?except=${handle}`, owner);
    expect([others.status, others.body]).toEqual([200, { domain, removed: 2 }]);
    expect(await devicesOf(domain, owner)).toMatchObject([{ name: TV }]);
    const { revision } = (await operate("GET", `/${domain}`)).body;
    expect((await askDevices("DELETE", domain, `?except=${handle}`, owner)).body).toEqual({ domain, removed: 0 });
    expect((await operate("GET", `/${domain}`)).body.revision).toBe(revision);
    expect((await askDevices("DELETE", domain, "", owner)).body).toEqual({ domain, removed: 1 });
    expect(await devicesOf(domain, owner)).toEqual([]);
    expect((await askDevices("DELETE", domain, "", owner)).body).toEqual({ domain, removed: 0 });
    // The one that is to stay left by itself meanwhile: the others go even so.
    await joinedAs(domain, owner, TV);
    expect((await askDevices("DELETE", domain, `?except=${handle}`, owner)).body).toEqual({ domain, removed: 1 });
  });

  it("removes 1,200 devices, in bounded commits, and keeps the one that stays", async () => {
    const { domain, owner } = await ownedDomain();
    const [kept] = await joinedAs(domain, owner, TV);
    const day = dayOf(Date.now());
    await stored(
      domain,
      `insert into domain_membership (machine_guid, joined_at, last_renewed_on)
        select value, 0, ? from json_each(?)`,
      day,
      JSON.stringify(Array.from({ length: 1_199 }, newGuid)),
    );
    await stored(domain, "update domain_server_info set member_count = 1200");
    // The next instance reads its row anew.
    await evict(domain);
    await objectOf(domain).copy(newGuid());
    const handle = await handleOfKept(domain, owner, kept);
    const { revision } = (await rows(domain)).info as { revision: number };
    const { status, body } = await askDevices("DELETE", domain, `?except=${handle}`, owner);
    expect([status, body]).toEqual([200, { domain, removed: 1_199 }]);
    const after = await rows(domain);
    expect(after.members).toMatchObject([{ machine_guid: kept }]);
    expect(after.info).toMatchObject({ member_count: 1, key_rollover_required: 1, rollover_not_before: 0 });
    const entries = after.log.filter((entry) => Number(entry.revision) > revision);
    const sizes = entries.map(({ changes }) => JSON.parse(changes as string).length);
    expect(sizes).toHaveLength(5);
    expect(Math.max(...sizes)).toBe(250);
    await expectCopied(domain);
  });
});

/** The handle of one device among many. */
async function handleOfKept(domain: string, owner: Record<string, string>, machineGuid: string): Promise<string> {
  const id = await deviceId(domain, machineGuid);
  return (await devicesOf(domain, owner)).find((device) => device.deviceId === id)?.handle ?? "";
}

describe("pages of other origins", () => {
  it("may ask all of it, and say which device they are", async () => {
    const { domain } = await ownedDomain();
    const cors = { CORS_ORIGINS: '["https://player.example"]' };
    for (const method of ["GET", "PATCH", "DELETE"]) {
      const preflight = await askWith(cors, "OPTIONS", `/domains/${domain}/devices/x`, undefined, {
        origin: "https://player.example",
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,machine-guid",
      });
      expect(preflight.status).toBe(204);
      expect(preflight.headers.get("access-control-allow-methods")).toContain(method);
      for (const header of ["authorization", "machine-guid", "content-type"]) {
        expect(preflight.headers.get("access-control-allow-headers")).toContain(header);
      }
    }
  });
});
