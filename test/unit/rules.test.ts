import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Command, decideGroup } from "../../src/domain/decide.ts";
import type { Registration } from "../../src/domain/registration.ts";
import { type AuthEvidence, type DomainState, NEWBORN } from "../../src/domain/types.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const anonymous = { kind: "none" } as const;

const join = (machineGuid: string, afterKeyVersion = 0): Registration => ({
  type: "register",
  requestId: `join ${machineGuid}`,
  machineGuid,
  auth: anonymous,
  afterKeyVersion,
  proof: null,
  sealed: false,
});
const leave = (machineGuid: string, preview = false): Command => ({
  type: "deregister",
  requestId: `leave ${machineGuid}`,
  machineGuid,
  auth: anonymous,
  preview,
  proof: null,
  requestKey: null,
});
const configure = (patch: object): Command => ({
  type: "settings",
  requestId: "set",
  by: "op",
  mode: "replace",
  patch,
});

const byOperator = (type: "evict" | "ban" | "unban", machineGuid: string): Command => ({
  type,
  requestId: `${type} ${machineGuid}`,
  machineGuid,
  reason: "stolen",
  by: "op",
});

const events = (state: DomainState, ...commands: Command[]) =>
  decideGroup(state, commands, NOW).events.map((event) => event.type);

describe("a group of commands", () => {
  it("makes one commit of a join, a leave and another join, and two keys", () => {
    const decision = decideGroup(NEWBORN, [join("a"), leave("a"), join("b")], NOW);
    expect(decision.events.map((event) => event.type)).toEqual([
      "domain-created",
      "device-joined",
      "key-made",
      "device-left",
      "device-joined",
      "key-made",
    ]);
    expect(decision.state).toMatchObject({ revision: 1, keyVersion: 2, memberCount: 1, keyRolloverRequired: false });
    expect(decision.outcomes.map((outcome) => outcome.granted && outcome.grant)).toEqual([
      { newMember: true, credentialsAfter: 0, keyVersion: 1 },
      { deregistered: true },
      { newMember: true, credentialsAfter: 0, keyVersion: 2 },
    ]);
  });

  it("changes nothing with previews, renewals and refusals", () => {
    const { state } = decideGroup(NEWBORN, [configure({ maxMembership: 1 }), join("a")], NOW);
    const quiet = [leave("a", true), join("a"), join("b"), leave("b"), configure({ maxMembership: 1 })];
    const decision = decideGroup(state, quiet, NOW);
    expect(decision.events).toEqual([]);
    expect(decision.state).toEqual(state);
  });

  it("leaves the state it was given untouched", () => {
    const { state } = decideGroup(NEWBORN, [join("a")], NOW);
    const before = structuredClone(state);
    decideGroup(state, [join("b"), leave("a")], NOW);
    expect(state).toEqual(before);
  });

  it("creates a domain for a registration or a replacement of settings, never for anything else", () => {
    expect(events(NEWBORN, leave("a"))).toEqual([]);
    expect(events(NEWBORN, leave("a", true))).toEqual([]);
    expect(events(NEWBORN, { type: "settings", requestId: "merge", by: "op", mode: "merge", patch: {} })).toEqual([]);
    expect(events(NEWBORN, configure({}))).toEqual(["domain-created"]);
    expect(events(NEWBORN, join("a"))[0]).toBe("domain-created");
  });

  it("answers a repeated leave as done, even of a device that came back since", () => {
    const { state } = decideGroup(NEWBORN, [join("a"), leave("a"), join("a")], NOW);
    const decision = decideGroup(state, [leave("a")], NOW, new Set(["leave a"]));
    expect(decision.outcomes).toEqual([{ granted: true, grant: { deregistered: true } }]);
    expect(decision.events).toEqual([]);
  });
});

describe("authentication", () => {
  const { state } = decideGroup(NEWBORN, [configure({ authenticationRequired: true, authNamespace: "a" })], NOW);
  const outcome = (auth: AuthEvidence) => decideGroup(state, [{ ...join("x"), auth }], NOW).outcomes[0];

  it.each([
    [{ kind: "none" }, "DOM_AUTHENTICATION_REQUIRED"],
    [{ kind: "invalid", reason: "expired" }, "DOM_AUTHENTICATION_REQUIRED"],
    [{ kind: "verified", namespace: "b", keyThumbprint: null }, "DOM_AUTHENTICATION_REQUIRED"],
    [{ kind: "unavailable", reason: "down" }, "TEMPORARILY_UNAVAILABLE"],
  ] as const)("refuses %j with %s", (auth, error) => {
    expect(outcome(auth)).toMatchObject({ granted: false, refusal: { error } });
  });

  it("grants a token of the namespace", () => {
    expect(outcome({ kind: "verified", namespace: "a", keyThumbprint: null })).toMatchObject({ granted: true });
  });

  it("compares namespaces to the letter", () => {
    expect(outcome({ kind: "verified", namespace: "A", keyThumbprint: null })).toMatchObject({ granted: false });
  });
});

describe("any group of commands", () => {
  const guid = fc.constantFrom("a", "b", "c", "d");
  const command: fc.Arbitrary<Command> = fc.oneof(
    guid.map((each) => join(each)),
    guid.map((each) => leave(each)),
    guid.map((each) => leave(each, true)),
    fc.record({ maxMembership: fc.option(fc.nat(4), { nil: null }) }).map(configure),
    fc.nat(4).map((upTo) => ({ type: "retire", requestId: "retire", by: "op", upTo }) as const),
    guid.map((each) => byOperator("evict", each)),
    guid.map((each) => byOperator("ban", each)),
    guid.map((each) => byOperator("unban", each)),
  );

  it("decides the same in one group as one by one", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        const together = decideGroup(NEWBORN, commands, NOW);
        let state: DomainState = NEWBORN;
        const outcomes = commands.flatMap((each) => {
          const decision = decideGroup(state, [each], NOW);
          state = decision.state;
          return decision.outcomes;
        });
        expect(outcomes).toEqual(together.outcomes);
        expect({ ...state, revision: 0 }).toEqual({ ...together.state, revision: 0 });
      }),
    );
  });

  it("keeps the count of members, and admits nobody beyond the maximum", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        let state: DomainState = NEWBORN;
        for (const each of commands) {
          const before = state;
          state = decideGroup(state, [each], NOW).state;
          expect(state.memberCount).toBe(state.members.size);
          const { maxMembership } = state.settings;
          if (state.memberCount > before.memberCount) {
            expect(state.memberCount).toBeLessThanOrEqual(maxMembership ?? Number.POSITIVE_INFINITY);
          }
          expect(state.keyVersion - before.keyVersion).toBeGreaterThanOrEqual(0);
          expect(state.keyVersion - before.keyVersion).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});
