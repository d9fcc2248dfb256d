import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogAudit } from "../../src/cli/log-audit.ts";
import type { Command } from "../../src/domain/commands.ts";
import { decideBatch } from "../../src/domain/decide.ts";
import { changesOf } from "../../src/domain/log-entry.ts";
import { replayed, stateAfterCut } from "../../src/domain/log-replay.ts";
import { currentKeyVersion } from "../../src/domain/rollover.ts";
import { type DomainState, NEWBORN } from "../../src/domain/types.ts";
import { MAX_CREDENTIALS } from "../../src/protocol/limits.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");

let requests = 0;
/** Of a request that no other command is of. */
const byOperator = () => ({ requestId: `request ${++requests}`, by: "op" });

const retire = (upTo: number): Command => ({ type: "retire", ...byOperator(), upTo });
const rollOver = (): Command => ({ type: "rollover", ...byOperator(), when: "now" });
const rollOverLater = (): Command => ({ type: "rollover", ...byOperator(), when: "next-registration" });
const join = (machineGuid: string, afterKeyVersion = 0): Command => ({
  ...{ type: "register", requestId: byOperator().requestId, machineGuid, auth: { kind: "none" }, afterKeyVersion },
  ...{ maxCredentials: MAX_CREDENTIALS, proof: null, sealed: false },
});
const leave = (machineGuid: string): Command => ({
  ...{ type: "deregister", requestId: byOperator().requestId, machineGuid, auth: { kind: "none" } },
  ...{ preview: false, proof: null, idempotencyKey: null },
});

const after = (state: DomainState, ...commands: Command[]) => decideBatch(state, commands, NOW).state;
const outcomeOf = (state: DomainState, command: Command) => decideBatch(state, [command], NOW).outcomes[0];

/** A domain at key version 3 with a member. */
const THREE = after(NEWBORN, join("member"), rollOver(), rollOver());

describe("retired keys", () => {
  it.each([
    [0, 0, 2],
    [1, 0, 2],
    [0, 1, 2],
    [2, 2, 2],
    [0, 2, 2],
    [2, 1, 2],
    [3, 2, 3],
    [9, 2, 9],
  ])("who holds %i gets, with %i retired before and then 2, what is above %i", (holds, first, above) => {
    const state = after(THREE, retire(first), retire(2));
    for (const guid of ["member", "newcomer"]) {
      expect(outcomeOf(state, join(guid, holds))).toEqual({
        granted: true,
        grant: { newMember: guid === "newcomer", credentialsAfter: above, keyVersion: 3 },
      });
    }
  });

  it("are on record with who retired them, and what was retired before", () => {
    const commands = [retire(2), retire(1), retire(1), retire(0)];
    const { events, outcomes } = decideBatch(THREE, commands, NOW);
    const [first, second, , fourth] = commands.map(({ requestId }) => ({ requestId, by: "op" }));
    expect(events).toEqual([
      { type: "keys-retired", upTo: 2, previous: 0, ...first },
      { type: "keys-retired", upTo: 1, previous: 2, ...second },
      { type: "keys-retired", upTo: 0, previous: 1, ...fourth },
    ]);
    expect(outcomes).toEqual([2, 1, 1, 0].map((retiredUpTo) => ({ granted: true, grant: { retiredUpTo } })));
  });

  it.each([3, 4, Number.MAX_SAFE_INTEGER])("are never the newest, nor any above: %i", (upTo) => {
    for (const state of [THREE, after(THREE, rollOverLater()), after(THREE, retire(1))]) {
      expect(outcomeOf(state, retire(upTo))).toMatchObject({
        granted: false,
        refusal: { error: "INVALID_REQUEST", fields: [{ field: "upTo" }] },
      });
      expect(after(state, retire(upTo))).toEqual(state);
    }
  });

  it("stay retired where a lower version is asked for that brings none back", () => {
    const byAge = (upTo: number): Command => ({ type: "retire", ...byOperator(), upTo, bringsNoneBack: true });
    for (const upTo of [0, 1]) {
      const decision = decideBatch(after(THREE, retire(2)), [byAge(upTo)], NOW);
      expect(decision).toMatchObject({ events: [], outcomes: [{ granted: true, grant: { retiredUpTo: 2 } }] });
    }
    expect(after(THREE, retire(1), byAge(2)).retiredUpTo).toBe(2);
    expect(outcomeOf(THREE, byAge(3))).toMatchObject({ refusal: { error: "INVALID_REQUEST" } });
    expect(outcomeOf(NEWBORN, byAge(0))).toMatchObject({ refusal: { error: "DOMAIN_NOT_FOUND" } });
  });

  it("are none in a domain without a key, and of no domain that does not exist", () => {
    const empty = after(NEWBORN, { type: "settings", ...byOperator(), mode: "replace", patch: {} });
    expect(outcomeOf(empty, retire(0))).toEqual({ granted: true, grant: { retiredUpTo: 0 } });
    expect(outcomeOf(empty, retire(1))).toMatchObject({ refusal: { error: "INVALID_REQUEST" } });
    for (const upTo of [0, 1]) {
      expect(outcomeOf(NEWBORN, retire(upTo))).toMatchObject({ refusal: { error: "DOMAIN_NOT_FOUND" } });
    }
  });

  it("are retired once by a request that is repeated, whatever was decided since", () => {
    const asked = retire(2);
    const state = after(THREE, asked, retire(1));
    const again = decideBatch(state, [asked], NOW);
    expect(again).toMatchObject({ events: [], outcomes: [{ granted: true, grant: { retiredUpTo: 2 } }] });
    expect(again.state.retiredUpTo).toBe(1);
  });
});

