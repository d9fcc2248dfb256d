import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AnyOutcome, Command } from "../../src/domain/commands.ts";
import { decideBatch } from "../../src/domain/decide.ts";
import type { Registration, RegistrationGrant } from "../../src/domain/registration.ts";
import { type AuthEvidence, type DomainState, NEWBORN } from "../../src/domain/types.ts";
import { MAX_CREDENTIALS } from "../../src/protocol/limits.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const anonymous = { kind: "none" } as const;

let requests = 0;
const newRequestId = () => `request ${++requests}`;

const join = (machineGuid: string, afterKeyVersion = 0): Registration => ({
  type: "register",
  requestId: newRequestId(),
  machineGuid,
  auth: anonymous,
  afterKeyVersion,
  maxCredentials: MAX_CREDENTIALS,
  proof: null,
  sealed: false,
});
const leave = (machineGuid: string, preview = false): Command => ({
  type: "deregister",
  requestId: newRequestId(),
  machineGuid,
  auth: anonymous,
  preview,
  proof: null,
  idempotencyKey: null,
});
const configure = (patch: object): Command => ({
  type: "settings",
  requestId: newRequestId(),
  by: "op",
  mode: "replace",
  patch,
});

const byOperator = (type: "evict" | "ban" | "unban", machineGuid: string): Command => ({
  type,
  requestId: newRequestId(),
  machineGuid,
  reason: "stolen",
  by: "op",
});

const events = (state: DomainState, ...commands: Command[]) =>
  decideBatch(state, commands, NOW).events.map((event) => event.type);

describe("a batch of commands", () => {
  it("makes one commit of a join, a leave and another join, and two keys", () => {
    const decision = decideBatch(NEWBORN, [join("a"), leave("a"), join("b")], NOW);
    expect(decision.events.map((event) => event.type)).toEqual([
      "domain-created",
      "device-joined",
      "key-made",
      "device-left",
      "device-joined",
      "key-made",
    ]);
    expect(decision.state).toMatchObject({ revision: 1, keyVersion: 2, memberCount: 1, keyRolloverRequired: false });
    expect(decision.outcomes.map(grantOf)).toEqual([
      { newMember: true, credentialsAfter: 0, keyVersion: 1 },
      { deregistered: true },
      { newMember: true, credentialsAfter: 0, keyVersion: 2 },
    ]);
  });

  it("changes nothing with previews, renewals and refusals", () => {
    const { state } = decideBatch(NEWBORN, [configure({ maxMembership: 1 }), join("a")], NOW);
    const quiet = [leave("a", true), join("a"), join("b"), leave("b"), configure({ maxMembership: 1 })];
    const decision = decideBatch(state, quiet, NOW);
    expect(decision.events).toEqual([]);
    expect(decision.state).toEqual(state);
  });

  it("leaves the state it was given untouched", () => {
    const { state } = decideBatch(NEWBORN, [join("a")], NOW);
    const before = structuredClone(state);
    decideBatch(state, [join("b"), leave("a")], NOW);
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
    const left = leave("a");
    const { state } = decideBatch(NEWBORN, [join("a"), left, join("a")], NOW);
    const decision = decideBatch(state, [left], NOW);
    expect(decision.outcomes).toEqual([{ granted: true, grant: { deregistered: true } }]);
    expect(decision.events).toEqual([]);
  });
});

