import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Command } from "../../src/domain/commands.ts";
import { MAX_REPLACED } from "../../src/domain/replacement.ts";
import { type AuthEvidence, DEFAULT_SETTINGS, type DomainEvent, type DomainState } from "../../src/domain/types.ts";
import { bans, changes, DomainInMemory, evicts, joins, leaves } from "../support/node/domain-in-memory.ts";

const TODAY = 20_000;
const NOW = TODAY * 86_400_000;

/** The owner's token: it may do everything. */
const owner: AuthEvidence = {
  ...{ kind: "verified", namespace: "home", keyThumbprint: null, subject: "me", subjectHash: "me" },
};
/** The owner's token that names a maximum. */
const tokenOf = (claimedMaximum: number): AuthEvidence => ({
  ...{ ...owner, ownDomain: { name: "", settings: DEFAULT_SETTINGS, claimedMaximum } },
});

const members = fc.uniqueArray(fc.tuple(fc.constantFrom(..."abcdefgh"), fc.nat(5)), { selector: ([guid]) => guid });
const settings = fc.record({
  maxMembership: fc.option(fc.nat(6), { nil: null, freq: 9 }),
  whenFull: fc.constantFrom("replace-least-recent" as const, "replace-least-recent" as const, "refuse" as const),
  minIdleDays: fc.nat(3),
});
const guid = fc.constantFrom(..."abcdefghijkl");

let ids = 0;
const requestId = () => `property ${++ids}`;
const proof = (thumbprint: string) => ({ thumbprint, signedAt: 0, idempotencyKey: requestId() });

const anyCommand: fc.Arbitrary<() => Command> = fc.oneof(
  { weight: 6, arbitrary: guid.map((each) => () => joins(each, { auth: owner })) },
  { weight: 2, arbitrary: guid.map((each) => () => joins(each, { auth: owner, proof: proof(each) })) },
  fc.tuple(guid, fc.nat(6)).map(
    ([each, maximum]) =>
      () =>
        joins(each, { auth: tokenOf(maximum) }),
  ),
  guid.map((each) => () => leaves(each, { auth: owner })),
  guid.map((each) => () => evicts(each)),
  guid.map((each) => () => bans(each)),
  settings.map((each) => () => changes(each)),
  fc
    .uniqueArray(guid, { maxLength: 4 })
    .map((machineGuids) => () => ({ type: "remove", requestId: requestId(), machineGuids, auth: owner }) as const),
);

/** A domain of the owner's, and commands; both the same each time they are made. */
const scenario = fc.record({ members, settings, commands: fc.array(anyCommand, { maxLength: 20 }) });
type Scenario = Readonly<{ members: [string, number][]; settings: object }>;

function domainOf({ members, settings }: Scenario, candidates?: () => number): DomainInMemory {
  const days = members.map(([each, idle]) => [each, TODAY - idle]);
  const owned = { authenticationRequired: true, authNamespace: "home", ownerSubject: "me" };
  return new DomainInMemory({ ...owned, ...settings }, Object.fromEntries(days), candidates);
}

/** The devices that left for newcomers. */
function replacedBy(events: readonly DomainEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === "device-evicted" && event.by === "whenFull" ? event.machineGuid : [],
  );
}

/** How many members last renewed more than so many days ago. */
const idleFor = ({ members }: DomainState, days: number) =>
  [...members.values()].filter(({ lastRenewedOn }) => lastRenewedOn < TODAY - days).length;

/** The maximum that counts for a command. */
function maximumFor({ settings }: DomainState, command: Command): number | null {
  const claimed = "auth" in command && command.auth.kind === "verified" && command.auth.ownDomain?.claimedMaximum;
  return typeof claimed === "number" ? claimed : settings.maxMembership;
}

describe("whatever is asked of a domain with whenFull", () => {
  it("a newcomer never makes it larger than its maximum, and takes the place of the least recent alone", () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const domain = domainOf(given);
        for (const make of given.commands) {
          const [before, command] = [domain.state, make()];
          const { events, outcomes } = domain.carryOut(NOW, command);
          const [after, replaced, maximum] = [domain.state, replacedBy(events), maximumFor(before, command)];
          expect(after.memberCount).toBe(after.members.size);
          const { whenFull, minIdleDays } = before.settings;
          const needed = maximum === null ? 0 : Math.max(0, before.memberCount + 1 - maximum);
          const isIdleEnough = whenFull !== "refuse" && idleFor(before, minIdleDays) >= needed;
          const newcomer = command.type === "register" && !before.members.has(command.machineGuid);
          if (after.memberCount > before.memberCount || replaced.length > 0) {
            expect(newcomer && after.memberCount <= (maximum ?? Number.POSITIVE_INFINITY)).toBe(true);
            expect(replaced).toHaveLength(needed);
            expect(needed === 0 || isIdleEnough).toBe(true);
          }
          const days = replaced.map((each) => before.members.get(each)?.lastRenewedOn as number);
          for (const day of days) expect(day).toBeLessThan(TODAY - minIdleDays);
          const kept = [...before.members].filter(([each]) => !replaced.includes(each));
          for (const [, { lastRenewedOn }] of kept) expect(lastRenewedOn).toBeGreaterThanOrEqual(Math.max(0, ...days));
          const outcome = outcomes[0];
          const isRefused = outcome?.granted === false && outcome.refusal.error === "DOM_LIMIT_REACHED";
          if (newcomer && !before.bans.has(command.machineGuid)) {
            expect(isRefused).toBe(needed > 0 && !(isIdleEnough && needed <= MAX_REPLACED));
          }
          if (replaced.length > 0)
            expect(after).toMatchObject({ keyVersion: before.keyVersion + 1, keyRolloverRequired: false });
        }
      }),
      { numRuns: 400 },
    );
  });

  it("one batch decides the same as one command after the other", () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const commands = given.commands.map((make) => make());
        const [together, apart] = [domainOf(given), domainOf(given)];
        const batch = together.carryOut(NOW, ...commands);
        const alone = commands.map((each) => apart.carryOut(NOW, each));
        expect(batch.outcomes).toEqual(alone.flatMap(({ outcomes }) => outcomes));
        expect(batch.events).toEqual(alone.flatMap(({ events }) => events));
        expect(new Set(together.state.members)).toEqual(new Set(apart.state.members));
      }),
      { numRuns: 400 },
    );
  });

  it("as many candidates are loaded as commands need, and none where none may be needed", () => {
    fc.assert(
      fc.property(scenario, (given) => {
        const commands = given.commands.map((make) => make());
        const [few, all] = [domainOf(given), domainOf(given, () => Number.POSITIVE_INFINITY)];
        expect(few.carryOut(NOW, ...commands).events).toEqual(all.carryOut(NOW, ...commands).events);
      }),
      { numRuns: 400 },
    );
  });
});