describe("whatever is retired when", () => {
  const guid = fc.constantFrom("a", "b", "c");
  const command: fc.Arbitrary<Command> = fc.oneof(
    fc.tuple(guid, fc.nat(6)).map(([machineGuid, afterKeyVersion]) => join(machineGuid, afterKeyVersion)),
    guid.map(leave),
    fc.constantFrom(rollOver, rollOverLater).map((newCommand) => newCommand()),
    fc.nat(6).map(retire),
    fc.nat(6).map(retire),
  );
  const commands = fc.array(command, { maxLength: 40 });

  it("the newest key is handed out, and a retired one is not", () => {
    fc.assert(
      fc.property(commands, (all) => {
        let state: DomainState = NEWBORN;
        // Told apart from the rules: which versions are retired, by what operators were granted.
        let retired = 0;
        for (const each of all) {
          const { outcomes, state: next } = decideBatch(state, [each], NOW);
          const [outcome] = outcomes;
          if (each.type === "retire" && outcome?.granted) retired = each.upTo;
          if (each.type === "register" && outcome?.granted && "credentialsAfter" in outcome.grant) {
            const { credentialsAfter, keyVersion } = outcome.grant;
            const versions = Array.from({ length: keyVersion }, (_, index) => index + 1);
            expect(versions.filter((version) => version > credentialsAfter)).toEqual(
              versions.filter((version) => version > each.afterKeyVersion && version > retired),
            );
            expect(keyVersion).toBeGreaterThan(retired);
          }
          state = next;
          expect(state.retiredUpTo).toBe(retired);
        }
      }),
    );
  });

  it("nothing else goes another way", () => {
    fc.assert(
      fc.property(commands, (all) => {
        const others = all.filter(({ type }) => type !== "retire");
        const [withThem, without] = [decideBatch(NEWBORN, all, NOW), decideBatch(NEWBORN, others, NOW)];
        const { records: _, ...state } = withThem.state;
        expect({ ...state, retiredUpTo: 0, records: without.state.records }).toEqual(without.state);
        expect(currentKeyVersion(withThem.state, NOW)).toBe(currentKeyVersion(without.state, NOW));
        expect(withThem.events.filter(({ type }) => type !== "keys-retired")).toEqual(without.events);
      }),
    );
  });

  it("the log leads to it", () => {
    fc.assert(
      fc.property(commands, (all) => {
        const { state, events } = decideBatch(NEWBORN, all, NOW);
        const { retiredUpTo, keyVersion, keyRolloverRequired, memberCount } = state;
        const changes = changesOf(events, (machineGuid) => machineGuid, new Map());
        expect(replayed(stateAfterCut(null), { changes })).toMatchObject({
          ...{ retiredUpTo, keyVersion, keyRolloverRequired, memberCount },
        });
      }),
    );
  });
});

describe("an audit of a log that was cut", () => {
  const { settings } = NEWBORN;
  const NO_ROWS = { members: new Map(), bans: new Map(), kids: new Map(), forgedEntries: [], differingTables: [] };
  const atTheCut = { settings, keyVersion: 3, keyRolloverRequired: false, memberCount: 0 };
  const problems = (state: object, retiredUpTo: number) => {
    const audit = new LogAudit({ revision: 7, hash: "hash", state } as ConstructorParameters<typeof LogAudit>[0]);
    audit.compare({ ...atTheCut, retiredUpTo, revision: 7, ...NO_ROWS });
    return audit.problems;
  };

  it("goes on from the keys that were retired there", () => {
    expect(problems({ ...atTheCut, retiredUpTo: 2 }, 2)).toEqual([]);
    expect(problems({ ...atTheCut, retiredUpTo: 2 }, 1)).toEqual([expect.stringContaining("retired")]);
  });

  it("takes it that none were where nothing is said of them", () => {
    expect(problems(atTheCut, 0)).toEqual([]);
    expect(problems(atTheCut, 1)).toEqual([expect.stringContaining("retired")]);
  });
});