describe("authentication", () => {
  const { state } = decideBatch(NEWBORN, [configure({ authenticationRequired: true, authNamespace: "a" })], NOW);
  const outcome = (auth: AuthEvidence) => decideBatch(state, [{ ...join("x"), auth }], NOW).outcomes[0];

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

const guid = fc.constantFrom("a", "b", "c", "d");
const proof = fc.record({
  thumbprint: fc.constantFrom("one key", "another"),
  signedAt: fc.nat(3),
  idempotencyKey: fc.constantFrom("k1", "k2", "k3"),
});

/** A command of a request of its own. */
const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  guid.map((each) => join(each)),
  fc.tuple(guid, proof, fc.boolean()).map(([each, proof, sealed]) => ({ ...join(each), proof, sealed })),
  guid.map((each) => leave(each)),
  guid.map((each) => leave(each, true)),
  fc
    .tuple(guid, fc.option(proof, { nil: null }), fc.constantFrom("k1", "k2", "k3"))
    .map(([each, proof, idempotencyKey]) => ({ ...leave(each), proof, idempotencyKey }) as Command),
  fc.record({ maxMembership: fc.option(fc.nat(4), { nil: null }) }).map(configure),
  fc.nat(4).map((upTo) => ({ type: "retire", requestId: newRequestId(), by: "op", upTo }) as const),
  fc
    .constantFrom("now" as const, "next-registration" as const)
    .map((when) => ({ type: "rollover", requestId: newRequestId(), by: "op", when }) as const),
  guid.map((each) => byOperator("evict", each)),
  guid.map((each) => byOperator("ban", each)),
  guid.map((each) => byOperator("unban", each)),
);

describe("any batch of commands", () => {
  it("decides the same in one batch as one by one", () => {
    fc.assert(
      fc.property(fc.array(anyCommand, { maxLength: 30 }), (commands) => {
        const together = decideBatch(NEWBORN, commands, NOW);
        let state: DomainState = NEWBORN;
        const outcomes = commands.flatMap((each) => {
          const decision = decideBatch(state, [each], NOW);
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
      fc.property(fc.array(anyCommand, { maxLength: 30 }), (commands) => {
        let state: DomainState = NEWBORN;
        for (const each of commands) {
          const before = state;
          state = decideBatch(state, [each], NOW).state;
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

describe("any batch with a command twice", () => {
  /** Commands, one of them, and where it comes a second time: at once, or after others. */
  const repeated = fc
    .tuple(fc.array(anyCommand, { minLength: 1, maxLength: 30 }), fc.nat(), fc.nat())
    .map(([commands, which, later]) => {
      const first = which % commands.length;
      return { commands, first, second: first + 1 + (later % (commands.length - first)) };
    });

  it("does at once, and answers, the same as if it came once", () => {
    fc.assert(
      fc.property(repeated, ({ commands, first }) => {
        const once = decideBatch(NEWBORN, commands, NOW);
        const twice = decideBatch(NEWBORN, commands.toSpliced(first, 0, commands[first] as Command), NOW);
        expect(twice.state).toEqual(once.state);
        expect(twice.events).toEqual(once.events);
        expect(twice.outcomes).toEqual(once.outcomes.toSpliced(first, 0, once.outcomes[first] as null));
      }),
    );
  });

  it("does nothing the second time, whatever was done in between, if it did something the first time", () => {
    fc.assert(
      fc.property(repeated, ({ commands, first, second }) => {
        const command = commands[first] as Command;
        const before = decideBatch(NEWBORN, commands.slice(0, first), NOW).state;
        fc.pre(decideBatch(before, [command], NOW).events.length > 0);
        const once = decideBatch(NEWBORN, commands, NOW);
        const twice = decideBatch(NEWBORN, commands.toSpliced(second, 0, command), NOW);
        expect(twice.state).toEqual(once.state);
        expect(twice.events).toEqual(once.events);
        expect(twice.outcomes.toSpliced(second, 1)).toEqual(once.outcomes);

        const [answer, again] = [twice.outcomes[first], twice.outcomes[second]];
        const { members, retiredUpTo } = decideBatch(NEWBORN, commands.slice(0, second), NOW).state;
        if (command.type !== "register") expect(again).toEqual(answer);
        // The device was removed meanwhile: it is not brought back, but has to ask anew.
        else if (!members.has(command.machineGuid)) {
          expect(again).toMatchObject({ granted: false, refusal: { error: "TEMPORARILY_UNAVAILABLE" } });
        } else {
          const { newMember, keyVersion } = grantOf(answer) as RegistrationGrant;
          // Keys that were retired meanwhile are handed out no more.
          expect(grantOf(again)).toEqual({ newMember, keyVersion, credentialsAfter: retiredUpTo });
        }
      }),
    );
  });

  it("is as if it came the second time alone, if it did nothing the first time", () => {
    fc.assert(
      fc.property(repeated, ({ commands, first, second }) => {
        const command = commands[first] as Command;
        const before = decideBatch(NEWBORN, commands.slice(0, first), NOW).state;
        fc.pre(decideBatch(before, [command], NOW).events.length === 0);
        const twice = commands.toSpliced(second, 0, command);
        const once = decideBatch(NEWBORN, twice.toSpliced(first, 1), NOW);
        const decision = decideBatch(NEWBORN, twice, NOW);
        expect(decision.state).toEqual(once.state);
        expect(decision.outcomes.toSpliced(first, 1)).toEqual(once.outcomes);
      }),
    );
  });

  it("across batches is the same as in one", () => {
    fc.assert(
      fc.property(repeated, fc.nat(), ({ commands, first, second }, cut) => {
        const all = commands.toSpliced(second, 0, commands[first] as Command);
        const at = cut % all.length;
        const together = decideBatch(NEWBORN, all, NOW);
        const head = decideBatch(NEWBORN, all.slice(0, at), NOW);
        const tail = decideBatch(head.state, all.slice(at), NOW);
        expect([...head.outcomes, ...tail.outcomes]).toEqual(together.outcomes);
        expect({ ...tail.state, revision: 0 }).toEqual({ ...together.state, revision: 0 });
      }),
    );
  });
});

function grantOf(outcome: AnyOutcome | null | undefined) {
  return outcome?.granted ? outcome.grant : null;
}
