import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Command } from "../../src/domain/commands.ts";
import { decideBatch } from "../../src/domain/decide.ts";
import { canonicalJson, changesOf } from "../../src/domain/log-entry.ts";
import { replayed, stateAfterCut } from "../../src/domain/log-replay.ts";
import { type DomainEvent, type DomainState, NEWBORN } from "../../src/domain/types.ts";

describe("canonical JSON", () => {
  it("is that of the example in RFC 8785, section 3.2.2", () => {
    const value = JSON.parse(String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`);
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        String.raw`"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });

  it("has members in the order of the example in RFC 8785, section 3.2.3: by UTF-16 code units", () => {
    const value = {
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis",
    };
    expect(Object.values(JSON.parse(canonicalJson(Object.fromEntries(Object.entries(value).toReversed()))))).toEqual([
      // Who parses it puts "1" first, whatever the order of the text.
      "One",
      "Carriage Return",
      "Control",
      "Latin Small Letter O With Diaeresis",
      "Euro Sign",
      "Emoji: Grinning Face",
      "Hebrew Letter Dalet With Dagesh",
    ]);
    expect(canonicalJson(value)).toMatch(/^\{"\\r":"Carriage Return","1":"One",/);
  });

  it("is the same for the same value, in whatever order its members come, and parses to it", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(reversed(value))).toBe(text);
        expect(canonicalJson(JSON.parse(text))).toBe(text);
      }),
    );
  });

  it("leaves out what is undefined, as JSON does", () => {
    expect(canonicalJson({ b: undefined, a: { c: undefined } })).toBe('{"a":{}}');
  });
});

describe("the changes of a log entry", () => {
  const guid = "6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77";
  const byDevice = { machineGuid: guid, requestId: "r" };
  const events: DomainEvent[] = [
    { type: "domain-created" },
    { type: "device-joined", ...byDevice, deviceKeyThumbprint: "t", signedAt: 1, sealedName: "a sealed name" },
    { type: "device-named", ...byDevice, sealedName: "a sealed name", by: "owner" },
    { type: "device-key-bound", ...byDevice, deviceKeyThumbprint: "t", signedAt: 1 },
    { type: "request-used", ...byDevice },
    { type: "device-left", ...byDevice, signedAt: 1 },
    { type: "device-evicted", machineGuid: guid, requestId: "r", by: "ada" },
    { type: "device-banned", machineGuid: guid, deviceKeyThumbprint: null, reason: "x", requestId: "r", by: "ada" },
    { type: "device-unbanned", machineGuid: guid, requestId: "r", by: "ada" },
    { type: "key-made", keyVersion: 1 },
  ];

  it("name devices by their ids, and hold neither machine GUIDs nor what has a table of its own", () => {
    const changes = changesOf(events, (machineGuid) => `id of ${machineGuid.slice(0, 2)}`, new Map([[1, "kid-1"]]));
    expect(changes.map(({ type }) => type)).toEqual(events.map(({ type }) => type));
    const named = changes.filter(({ deviceId }) => deviceId === "id of 6f");
    expect(named).toHaveLength(8);
    expect(JSON.stringify(changes)).not.toMatch(/6f1c7a52|machineGuid|idempotencyKey|signedAt|sealed/);
  });
});

describe("a log that is replayed", () => {
  const guid = fc.constantFrom("a", "b", "c");
  const requests = { by: "ada" };
  const owner = { kind: "verified", namespace: "studio", keyThumbprint: null, subject: "alice" } as const;
  const device = { auth: owner, proof: null } as const;
  const owned = { authenticationRequired: true, authNamespace: "studio", ownerSubject: "alice" };
  const asked = fc.oneof(
    guid.map((machineGuid) => ({ type: "register", machineGuid, afterKeyVersion: 0, sealed: false, ...device })),
    guid.map((machineGuid) => ({ type: "deregister", machineGuid, preview: false, idempotencyKey: null, ...device })),
    guid.map((machineGuid) => ({ type: "evict", machineGuid, ...requests })),
    guid.map((machineGuid) => ({ type: "ban", machineGuid, reason: "x", ...requests })),
    guid.map((machineGuid) => ({ type: "unban", machineGuid, ...requests })),
    guid.map((machineGuid) => ({ type: "rename", machineGuid, sealedName: "x", auth: owner })),
    fc.array(guid, { maxLength: 3 }).map((machineGuids) => ({ type: "remove", machineGuids, auth: owner })),
    fc.nat(3).map((upTo) => ({ type: "retire", upTo, ...requests })),
    fc.constantFrom("now", "next-registration").map((when) => ({ type: "rollover", when, ...requests })),
    fc
      .option(fc.nat(3), { nil: null })
      .map((maxMembership) => ({ type: "settings", mode: "replace", patch: { ...owned, maxMembership }, ...requests })),
  );
  // Some are repeats of another: the same request id.
  const command = fc
    .tuple(asked, fc.oneof(fc.uuid(), fc.constantFrom("r", "s")))
    .map(([rest, requestId]) => ({ ...rest, requestId })) as fc.Arbitrary<Command>;

  it("comes to the state of the domain, whatever happened to it and in whatever batches", () => {
    fc.assert(
      fc.property(fc.array(fc.array(command, { maxLength: 6 }), { maxLength: 8 }), (batches) => {
        let state: DomainState = NEWBORN;
        let told = stateAfterCut(null);
        for (const commands of batches) {
          const decision = decideBatch(state, commands, 0);
          state = decision.state;
          told = replayed(told, { changes: changesOf(decision.events, (machineGuid) => machineGuid, new Map()) });
        }
        const { settings, keyVersion, retiredUpTo, keyRolloverRequired, memberCount } = state;
        expect(told).toEqual({ settings, keyVersion, retiredUpTo, keyRolloverRequired, memberCount });
        for (const banned of state.bans.keys()) expect(state.members.has(banned)).toBe(false);
      }),
    );
  });
});

/** The same value with the members of every object in the opposite order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, member]) => [name, reversed(member)]),
  );
}
