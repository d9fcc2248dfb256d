import { describe, expect, it } from "vitest";
import { invariantViolations, newDomain, newGuid, register, reply, rows } from "../support/worker/client.ts";
import { evict, execute, executeAsBatch, gist, joins, leaves, operators } from "../support/worker/objects.ts";

// The Worker repeats a request whose outcome it did not learn, under the same request id.

/** A domain with key version 1 and these members. */
async function inhabited(...guids: string[]): Promise<string> {
  const domain = newDomain();
  for (const guid of guids) await register(domain, guid);
  return domain;
}

const changesOf = async (domain: string): Promise<{ type: string }[][]> =>
  (await rows(domain)).log.map(({ changes }) => JSON.parse(changes as string));

describe("a join that is sent again", () => {
  it("gets the same grant, and joins once", async () => {
    const domain = newDomain();
    const join = joins(newGuid());
    const first = await execute(domain, join);
    expect(gist(first)).toMatchObject({ newMember: true, keyVersion: 1 });
    const before = await rows(domain);
    expect(await execute(domain, join)).toEqual(first);
    await evict(domain);
    expect(gist(await execute(domain, join))).toMatchObject({ newMember: true, keyVersion: 1 });
    expect(await rows(domain)).toEqual(before);
  });

  it.each([true, false])("says that a device which bound its key was a member before (sealed: %s)", async (sealed) => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    const proof = { thumbprint: "a-key", signedAt: Date.now(), idempotencyKey: newGuid() };
    const renewal = joins(guid, { proof, sealed });
    const first = await execute(domain, renewal);
    expect(gist(first)).toMatchObject({ newMember: false });
    const before = await rows(domain);
    expect(before.members).toMatchObject([{ device_key_thumbprint: "a-key" }]);
    expect(await execute(domain, renewal)).toEqual(first);
    expect(await rows(domain)).toEqual(before);
  });

  it.each([
    ["left", (machineGuid: string) => leaves(machineGuid)],
    ["was evicted", (machineGuid: string) => operators({ type: "evict", machineGuid })],
    ["was banned", (machineGuid: string) => operators({ type: "ban", machineGuid, reason: "stolen" })],
  ] as const)("after its device %s is refused, and changes nothing", async (_, removal) => {
    const guid = newGuid();
    const domain = await inhabited(newGuid());
    const join = joins(guid);
    expect(gist(await execute(domain, join))).toMatchObject({ newMember: true });
    expect((await execute(domain, removal(guid))).granted).toBe(true);
    const before = await rows(domain);
    for (let count = 0; count < 2; count++) {
      expect(gist(await execute(domain, join))).toBe("TEMPORARILY_UNAVAILABLE");
      await evict(domain);
    }
    expect(await rows(domain)).toEqual(before);
    expect(before.members).toHaveLength(1);
  });

  it("after its device left and came back gets the grant of then, and the keys of then", async () => {
    const guid = newGuid();
    const domain = await inhabited(newGuid());
    const join = joins(guid);
    await execute(domain, join);
    await execute(domain, leaves(guid));
    expect(gist(await execute(domain, joins(guid)))).toMatchObject({ newMember: true, keyVersion: 2 });
    const before = await rows(domain);
    const again = gist(await execute(domain, join)) as { credentials: string };
    expect(again).toMatchObject({ newMember: true, keyVersion: 1 });
    expect(JSON.parse(again.credentials).map(({ keyVersion }: { keyVersion: number }) => keyVersion)).toEqual([1]);
    expect(await rows(domain)).toEqual(before);
  });

  it("within one batch, with the eviction of its device in between, does not bring the device back", async () => {
    const [guid, other] = [newGuid(), newGuid()];
    const domain = await inhabited(guid);
    const proof = { thumbprint: "a-key", signedAt: Date.now(), idempotencyKey: newGuid() };
    const renewal = joins(guid, { proof, sealed: true });
    const evicted = operators({ type: "evict", machineGuid: guid });
    const [, ...outcomes] = await executeAsBatch(domain, joins(other), renewal, evicted, renewal);
    expect(outcomes.map(gist)).toMatchObject([{ newMember: false }, { evicted: true }, "TEMPORARILY_UNAVAILABLE"]);
    const changes = await changesOf(domain);
    expect(changes.at(-1)?.map(({ type }) => type)).toEqual(["device-key-bound", "device-evicted"]);
    expect((await rows(domain)).members).toMatchObject([{ machine_guid: other }]);
    expect(await invariantViolations(domain)).toEqual([]);
  });
});

