import { describe, expect, it } from "vitest";
import type { Command } from "../../src/domain/commands.ts";
import { decideBatch } from "../../src/domain/decide.ts";
import { MAX_REPLACED } from "../../src/domain/replacement.ts";
import { type AuthEvidence, type DomainSettings, NEWBORN } from "../../src/domain/types.ts";
import { bans, changes, DomainInMemory, evicts, joins, leaves } from "../support/node/domain-in-memory.ts";

const TODAY = 20_000;
const NOW = TODAY * 86_400_000 + 12_345;
const REPLACES = { whenFull: "replace-least-recent" } as const;

/** The days of last renewals that are so many days ago. */
function idleFor(days: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(days).map(([guid, each]) => [guid, TODAY - each]));
}

/** A domain full of members that last renewed so many days ago. */
function full(days: Readonly<Record<string, number>>, settings: Partial<DomainSettings> = {}): DomainInMemory {
  return new DomainInMemory({ ...REPLACES, maxMembership: Object.keys(days).length, ...settings }, idleFor(days));
}

/** The outcome of each command: its refusal or the devices that it removed, and the members after all. */
function result(domain: DomainInMemory, ...commands: readonly Command[]) {
  const { outcomes, events } = domain.carryOut(NOW, ...commands);
  const refusals = outcomes.map((outcome) => (outcome?.granted === false ? outcome.refusal.error : "granted"));
  const replaced = events.flatMap((event) =>
    event.type === "device-evicted" && event.by === "whenFull" ? event.machineGuid : [],
  );
  return { refusals, replaced, members: [...domain.state.members.keys()].sort() };
}

const refused = (members: readonly string[], error = "DOM_LIMIT_REACHED") => ({
  ...{ refusals: [error], replaced: [], members },
});

describe("a newcomer to a full domain with whenFull replace-least-recent", () => {
  it("takes the place of the member that has not renewed for longest, and gets a new key", () => {
    const domain = full({ a: 40, b: 60, c: 50 });
    const join = joins("new");
    const { requestId } = join;
    const { events, outcomes, state } = domain.carryOut(NOW, join);
    expect(events).toEqual([
      { type: "device-evicted", machineGuid: "b", requestId, by: "whenFull" },
      { type: "device-joined", machineGuid: "new", requestId, deviceKeyThumbprint: null, signedAt: null },
      { type: "key-made", keyVersion: 2 },
    ]);
    expect(outcomes).toEqual([{ granted: true, grant: { newMember: true, credentialsAfter: 0, keyVersion: 2 } }]);
    expect(state).toMatchObject({ memberCount: 3, keyVersion: 2, keyRolloverRequired: false });
  });

  it.each([
    [30, 31],
    [30, 30],
    [0, 1],
    [0, 0],
    [1, 1],
    [1, 2],
    [36_500, 20_000],
  ])("with minIdleDays %i replaces a member idle for %i days only if that is more", (minIdleDays, days) => {
    const { replaced, refusals } = result(full({ a: days }, { minIdleDays }), joins("new"));
    expect([replaced, refusals]).toEqual(days > minIdleDays ? [["a"], ["granted"]] : [[], ["DOM_LIMIT_REACHED"]]);
  });

  it("is refused by default, however idle the members", () => {
    const { whenFull, minIdleDays } = NEWBORN.settings;
    expect([whenFull, minIdleDays]).toEqual(["refuse", 30]);
    expect(result(full({ a: 900 }, { whenFull: "refuse" }), joins("new"))).toEqual(refused(["a"]));
  });

  it("replaces nobody while there is room, nor if there is no maximum", () => {
    expect(result(full({ a: 99 }, { maxMembership: 2 }), joins("new"))).toMatchObject({ replaced: [] });
    expect(result(full({ a: 99 }, { maxMembership: null }), joins("new"))).toMatchObject({ replaced: [] });
  });

  it("of two that last renewed on one day replaces the one that joined first", () => {
    expect(result(full({ z: 50, a: 50 }), joins("new")).replaced).toEqual(["z"]);
  });

  it("is refused where the maximum is 0", () => {
    expect(result(full({}), joins("new"))).toEqual(refused([]));
    expect(result(full({ a: 99 }, { maxMembership: 0 }), joins("new"))).toEqual(refused(["a"]));
  });

  it("makes one key of two rollovers that are due, and waits for no interval", () => {
    const domain = full({ a: 99, b: 98, c: 97 }, { rolloverIntervalSeconds: 1e6 });
    domain.carryOut(NOW, leaves("c"), joins("d"));
    expect(domain.state).toMatchObject({ keyVersion: 2, memberCount: 3 });
    expect(result(domain, joins("e")).replaced).toEqual(["a"]);
    expect(domain.state).toMatchObject({ keyVersion: 3, keyRolloverRequired: false });
  });

  it("leaves the member that renews alone, and the member that was replaced is a stranger", () => {
    const domain = full({ a: 99, b: 98 });
    expect(result(domain, joins("a"))).toEqual({ refusals: ["granted"], replaced: [], members: ["a", "b"] });
    expect(result(domain, joins("new")).replaced).toEqual(["b"]);
    expect(result(domain, joins("b"))).toEqual(refused(["a", "new"]));
    expect(result(domain, leaves("b")).refusals).toEqual(["DEREG_DENIED"]);
  });

  it("may be one that was replaced itself, if another is idle", () => {
    const domain = full({ a: 99, b: 98 });
    expect(result(domain, joins("new")).replaced).toEqual(["a"]);
    expect(result(domain, joins("a")).replaced).toEqual(["b"]);
  });

  it("that repeats its request gets the same again and replaces nobody more", () => {
    const domain = full({ a: 99, b: 98 });
    const join = joins("new");
    const [once, again] = domain.carryOut(NOW, join, join).outcomes;
    expect(again).toEqual(once);
    expect(result(domain, join)).toEqual({ refusals: ["granted"], replaced: [], members: ["b", "new"] });
  });
});

