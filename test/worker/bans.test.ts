import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Command } from "../../src/domain/commands.ts";
import { newDevice, type TestDevice } from "../support/devices.ts";
import { mintToken } from "../support/issuers.ts";
import { abortedAt } from "../support/worker/aborted-objects.ts";
import { configure, deregister, invariantViolations, newDomain, newGuid, register } from "../support/worker/client.ts";
import { executeAsBatch, gist, joins, operators } from "../support/worker/objects.ts";
import { asOperator, deviceId, everything, operate, paged, signedBy } from "../support/worker/operators.ts";

const ban = (domain: string, device: string, reason = "stolen", headers?: object) =>
  operate("PUT", `/${domain}/bans/${device}`, { reason }, headers);
const unban = (domain: string, device: string) => operate("DELETE", `/${domain}/bans/${device}`);

async function inhabited(...guids: string[]): Promise<string> {
  const domain = newDomain();
  for (const guid of [newGuid(), ...guids]) await register(domain, guid);
  return domain;
}

function expectBanned({ status, body }: { status: number; body: object }) {
  expect(status).toBe(403);
  expect(body).toMatchObject({ error: "DEVICE_BANNED", status: 403 });
  expect(body).not.toHaveProperty("code");
}

/** The same key under another machine GUID. */
const renamed = (device: TestDevice): TestDevice => ({ ...device, machineGuid: newGuid() });

describe("a banned device", () => {
  it("is evicted, and does not come back", async () => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    const answer = await ban(domain, guid, "stolen in Ghent");
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      handle: expect.any(String),
      deviceId: await deviceId(domain, guid),
      machineGuid: `${guid.slice(0, 8)}…`,
      reason: "stolen in Ghent",
      bannedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      bannedBy: "admin-token",
      hasDeviceKey: false,
      copied: true,
    });
    const { info, members } = await everything(domain);
    expect(info).toMatchObject({ member_count: 1, key_rollover_required: 1, revision: 3 });
    expect(members).toHaveLength(1);
    const before = await everything(domain);
    expectBanned(await register(domain, guid));
    expectBanned(await register(domain, guid.toUpperCase()));
    expectBanned(await register(domain, guid, { afterKeyVersion: 1 }));
    expect((await deregister(domain, guid)).body.error).toBe("DEREG_DENIED");
    expect(await everything(domain)).toEqual(before);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("is banned from this domain, and from no other", async () => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    await ban(domain, guid);
    expect((await register(newDomain(), guid)).status).toBe(201);
    expect((await register(domain, newGuid())).status).toBe(201);
  });

  it("is kept out with its device key, whatever machine GUID it gives", async () => {
    const [domain, device, other] = [newDomain(), await newDevice(), await newDevice("Ed25519")];
    await signedBy(device, domain, "register");
    await signedBy(other, domain, "register");
    expect((await ban(domain, device.machineGuid)).body.hasDeviceKey).toBe(true);
    const before = await everything(domain);
    expectBanned(await signedBy(device, domain, "register"));
    expectBanned(await signedBy(renamed(device), domain, "register"));
    const encryptionKey = device.publicJwk;
    expectBanned(await signedBy(renamed(device), domain, "register", { encryptionKey }));
    expectBanned(await signedBy(renamed(device), domain, "register", { encryptionKey, afterKeyVersion: 1 }));
    // Nor unsigned, nor with a new key, under the GUID that is banned.
    expectBanned(await register(domain, device.machineGuid));
    expectBanned(await signedBy({ ...(await newDevice()), machineGuid: device.machineGuid }, domain, "register"));
    expect(await everything(domain)).toEqual(before);
    expect((await signedBy(other, domain, "register")).status).toBe(200);
    expect((await signedBy(await newDevice(), domain, "register")).status).toBe(201);
  });

  it("need not have been a member", async () => {
    const domain = await inhabited();
    const guid = newGuid();
    const { status, body } = await ban(domain, guid);
    expect(status).toBe(201);
    expect(body.hasDeviceKey).toBe(false);
    expect((await everything(domain)).info).toMatchObject({ member_count: 1, key_rollover_required: 0, revision: 2 });
    expectBanned(await register(domain, guid));
  });

  it("may be named by a handle of the list of members, and afterwards by one of the list of bans", async () => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    const members = await paged(`/${domain}/members`, "members");
    const member = members.find(({ machineGuid }) => machineGuid.startsWith(guid.slice(0, 8)));
    expect((await ban(domain, member?.handle)).status).toBe(201);
    expectBanned(await register(domain, guid));
    const [banned] = await paged(`/${domain}/bans`, "bans");
    expect((await ban(domain, banned?.handle, "lost")).status).toBe(200);
    expect((await unban(domain, banned?.handle)).status).toBe(200);
    expect((await register(domain, guid)).status).toBe(201);
  });

  it("is on the list of bans with who banned it", async () => {
    const domain = await inhabited();
    const guid = newGuid();
    const { body } = await ban(domain, guid, "sold", await asOperator("domains:evict"));
    const [listed, ...others] = await paged(`/${domain}/bans`, "bans");
    expect(others).toEqual([]);
    const { copied, ...shown } = body;
    expect(listed).toEqual({ ...shown, handle: expect.any(String) });
    expect(listed).toMatchObject({ reason: "sold", bannedBy: "https://office.example#someone" });
  });

  it.each(["before", "in", "after"] as const)("is banned once if the object is lost %s the commit", async (moment) => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    expect((await abortedAt(moment, () => ban(domain, guid))).status).toBe(201);
    const { info, log, bans: found } = await everything(domain);
    expect(info).toMatchObject({ member_count: 1, revision: 3 });
    expect([log, found].map(({ length }) => length)).toEqual([3, 1]);
  });

  it.each(["before", "in", "after"] as const)(
    "is let back once if the object is lost %s the commit",
    async (moment) => {
      const guid = newGuid();
      const domain = await inhabited(guid);
      await ban(domain, guid);
      const answer = await abortedAt(moment, () => unban(domain, guid));
      expect(answer).toMatchObject({ status: 200, body: { domain, banned: false, copied: true } });
      expect((await everything(domain)).log).toHaveLength(4);
      expect((await unban(domain, guid)).status).toBe(404);
    },
  );

  it.each(["before", "in", "after"] as const)(
    "has its new reason once if the object is lost %s the commit",
    async (moment) => {
      const guid = newGuid();
      const domain = await inhabited(guid);
      await ban(domain, guid, "stolen");
      const answer = await abortedAt(moment, () => ban(domain, guid, "lost"));
      expect(answer.body.reason).toBe("lost");
      expect((await everything(domain)).log).toHaveLength(4);
    },
  );
});