describe("a leave that is sent again", () => {
  it("gets the same grant, although the device is no longer a member", async () => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    const leave = leaves(guid);
    expect(gist(await execute(domain, leave))).toEqual({ deregistered: true });
    const before = await rows(domain);
    expect(gist(await execute(domain, leave))).toEqual({ deregistered: true });
    expect(await rows(domain)).toEqual(before);
  });

  it("within one batch is done once and answered the same twice", async () => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    const leave = leaves(guid);
    const [, first, second] = await executeAsBatch(domain, joins(newGuid()), leave, leave);
    expect([first, second].map((each) => each && gist(each))).toEqual([{ deregistered: true }, { deregistered: true }]);
    const changes = await changesOf(domain);
    // The creation, the join that went alone, and the batch.
    expect(changes.map((each) => each.map(({ type }) => type)).slice(1)).toEqual([["device-joined"], ["device-left"]]);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("under another request id and the same idempotency key, within one batch, is answered the same twice", async () => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    const again = () => leaves(guid, { idempotencyKey: "a-key" });
    const [, ...outcomes] = await executeAsBatch(domain, joins(newGuid()), again(), again(), again());
    expect(outcomes.map(gist)).toEqual(Array(3).fill({ deregistered: true }));
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("does not take out a device that came back meanwhile", async () => {
    const guid = newGuid();
    const domain = await inhabited(guid);
    const leave = leaves(guid);
    await execute(domain, leave);
    await register(domain, guid);
    expect(gist(await execute(domain, leave))).toEqual({ deregistered: true });
    expect((await rows(domain)).members).toHaveLength(1);
  });
});

describe("a change of an operator that is sent again", () => {
  it("of the settings does not overwrite a later one", async () => {
    const domain = await inhabited(newGuid());
    const earlier = operators({ type: "settings", mode: "merge", patch: { maxMembership: 5 } });
    const later = operators({ type: "settings", mode: "merge", patch: { maxMembership: 7 } });
    const first = await execute(domain, earlier);
    expect(gist(first)).toMatchObject({ settings: { maxMembership: 5 } });
    expect(gist(await execute(domain, later))).toMatchObject({ settings: { maxMembership: 7 } });
    const before = await rows(domain);
    expect(await execute(domain, earlier)).toEqual(first);
    expect(await rows(domain)).toEqual(before);
    expect(before.info?.max_membership).toBe(7);
  });

  it("to roll over now, within one batch, makes one key", async () => {
    const domain = await inhabited(newGuid());
    const rollover = operators({ type: "rollover", when: "now" });
    const outcomes = await executeAsBatch(domain, joins(newGuid()), rollover, rollover);
    expect(outcomes.slice(1).map(gist)).toMatchObject([{ keyVersion: 2 }, { keyVersion: 2 }]);
    expect(gist(await execute(domain, rollover))).toMatchObject({ keyVersion: 2 });
    expect((await rows(domain)).keys).toHaveLength(2);
    expect((await reply("GET", `/domains/${domain}/keys`)).body.currentKeyVersion).toBe(2);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it.each([
    ["evict", (machineGuid: string) => operators({ type: "evict", machineGuid }), { evicted: true }],
    ["ban", (machineGuid: string) => operators({ type: "ban", machineGuid, reason: "stolen" }), { created: true }],
  ] as const)("to %s is done once, and does not touch a device that came back", async (_, command, grant) => {
    const guid = newGuid();
    const domain = await inhabited(guid, newGuid());
    const asked = command(guid);
    expect(gist(await execute(domain, asked))).toMatchObject(grant);
    await execute(domain, operators({ type: "unban", machineGuid: guid }));
    expect(gist(await execute(domain, joins(guid)))).toMatchObject({ newMember: true });
    const before = await rows(domain);
    expect(gist(await execute(domain, asked))).toMatchObject(grant);
    expect(await rows(domain)).toEqual(before);
  });

  it("to lift a ban does not lift a later one", async () => {
    const guid = newGuid();
    const domain = await inhabited(newGuid());
    const ban = () => operators({ type: "ban", machineGuid: guid, reason: "stolen" });
    const unban = operators({ type: "unban", machineGuid: guid });
    await execute(domain, ban());
    expect(gist(await execute(domain, unban))).toMatchObject({ banned: false });
    await execute(domain, ban());
    expect(gist(await execute(domain, unban))).toMatchObject({ banned: false });
    expect(gist(await execute(domain, joins(guid)))).toBe("DEVICE_BANNED");
  });
});