const token = (subjectHash: string): AuthEvidence => ({
  ...{ kind: "verified", namespace: "home", keyThumbprint: null, subjectHash },
});
const proof = { thumbprint: "its key", signedAt: 5, idempotencyKey: "jti" };

describe("nobody is replaced by a newcomer that is refused anyway", () => {
  const idle = { a: 99, b: 98 };

  it.each<[string, Partial<DomainSettings>, Partial<Parameters<typeof joins>[1]>, string]>([
    ["shows no token", { authenticationRequired: true }, {}, "DOM_AUTHENTICATION_REQUIRED"],
    ["signs nothing", { deviceKeyRequired: true }, {}, "DEVICE_KEY_REQUIRED"],
    ["is banned server-wide", {}, { bannedEverywhere: true }, "DEVICE_BANNED"],
  ])("because it %s", (_, settings, more, error) => {
    expect(result(full(idle, settings), joins("new", more))).toEqual(refused(["a", "b"], error));
  });

  it("because it is banned", () => {
    const domain = full(idle);
    domain.carryOut(NOW, bans("new"));
    expect(result(domain, joins("new"))).toEqual(refused(["a", "b"], "DEVICE_BANNED"));
  });

  it("because its request was signed before it left", () => {
    const domain = full(idle);
    domain.carryOut(NOW, leaves("a"), joins("c", { proof, sealed: true }));
    domain.carryOut(NOW, leaves("c", { proof: { ...proof, signedAt: 9, idempotencyKey: "leave" } }), joins("d"));
    expect(result(domain, joins("c", { proof, sealed: true }))).toEqual(refused(["b", "d"], "DEVICE_PROOF_INVALID"));
  });

  it("because its subject has as many as it may, even if the one to go is the subject's", () => {
    const domain = full(idle, { maxMembershipPerSubject: 1, authenticationRequired: true });
    const state = { ...domain.state, leastRecent: ["b", "a"], subjectMembers: new Map([["s", 1]]) };
    const member = { ...domain.state.members.get("a"), subjectHash: "s" } as never;
    const members = new Map(state.members).set("a", member);
    const { outcomes, events } = decideBatch({ ...state, members }, [joins("new", { auth: token("s") })], NOW);
    expect(outcomes).toMatchObject([{ granted: false, refusal: { error: "DOM_LIMIT_REACHED" } }]);
    expect(events).toEqual([]);
    const other = decideBatch({ ...state, members }, [joins("new", { auth: token("other") })], NOW);
    expect(other.events[0]).toMatchObject({ type: "device-evicted", machineGuid: "a" });
  });
});

