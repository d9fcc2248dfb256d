import { describe, expect, it } from "vitest";
import { newDevice } from "../support/devices.ts";
import { abortedAt } from "../support/worker/aborted-objects.ts";
import {
  configure,
  deregister,
  invariantViolations,
  newDomain,
  newGuid,
  register,
  reply,
} from "../support/worker/client.ts";
import { everything, operate, paged, signedBy } from "../support/worker/operators.ts";

const evict = (domain: string, device: string) => operate("DELETE", `/${domain}/members/${device}`);

/** A domain with these members and key version 1. */
async function inhabited(...guids: string[]): Promise<string> {
  const domain = newDomain();
  for (const guid of guids) await register(domain, guid);
  return domain;
}

describe("an evicted device", () => {
  it("is not a member, and its domain's keys roll over before anyone is given another", async () => {
    const [goes, stays] = [newGuid(), newGuid()];
    const domain = await inhabited(goes, stays);
    const answer = await evict(domain, goes);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ domain, evicted: true, copied: true });
    const overview = (await operate("GET", `/${domain}`)).body;
    expect(overview).toMatchObject({ memberCount: 1, keyRolloverRequired: true, keyVersion: 1 });
    expect((await reply("GET", `/domains/${domain}/keys`)).body.currentKeyVersion).toBeNull();
    expect((await operate("GET", `/${domain}/members/${goes}`)).status).toBe(404);
    expect((await deregister(domain, goes)).body.error).toBe("DEREG_DENIED");
    expect((await register(domain, stays)).body).toMatchObject({ newMember: false, keyVersion: 2 });
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("may come back, as a new member with a new key", async () => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    await evict(domain, guid);
    const back = await register(domain, guid);
    expect(back.status).toBe(201);
    expect(back.body).toMatchObject({ newMember: true, keyVersion: 2 });
  });

  it("that had a device key may come back with another", async () => {
    const [domain, device] = [newDomain(), await newDevice()];
    await signedBy(device, domain, "register");
    expect((await evict(domain, device.machineGuid)).status).toBe(200);
    const reset = { ...(await newDevice()), machineGuid: device.machineGuid };
    expect((await signedBy(reset, domain, "register")).status).toBe(201);
  });

  it("may be named by a handle, or by its GUID in upper case", async () => {
    const [one, two] = [newGuid(), newGuid()];
    const domain = await inhabited(one, two);
    const [first] = await paged(`/${domain}/members`, "members");
    expect((await evict(domain, first?.handle)).status).toBe(200);
    expect((await evict(domain, first?.handle)).status).toBe(404);
    expect((await evict(domain, [one, two].sort()[1]?.toUpperCase() as string)).status).toBe(200);
    expect((await everything(domain)).members).toEqual([]);
  });

  it("makes room in a full domain", async () => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    await configure(domain, { maxMembership: 1 });
    expect((await register(domain, newGuid())).status).toBe(409);
    await evict(domain, guid);
    expect((await register(domain, newGuid())).status).toBe(201);
  });

  it("needs no auth token and no signature of its own: it is the operator who asks", async () => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    await configure(domain, { authenticationRequired: true, authNamespace: "studio", deviceKeyRequired: true });
    expect((await evict(domain, guid)).status).toBe(200);
  });

  it("is evicted once by many who ask at once", async () => {
    const [guid, other] = [newGuid(), newGuid()];
    const domain = await inhabited(guid, other);
    const answers = await Promise.all(Array.from({ length: 20 }, () => evict(domain, guid)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 19 }, () => 404)]);
    expect((await everything(domain)).info).toMatchObject({ member_count: 1, revision: 3 });
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it.each(["before", "in", "after"] as const)(
    "is evicted once if its domain's object is lost %s the commit",
    async (moment) => {
      const [guid, other] = [newGuid(), newGuid()];
      const domain = await inhabited(guid, other);
      const answer = await abortedAt(moment, () => evict(domain, guid));
      expect(answer).toMatchObject({ status: 200, body: { evicted: true } });
      const { info, log, members } = await everything(domain);
      expect(info).toMatchObject({ member_count: 1, key_rollover_required: 1, revision: 3 });
      expect([log, members].map(({ length }) => length)).toEqual([3, 1]);
      expect((await evict(domain, guid)).status).toBe(404);
    },
  );
});

describe("an eviction that is refused changes nothing", () => {
  it("in a domain that does not exist, which is not created", async () => {
    const domain = newDomain();
    const { status, body } = await evict(domain, newGuid());
    expect(status).toBe(404);
    expect(body.error).toBe("DOMAIN_NOT_FOUND");
    expect((await everything(domain)).info).toBeUndefined();
  });

  it("of a device that is not a member, or is named wrongly", async () => {
    const [guid, elsewhere] = [newGuid(), newGuid()];
    const domain = await inhabited(guid);
    const other = await inhabited(elsewhere);
    const [foreign] = await paged(`/${other}/members`, "members");
    const before = await everything(domain);
    expect((await evict(domain, elsewhere)).body.error).toBe("NOT_FOUND");
    expect((await evict(domain, foreign?.handle)).body.errors).toEqual([
      expect.objectContaining({ field: "machineGuid" }),
    ]);
    expect((await evict(domain, `${guid.slice(0, 8)}…`)).status).toBe(400);
    expect(await everything(domain)).toEqual(before);
    expect((await everything(other)).members).toHaveLength(1);
  });
});