describe("a ban that is there already", () => {
  it("with another reason has that from now on, and still bans the key", async () => {
    const [domain, device] = [newDomain(), await newDevice()];
    await signedBy(device, domain, "register");
    await ban(domain, device.machineGuid, "lost");
    const again = await ban(domain, device.machineGuid, "stolen", await asOperator("domains:evict"));
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({
      reason: "stolen",
      bannedBy: "https://office.example#someone",
      hasDeviceKey: true,
    });
    expect((await everything(domain)).bans).toHaveLength(1);
    expectBanned(await signedBy(renamed(device), domain, "register"));
  });

  it("with the same reason changes nothing", async () => {
    const domain = await inhabited();
    const guid = newGuid();
    await ban(domain, guid);
    const before = await everything(domain);
    expect((await ban(domain, guid)).status).toBe(200);
    expect(await everything(domain)).toEqual(before);
  });
});

describe("a ban that is lifted", () => {
  it("lets the device and its key come back, as a new member with a new key version", async () => {
    const [domain, device] = [newDomain(), await newDevice()];
    await signedBy(device, domain, "register");
    await ban(domain, device.machineGuid);
    const answer = await unban(domain, device.machineGuid);
    expect(answer).toMatchObject({ status: 200, body: { domain, banned: false, copied: true } });
    expect(await paged(`/${domain}/bans`, "bans")).toEqual([]);
    const back = await signedBy(device, domain, "register");
    expect(back.status).toBe(201);
    expect(back.body.keyVersion).toBe(2);
    expect((await signedBy(renamed(device), domain, "register")).status).toBe(201);
  });

  it("leaves a ban that another machine GUID has for the same key", async () => {
    const [domain, device] = [newDomain(), await newDevice()];
    const twin = renamed(device);
    for (const each of [device, twin]) await signedBy(each, domain, "register");
    // The ban of one keeps the other, still a member, from renewing; it leaves or is banned as well.
    await ban(domain, device.machineGuid);
    expectBanned(await signedBy(twin, domain, "register"));
    await ban(domain, twin.machineGuid);
    await unban(domain, device.machineGuid);
    expectBanned(await signedBy(device, domain, "register"));
    await unban(domain, twin.machineGuid);
    expect((await signedBy(device, domain, "register")).status).toBe(201);
  });
});

describe("who is turned away is told the first reason of these", () => {
  it("no auth token, no or a wrong device key, a ban, a full domain", async () => {
    const [domain, device] = [newDomain(), await newDevice()];
    await signedBy(device, domain, "register");
    await ban(domain, device.machineGuid);
    await configure(domain, { authenticationRequired: true, deviceKeyRequired: true, maxMembership: 0 });
    expect((await register(domain, device.machineGuid)).body.error).toBe("DOM_AUTHENTICATION_REQUIRED");
    const headers = { authorization: `Bearer ${await mintToken("studio", env.TEST_ISSUER_KEYS.studio)}` };
    expect((await register(domain, device.machineGuid, {}, headers)).body.error).toBe("DEVICE_KEY_REQUIRED");
    await configure(domain, { maxMembership: 0 });
    expectBanned(await signedBy(device, domain, "register"));
    expectBanned(await register(domain, device.machineGuid));
    expect((await register(domain, newGuid())).body.error).toBe("DOM_LIMIT_REACHED");
  });
});