describe("a domain whose maximum was lowered below its count", () => {
  it("has as many members as its maximum after a newcomer, if enough are idle", () => {
    const domain = full({ a: 35, b: 90, c: 31, d: 2, e: 50 }, { maxMembership: 3 });
    expect(result(domain, joins("new"))).toEqual({
      ...{ refusals: ["granted"], replaced: ["b", "e", "a"], members: ["c", "d", "new"] },
    });
    expect(domain.state).toMatchObject({ memberCount: 3, keyVersion: 2 });
    expect(result(domain, joins("another")).replaced).toEqual(["c"]);
  });

  it("refuses a newcomer, and keeps everybody, if one too few is idle", () => {
    const domain = full({ a: 35, b: 90, c: 3, d: 2, e: 30 }, { maxMembership: 3 });
    expect(result(domain, joins("new"))).toEqual(refused(["a", "b", "c", "d", "e"]));
  });

  it.each([0, 1])("replaces at most as many for one newcomer as one commit holds, and %i more", (more) => {
    const members = Object.fromEntries(
      Array.from({ length: MAX_REPLACED + 5 + more }, (_, index) => [`m${index}`, 99]),
    );
    const { replaced } = result(full(members, { maxMembership: 6 }), joins("new"));
    expect(replaced).toHaveLength(more === 0 ? MAX_REPLACED : 0);
  });
});

describe("in one batch", () => {
  it("each newcomer replaces another, and those that joined in it are never replaced", () => {
    const domain = full({ a: 3, b: 2, c: 1 }, { minIdleDays: 0 });
    const { refusals, replaced, members } = result(domain, ...["p", "q", "r", "s"].map((guid) => joins(guid)));
    expect(refusals).toEqual(["granted", "granted", "granted", "DOM_LIMIT_REACHED"]);
    expect([replaced, members]).toEqual([
      ["a", "b", "c"],
      ["p", "q", "r"],
    ]);
    expect(domain.state.keyVersion).toBe(4);
  });

  it("a member that renewed before is not replaced, nor one that left", () => {
    const renewed = full({ a: 99, b: 98 });
    expect(result(renewed, joins("a"), joins("new")).replaced).toEqual(["b"]);
    expect(result(full({ a: 99 }), joins("a"), joins("new")).refusals).toEqual(["granted", "DOM_LIMIT_REACHED"]);
    const left = full({ a: 99, b: 98 });
    expect(result(left, leaves("a"), joins("p"), joins("q")).replaced).toEqual(["b"]);
    const back = full({ a: 99, b: 98 });
    expect(result(back, leaves("a"), joins("a"), joins("q"), joins("r")).replaced).toEqual(["b"]);
  });

  it("a member that was replaced before comes as a stranger", () => {
    const domain = full({ a: 99, b: 2 });
    expect(result(domain, joins("new"), joins("a"), evicts("b"), joins("a"))).toEqual({
      ...{ refusals: ["granted", "DOM_LIMIT_REACHED", "granted", "granted"], replaced: ["a"], members: ["a", "new"] },
    });
  });

  it("the settings count from their change on, also for those that make room first", () => {
    const domain = new DomainInMemory({ maxMembership: 3 }, idleFor({ a: 9, b: 8, c: 7 }));
    const { replaced } = result(domain, joins("p"), changes({ ...REPLACES, minIdleDays: 7 }), joins("q"), joins("r"));
    expect(replaced).toEqual(["a", "b"]);
    const lowered = full({ a: 99, b: 98, c: 97 }, { maxMembership: 9 });
    expect(result(lowered, leaves("a"), changes({ maxMembership: 1 }), joins("a")).replaced).toEqual(["b", "c"]);
  });

  it("what the owner removes counts, however many that are", () => {
    const auth: AuthEvidence = { kind: "verified", namespace: "home", keyThumbprint: null, subject: "me" };
    const guids = Array.from({ length: MAX_REPLACED + 50 }, (_, index) => `m${index}`);
    const days = Object.fromEntries(guids.map((guid, index) => [guid, 900 - index]));
    const owned = { authenticationRequired: true, authNamespace: "home", ownerSubject: "me" };
    const removal: Command = { type: "remove", requestId: "removal", machineGuids: guids.slice(0, 60), auth };
    const { replaced } = result(full(days, { ...owned, maxMembership: 5 }), removal, joins("new", { auth }));
    expect(replaced).toEqual(guids.slice(60, -4));
  });

  it("a command that is set aside replaces nobody", () => {
    const state = { ...full({ a: 99, b: 98 }).state, leastRecent: ["b", "a"] };
    const isOfFirst = ({ events }: { events: readonly { type: string }[] }) =>
      !events.some((event) => "keyVersion" in event && event.keyVersion === 3);
    const { outcomes, events } = decideBatch(state, [joins("p"), joins("q")], NOW, isOfFirst);
    expect(outcomes[1]).toBeNull();
    expect(events.filter(({ type }) => type === "device-evicted")).toHaveLength(1);
  });
});
