import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Command } from "../../src/domain/commands.ts";
import { decideBatch } from "../../src/domain/decide.ts";
import { currentKeyVersion } from "../../src/domain/rollover.ts";
import { type DomainEvent, type DomainState, NEWBORN } from "../../src/domain/types.ts";
import { MAX_CREDENTIALS } from "../../src/protocol/limits.ts";

const START = Date.parse("2026-01-01T00:00:00Z");
const SECOND = 1000;

let requests = 0;
const requestId = () => `request ${++requests}`;
const byOperator = () => ({ requestId: requestId(), by: "op" });

const join = (machineGuid: string): Command => ({
  ...{ type: "register", requestId: requestId(), machineGuid, auth: { kind: "none" }, afterKeyVersion: 0 },
  ...{ maxCredentials: MAX_CREDENTIALS, proof: null, sealed: false },
});
const leave = (machineGuid: string): Command => ({
  ...{ type: "deregister", requestId: requestId(), machineGuid, auth: { kind: "none" } },
  ...{ preview: false, proof: null, idempotencyKey: null },
});
const evict = (machineGuid: string): Command => ({ type: "evict", ...byOperator(), machineGuid });
const ban = (machineGuid: string): Command => ({ type: "ban", ...byOperator(), machineGuid, reason: "stolen" });
const rollOver = (when: "now" | "next-registration"): Command => ({ type: "rollover", ...byOperator(), when });
const rollOverIfDue = (): Command => ({ type: "due-rollover", requestId: requestId() });
const interval = (rolloverIntervalSeconds: number | null): Command => ({
  ...{ type: "settings", ...byOperator(), mode: "merge", patch: { rolloverIntervalSeconds } },
});
const create = (rolloverIntervalSeconds: number | null): Command => ({
  ...{ type: "settings", ...byOperator(), mode: "replace", patch: { rolloverIntervalSeconds } },
});

/** The state after commands, each at its time in seconds since the start. */
function after(state: DomainState, ...steps: readonly [seconds: number, command: Command][]): DomainState {
  return steps.reduce((each, [seconds, command]) => decideBatch(each, [command], at(seconds)).state, state);
}

const at = (seconds: number) => START + seconds * SECOND;

/** The version that is encrypted to at a time, and the version that a registration would get then. */
function versions(state: DomainState, seconds: number): [current: number | null, granted: number] {
  const { state: joined } = decideBatch(state, [join("newcomer")], at(seconds));
  return [currentKeyVersion(state, at(seconds)), joined.keyVersion];
}

/** A domain with an interval of 100 seconds and members a, b and c, whose first key was made at the start. */
const HUNDRED = after(NEWBORN, [0, create(100)], [0, join("a")], [0, join("b")], [0, join("c")]);

describe("a domain with a rollover interval", () => {
  it("makes its first key at once", () => {
    expect(versions(after(NEWBORN, [0, create(31_536_000)]), 0)).toEqual([null, 1]);
    expect(versions(HUNDRED, 0)).toEqual([1, 1]);
  });

  it("keeps the current key after a leave until the interval is over, to the millisecond", () => {
    const left = after(HUNDRED, [40, leave("a")]);
    expect(left).toMatchObject({ keyRolloverRequired: true, rolloverNotBefore: at(100) });
    for (const seconds of [40, 41, 99, 99.999]) expect(versions(left, seconds)).toEqual([1, 1]);
    for (const seconds of [100, 100.001, 1e6]) expect(versions(left, seconds)).toEqual([null, 2]);
  });

  it("rolls over at once after a leave that comes when the interval is over", () => {
    expect(versions(after(HUNDRED, [100, leave("a")]), 100)).toEqual([null, 2]);
    expect(versions(after(HUNDRED, [5000, leave("a")]), 5000)).toEqual([null, 2]);
  });

  it("counts the interval from when the key was made, by anyone", () => {
    for (const made of [join("d"), rollOverIfDue(), rollOver("now")]) {
      const rolled = after(HUNDRED, [40, leave("a")], [130, made]);
      expect(rolled).toMatchObject({ keyVersion: 2, keyMadeAt: at(130), keyRolloverRequired: false });
      const left = after(rolled, [140, leave("b")]);
      expect([versions(left, 229.999), versions(left, 230)]).toEqual([
        [2, 2],
        [null, 3],
      ]);
    }
  });

  it("makes one rollover of many leaves, which later ones do not put off", () => {
    const left = after(HUNDRED, [10, leave("a")], [90, leave("b")], [99, leave("c")]);
    expect(versions(left, 99.999)).toEqual([1, 1]);
    expect(versions(left, 100)).toEqual([null, 2]);
    expect(after(left, [100, join("a")], [100, join("b")]).keyVersion).toBe(2);
  });

  it("is not asked to wait by evictions, bans and operators", () => {
    for (const change of [evict("b"), ban("b"), rollOver("next-registration")]) {
      expect(versions(after(HUNDRED, [1, change]), 1)).toEqual([null, 2]);
      expect(versions(after(HUNDRED, [1, leave("a")], [2, change]), 2)).toEqual([null, 2]);
      // A leave that comes after it does not put it off either.
      expect(versions(after(HUNDRED, [1, change], [2, leave("a")]), 2)).toEqual([null, 2]);
    }
    expect(after(HUNDRED, [1, rollOver("now")])).toMatchObject({ keyVersion: 2, keyRolloverRequired: false });
    expect(versions(after(HUNDRED, [1, ban("a stranger")]), 1)).toEqual([1, 1]);
  });

  it("has what anybody may carry out wait as registrations do", () => {
    const left = after(HUNDRED, [40, leave("a")]);
    expect(after(left, [99.999, rollOverIfDue()])).toEqual(left);
    expect(after(left, [100, rollOverIfDue()])).toMatchObject({ keyVersion: 2, keyRolloverRequired: false });
  });

  it("is held to a shorter interval at once, and to a longer one from the next rollover on", () => {
    const left = after(HUNDRED, [40, leave("a")]);
    expect(versions(after(left, [41, interval(60)]), 59.999)).toEqual([1, 1]);
    expect(versions(after(left, [41, interval(60)]), 60)).toEqual([null, 2]);
    expect(versions(after(left, [41, interval(20)]), 41)).toEqual([null, 2]);
    expect(versions(after(left, [41, interval(0)]), 41)).toEqual([null, 2]);
    const longer = after(left, [41, interval(1000)]);
    expect([versions(longer, 99.999), versions(longer, 100)]).toEqual([
      [1, 1],
      [null, 2],
    ]);
    expect(versions(after(longer, [100, join("a")], [101, leave("b")]), 1099)).toEqual([2, 2]);
    // What does not wait is not put off by a setting.
    expect(versions(after(HUNDRED, [1, evict("a")], [2, interval(1000)]), 2)).toEqual([null, 2]);
  });
});