describe("joins in one batch with bans", () => {
  const banned = (machineGuid: string) => operators({ type: "ban", machineGuid, reason: "stolen" });
  const signed = (machineGuid: string, thumbprint: string) =>
    joins(machineGuid, {
      proof: { thumbprint, signedAt: Date.now(), idempotencyKey: crypto.randomUUID() },
      sealed: true,
    });

  /** The outcomes of commands in one batch. */
  async function batched(domain: string, ...commands: readonly Command[]) {
    const before = (await everything(domain)).log.length;
    // The first goes alone, the others gather behind it; those go last that need a key that is not made yet.
    const [, ...outcomes] = await executeAsBatch(domain, joins(newGuid()), ...commands);
    expect((await everything(domain)).log.length).toBeLessThanOrEqual(before + 3);
    return outcomes.map(gist);
  }

  const IN = expect.objectContaining({ newMember: true });
  const BANNED = expect.objectContaining({ created: true });

  it("do not let in a machine GUID that is banned before them, and let in the others", async () => {
    const domain = await inhabited();
    const guid = newGuid();
    const gists = await batched(domain, banned(guid), joins(newGuid()), joins(guid), joins(newGuid()));
    expect(gists).toEqual([BANNED, IN, "DEVICE_BANNED", IN]);
    expect((await everything(domain)).members.map(({ machine_guid }) => machine_guid)).not.toContain(guid);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("do not let in the device key of a member that is banned before them", async () => {
    const domain = await inhabited();
    const guid = newGuid();
    const gists = await batched(
      domain,
      signed(guid, "a-thumbprint"),
      banned(guid),
      signed(newGuid(), "a-thumbprint"),
      signed(newGuid(), "another"),
    );
    expect(gists).toEqual([IN, BANNED, "DEVICE_BANNED", IN]);
    expect((await everything(domain)).members).toHaveLength(3);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("let in who is banned after them, who is evicted and does not come back", async () => {
    const domain = await inhabited();
    const guid = newGuid();
    const gists = await batched(domain, joins(guid), banned(guid), joins(guid), joins(newGuid()));
    expect(gists).toEqual([IN, BANNED, "DEVICE_BANNED", IN]);
    const { members, bans } = await everything(domain);
    expect(members.map(({ machine_guid }) => machine_guid)).not.toContain(guid);
    expect(bans.map(({ machine_guid }) => machine_guid)).toEqual([guid]);
    expect(await invariantViolations(domain)).toEqual([]);
  });
});

describe("a ban that is refused changes nothing", () => {
  it("in a domain that does not exist, which is not created", async () => {
    const domain = newDomain();
    for (const { status, body } of [await ban(domain, newGuid()), await unban(domain, newGuid())]) {
      expect(status).toBe(404);
      expect(body.error).toBe("DOMAIN_NOT_FOUND");
    }
    expect((await everything(domain)).info).toBeUndefined();
  });

  it.each([
    [{}, ["reason"]],
    [{ reason: "" }, ["reason"]],
    [{ reason: "r".repeat(501) }, ["reason"]],
    [{ reason: 7 }, ["reason"]],
    [{ reason: null }, ["reason"]],
    [{ reason: "stolen\ud800" }, ["reason"]],
    [{ reason: "stolen", until: "2027-01-01" }, ["until"]],
    ["{", ["body"]],
  ])("without a reason, or with more than that: %j", async (body, fields) => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    const before = await everything(domain);
    const answer = await operate("PUT", `/${domain}/bans/${guid}`, body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors.map(({ field }: { field: string }) => field)).toEqual(fields);
    expect(await everything(domain)).toEqual(before);
  });

  it.each(["r", "r".repeat(500), "\u0000\n\"'🔑 <b>"])("but any other reason is kept as it is", async (reason) => {
    const domain = await inhabited();
    const guid = newGuid();
    expect((await ban(domain, guid, reason)).body.reason).toBe(reason);
    expect((await paged(`/${domain}/bans`, "bans"))[0]?.reason).toBe(reason);
    const [entry] = (await operate("GET", `/${domain}/log`)).body.entries;
    expect(entry.changes).toEqual([expect.objectContaining({ type: "device-banned", reason })]);
  });

  it("of a device that is named wrongly", async () => {
    const domain = await inhabited();
    const before = await everything(domain);
    for (const device of ["x", `${newGuid()}x`, await deviceId(domain, newGuid())]) {
      for (const { status, body } of [await ban(domain, device), await unban(domain, device)]) {
        expect(status).toBe(400);
        expect(body.errors).toEqual([expect.objectContaining({ field: "machineGuid" })]);
      }
    }
    expect(await everything(domain)).toEqual(before);
  });

  it("nor does lifting one that there is not", async () => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    const before = await everything(domain);
    for (const device of [guid, newGuid()]) {
      const { status, body } = await unban(domain, device);
      expect(status).toBe(404);
      expect(body.error).toBe("NOT_FOUND");
    }
    expect(await everything(domain)).toEqual(before);
  });
});
