import { describe, expect, it } from "vitest";
import { newDevice } from "../support/devices.ts";
import { deregister, newDomain, newGuid, register, stored } from "../support/worker/client.ts";
import { runAlarm } from "../support/worker/objects.ts";
import { deviceId, operate, paged, signedBy } from "../support/worker/operators.ts";

const today = () => new Date().toISOString().slice(0, 10);
const short = (guid: string) => `${guid.slice(0, 8)}…`;

/** Has a member have joined, and renewed last, on the 4th of October 2024. */
async function makeOld(domain: string, guid: string) {
  await stored(
    domain,
    "update domain_membership set joined_at = ?, last_renewed_on = 20000 where machine_guid = ?",
    Date.UTC(2024, 9, 4, 12),
    guid,
  );
}

describe("the members of a domain", () => {
  it("are listed with what is known of them, and the beginnings of their machine GUIDs", async () => {
    const domain = newDomain();
    const [plain, device] = [newGuid(), await newDevice()];
    const days = [today()];
    await register(domain, plain);
    await signedBy(device, domain, "register");
    days.push(today());
    const members = await paged(`/${domain}/members`, "members", 1);
    const guids = [plain, device.machineGuid].sort();
    expect(members).toEqual(
      await Promise.all(
        guids.map(async (guid) => ({
          handle: expect.any(String),
          deviceId: await deviceId(domain, guid),
          machineGuid: short(guid),
          joinedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
          hasDeviceKey: guid === device.machineGuid,
          lastRenewedOn: expect.stringMatching(new RegExp(days.join("|"))),
          name: null,
        })),
      ),
    );
  });

  it("are those who joined and did not leave", async () => {
    const domain = newDomain();
    const [stays, goes] = [newGuid(), newGuid()];
    for (const guid of [stays, goes]) await register(domain, guid);
    await deregister(domain, goes);
    const listed = await paged(`/${domain}/members`, "members");
    expect(listed.map(({ machineGuid }) => machineGuid)).toEqual([short(stays)]);
  });
});

describe("one member", () => {
  it("is shown with its whole machine GUID to who knows that, in either case, and to nobody else", async () => {
    const [domain, guid] = [newDomain(), newGuid()];
    await register(domain, guid);
    const [listed] = await paged(`/${domain}/members`, "members");
    for (const known of [guid, guid.toUpperCase()]) {
      const { status, body } = await operate("GET", `/${domain}/members/${known}`);
      expect(status).toBe(200);
      expect(body).toEqual({ ...listed, handle: expect.any(String), machineGuid: guid });
    }
    const byHandle = await operate("GET", `/${domain}/members/${listed?.handle}`);
    expect(byHandle.status).toBe(200);
    expect(byHandle.body).toEqual({ ...listed, handle: expect.any(String) });
    expect(JSON.stringify(byHandle.body)).not.toContain(guid.slice(0, 9));
  });

  it("has a device key from when it first signs", async () => {
    const [domain, device] = [newDomain(), await newDevice()];
    const path = `/${domain}/members/${device.machineGuid}`;
    await register(domain, device.machineGuid);
    expect((await operate("GET", path)).body.hasDeviceKey).toBe(false);
    await signedBy(device, domain, "register");
    expect((await operate("GET", path)).body.hasDeviceKey).toBe(true);
  });

  it("that there is not is not found", async () => {
    const [domain, guid] = [newDomain(), newGuid()];
    await register(domain, guid);
    const [member] = await paged(`/${domain}/members`, "members");
    await deregister(domain, guid);
    for (const device of [guid, newGuid(), member?.handle]) {
      const { status, body } = await operate("GET", `/${domain}/members/${device}`);
      expect(status).toBe(404);
      expect(body.error).toBe("NOT_FOUND");
    }
    const nowhere = await operate("GET", `/${newDomain()}/members/${guid}`);
    expect(nowhere.body.error).toBe("DOMAIN_NOT_FOUND");
  });

  it("is named by nothing but its GUID or a handle from the same domain", async () => {
    const [domain, other, guid] = [newDomain(), newDomain(), newGuid()];
    await register(domain, guid);
    await register(other, guid);
    const list = (await operate("GET", `/${other}/members`)).body;
    const [{ handle }] = list.members;
    const parts = handle.split(".");
    const wrong = [handle, short(guid), guid.slice(0, 8), guid.replaceAll("-", ""), `{${guid}}`, `${guid}x`, "x"];
    const tampered = [3, 4].map((index) => parts.with(index, "AAAAAAAAAAAAAAAAAAAAAA").join("."));
    const nil = "00000000-0000-0000-0000-000000000000";
    for (const device of [...wrong, ...tampered, nil, "%zz", "%00"]) {
      const { status, body } = await operate("GET", `/${domain}/members/${device}`);
      expect(status, device).toBe(400);
      expect(body).toMatchObject({ error: "INVALID_REQUEST", errors: [{ field: "machineGuid" }] });
      expect(JSON.stringify(body)).not.toContain(guid);
    }
  });

  it("is not named by a cursor, though that holds its GUID", async () => {
    const domain = newDomain();
    for (let count = 0; count < 2; count++) await register(domain, newGuid());
    const { nextCursor } = (await operate("GET", `/${domain}/members?limit=1`)).body;
    expect((await operate("GET", `/${domain}/members/${nextCursor}`)).status).toBe(400);
  });
});

describe("the day of the last renewal", () => {
  const shown = async (domain: string, guid: string) => (await operate("GET", `/${domain}/members/${guid}`)).body;
  it("follows a renewal on a later day, and changes nothing else", async () => {
    const domain = newDomain();
    const [plain, holder, device] = [newGuid(), newGuid(), await newDevice()];
    const guids = [plain, holder, device.machineGuid];
    for (const guid of guids.slice(0, 2)) await register(domain, guid);
    await signedBy(device, domain, "register");
    for (const guid of guids) await makeOld(domain, guid);
    expect((await shown(domain, plain)).lastRenewedOn).toBe("2024-10-04");
    const { revision } = (await operate("GET", `/${domain}`)).body;
    const days = [today()];
    await register(domain, plain);
    await register(domain, holder, { afterKeyVersion: 1 });
    await signedBy(device, domain, "register");
    days.push(today());
    await runAlarm(domain);
    for (const guid of guids) {
      expect((await shown(domain, guid)).lastRenewedOn).toMatch(new RegExp(days.join("|")));
    }
    expect((await shown(domain, plain)).joinedAt).toBe("2024-10-04T12:00:00.000Z");
    // The signed one is put on record, which is a commit; a renewal alone is none.
    expect((await operate("GET", `/${domain}`)).body.revision).toBe(revision + 1);
  });

  it("is not moved by a renewal that was refused, a preview, or an operator's look", async () => {
    const domain = newDomain();
    const [guid, device] = [newGuid(), await newDevice()];
    await register(domain, guid);
    await signedBy(device, domain, "register");
    for (const each of [guid, device.machineGuid]) await makeOld(domain, each);
    expect((await register(domain, device.machineGuid)).body.error).toBe("DEVICE_PROOF_INVALID");
    await deregister(domain, guid, { preview: true });
    await register(domain, device.machineGuid);
    await runAlarm(domain);
    // What was noted is written by now: the refusals are.
    const { refusals } = (await operate("GET", `/${domain}/activity`)).body;
    expect(refusals.reduce((sum: number, { count }: { count: number }) => sum + count, 0)).toBe(2);
    for (const each of [guid, device.machineGuid]) {
      expect((await shown(domain, each)).lastRenewedOn).toBe("2024-10-04");
    }
  });
});