describe("a domain without an interval of its own", () => {
  const ofServer = (seconds: number) => ({ ...NEWBORN, defaultRolloverIntervalSeconds: seconds });

  it("has the server's, and the server's none by default", () => {
    const steps = [
      [0, join("a")],
      [0, join("b")],
      [1, leave("a")],
    ] satisfies [number, Command][];
    expect(versions(after(ofServer(50), ...steps), 49.999)).toEqual([1, 1]);
    expect(versions(after(ofServer(50), ...steps), 50)).toEqual([null, 2]);
    expect(versions(after(NEWBORN, ...steps), 1)).toEqual([null, 2]);
  });

  it("takes its own before the server's, none included, and the server's again for null", () => {
    const own = after(ofServer(50), [0, create(0)], [0, join("a")], [0, join("b")]);
    expect(versions(after(own, [1, leave("a")]), 1)).toEqual([null, 2]);
    expect(versions(after(own, [1, interval(null)], [2, leave("a")]), 2)).toEqual([1, 1]);
    expect(versions(after(own, [1, interval(70)], [2, leave("a")]), 69)).toEqual([1, 1]);
  });
});

const guid = fc.constantFrom("a", "b", "c", "d");
const byDevices = fc.oneof(guid.map(join), guid.map(leave), guid.map(join), fc.constant(null).map(rollOverIfDue));
const byOperators = fc.oneof(
  guid.map(evict),
  guid.map(ban),
  fc.constantFrom("now" as const, "next-registration" as const).map(rollOver),
);
/** Commands, each so many seconds after the one before. */
const stepsOf = (command: fc.Arbitrary<Command>) => fc.array(fc.tuple(fc.nat(60), command), { maxLength: 60 });

/** All events of commands at their times. */
function eventsOf(initial: DomainState, steps: readonly [number, Command][]) {
  let [state, seconds] = [initial, 0];
  const events: (DomainEvent & { seconds: number })[] = [];
  for (const [later, command] of steps) {
    seconds += later;
    const decision = decideBatch(state, [command], at(seconds));
    for (const event of decision.events) events.push({ ...event, seconds });
    state = decision.state;
  }
  return { events, state, seconds };
}

describe("whatever devices do when", () => {
  it("no two keys are made within the interval, and one is once it is over", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), stepsOf(byDevices), (seconds, steps) => {
        const { events, state, seconds: end } = eventsOf(after(NEWBORN, [0, create(seconds)]), steps);
        const made = events.filter(({ type }) => type === "key-made").map((event) => event.seconds);
        made.slice(1).forEach((time, index) => {
          expect(time - (made[index] as number)).toBeGreaterThanOrEqual(seconds);
        });
        // Whatever was left open then is carried out in the end.
        const last = made.at(-1) ?? 0;
        const leftSince = events.findLastIndex(({ type }) => type === "device-left");
        const madeSince = events.findLastIndex(({ type }) => type === "key-made");
        if (madeSince >= 0 && leftSince > madeSince) {
          expect(versions(state, Math.max(end, last + seconds))).toEqual([null, made.length + 1]);
        }
      }),
    );
  });

  it("an interval of zero is the reference: each registration after a departure makes a key", () => {
    fc.assert(
      fc.property(fc.boolean(), stepsOf(fc.oneof(byDevices, byOperators)), (explicit, steps) => {
        const initial = explicit ? after(NEWBORN, [0, create(0)]) : NEWBORN;
        // The reference, written out: a flag that departures and operators set, and that the next registration resets.
        let [required, version, seconds, state] = [true, 0, 0, initial];
        for (const [later, command] of steps) {
          seconds += later;
          const { events, outcomes, state: next } = decideBatch(state, [command], at(seconds));
          const granted = outcomes[0]?.granted === true;
          const departed = events.some(({ type }) => type === "device-left" || type === "device-evicted");
          const makes = command.type === "register" || command.type === "due-rollover" ? required : false;
          if (granted && (makes || (command.type === "rollover" && command.when === "now"))) {
            version += 1;
            required = false;
          }
          if (departed || (granted && command.type === "rollover" && command.when === "next-registration")) {
            required = true;
          }
          state = next;
          expect([state.keyVersion, state.keyRolloverRequired]).toEqual([version, required]);
          expect(currentKeyVersion(state, at(seconds))).toBe(required || version === 0 ? null : version);
        }
      }),
    );
  });
});
