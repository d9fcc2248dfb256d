import { describe, expect, it } from "vitest";
import killedHistory from "./killed-history.json" with { type: "json" };
import { checkLinearizability, type Operation } from "./linearizability.ts";
import { REFERENCE_STATES, stepsOf } from "./reference-domain.ts";
import type { ReferenceDomain } from "./reference-state.ts";
import type { Answer, Ask, Change } from "./requests.ts";

/** A register of one number, the smallest thing there is to be linearizable. */
const NUMBER = { initial: 0, nameOf: String };
const writes = (value: number, calledAt: number, answeredAt: number | null): Operation<number> => ({
  steps: [() => value],
  calledAt,
  answeredAt,
});
const reads = (value: number, calledAt: number, answeredAt: number): Operation<number> => ({
  steps: [(state) => (state === value ? state : null)],
  calledAt,
  answeredAt,
});

describe("a history of one number", () => {
  it.each<[string, Operation<number>[]]>([
    ["nothing at all", []],
    ["one after the other", [writes(1, 0, 1), reads(1, 2, 3), writes(2, 4, 5), reads(2, 6, 7)]],
    ["a read that overlaps a write and comes before it", [writes(1, 0, 5), reads(0, 1, 2)]],
    ["a read that overlaps a write and comes after it", [writes(1, 0, 5), reads(1, 1, 2)]],
    ["reads that see overlapping writes in turn", [writes(1, 0, 9), writes(2, 1, 8), reads(2, 2, 3), reads(1, 4, 5)]],
    ["a write that nobody answered and that happened late", [writes(1, 0, null), reads(0, 1, 2), reads(1, 3, 4)]],
    ["a write that nobody answered and that never happened", [writes(1, 0, null), reads(0, 1, 2), reads(0, 3, 4)]],
    [
      "two steps with another's in between",
      [{ steps: [() => 1, (state) => (state === 2 ? state : null)], calledAt: 0, answeredAt: 3 }, writes(2, 1, 2)],
    ],
  ])("is accepted: %s", (_, operations) => {
    expect(checkLinearizability(NUMBER, operations)).toEqual({
      linearizable: true,
      longest: operations.map((_, index) => index),
    });
  });

  it.each<[string, Operation<number>[]]>([
    ["a read of what was never written", [writes(1, 0, 1), reads(2, 2, 3)]],
    ["a read of what was there before a write was answered", [writes(1, 0, 1), reads(0, 2, 3)]],
    ["a write that is seen, and then unseen", [writes(1, 0, 9), reads(1, 1, 2), reads(0, 3, 4)]],
    ["a write that nobody answered, seen and unseen", [writes(1, 0, null), reads(1, 1, 2), reads(0, 3, 4)]],
    [
      "two steps in the wrong order",
      [
        {
          steps: [(state) => (state === 1 ? 2 : null), (state) => (state === 0 ? 1 : null)],
          calledAt: 0,
          answeredAt: 1,
        },
      ],
    ],
  ])("is refused: %s", (_, operations) => {
    expect(checkLinearizability(NUMBER, operations).linearizable).toBe(false);
  });

  it("is searched in no time though everything overlaps and nothing fits", () => {
    const crowd = Array.from({ length: 12 }, (_, index) => writes(index % 3, 0, 100));
    expect(checkLinearizability(NUMBER, [...crowd, reads(7, 0, 100)]).linearizable).toBe(false);
  });
});

type Line = readonly [calledAt: number, answeredAt: number | null, ask: Ask, answer: Answer | null];

const register = (device: number, afterKeyVersion: number | null = null): Change & { ask: "register" } => ({
  ask: "register",
  device,
  afterKeyVersion,
  newest: false,
  token: "none",
});
const leave = (device: number, more: { preview?: boolean; key?: number } = {}): Change => ({
  ask: "deregister",
  device,
  preview: more.preview ?? false,
  key: more.key ?? null,
  token: "none",
});
const again = (request: number, of: Change): Ask => ({ ask: "repeat", request, of });
const joined = (keyVersion: number, credentials: number[]): Answer => ({
  status: 201,
  newMember: true,
  keyVersion,
  credentials,
});
const renewed = (keyVersion: number, credentials: number[]): Answer => ({
  status: 200,
  newMember: false,
  keyVersion,
  credentials,
});
const refused = (status: number, error: string): Answer => ({ status, error });
const LEFT: Answer = { status: 200, deregistered: true };
const OVERVIEW = {
  authenticationRequired: false,
  authNamespace: null,
  maxMembership: null,
  deviceKeyRequired: false,
  rolloverIntervalSeconds: 0,
  retireAfterDays: null,
  maxMembershipPerSubject: null,
  ownerSubject: null,
  keyVersion: 0,
  retiredUpTo: 0,
  keyRolloverRequired: true,
  memberCount: 0,
};

const EVICTED = { ...OVERVIEW, keyVersion: 2, retiredUpTo: 1 };
const RETIRED = { ...OVERVIEW, keyVersion: 2, retiredUpTo: 1, keyRolloverRequired: false, memberCount: 1 };

const ROLLED_OVER = { ...OVERVIEW, keyRolloverRequired: false, memberCount: 1 };
const CREATED: Answer = { status: 201, overview: OVERVIEW };
const POSTPONING: Answer = { status: 201, overview: { ...OVERVIEW, rolloverIntervalSeconds: 60_000 } };
const DELETE: Change = { ask: "delete" };
const DELETED: Answer = { status: 200, deleted: true };
const QUOTA = { authenticationRequired: true, maxMembershipPerSubject: 1 };

/** Histories by hand. Each is right, and wrong with the answer of any one of its lines replaced as given. */
const HISTORIES: readonly (readonly [string, readonly Line[], readonly (readonly [line: number, wrong: Answer])[]])[] =
  [
    [
      "a join, a renewal, a leave, and a join that makes the next key",
      [
        [0, 1, register(1), joined(1, [1])],
        [2, 3, register(1, 1), renewed(1, [])],
        [4, 5, leave(1), LEFT],
        [6, 7, register(2, 0), joined(2, [1, 2])],
      ],
      [
        [0, renewed(1, [1])],
        [0, joined(2, [1, 2])],
        [1, renewed(1, [1])],
        [1, joined(1, [])],
        [2, refused(403, "DEREG_DENIED")],
        [2, { status: 200, deregistered: false }],
        [3, joined(1, [1])],
        [3, joined(2, [2])],
      ],
    ],
    [
      "a deletion, a domain of the same name that goes on above its keys, and the deletion of that",
      [
        [0, 1, register(1), joined(1, [1])],
        [2, 3, DELETE, DELETED],
        [4, 5, { ask: "overview" }, refused(404, "DOMAIN_NOT_FOUND")],
        [6, 7, register(2), joined(2, [2])],
        [8, 9, { ask: "keys", before: null }, { status: 200, keys: { versions: [2], current: 2 } }],
        [10, 11, { ask: "key", version: 1 }, refused(404, "NOT_FOUND")],
        [12, 13, { ask: "history", keyVersion: 1, before: null }, refused(404, "NOT_FOUND")],
        [14, 15, { ask: "members" }, { status: 200, members: [2] }],
        [16, 17, DELETE, DELETED],
        [18, 19, DELETE, refused(404, "DOMAIN_NOT_FOUND")],
      ],
      [
        [1, refused(404, "DOMAIN_NOT_FOUND")],
        [2, { status: 200, overview: { ...ROLLED_OVER, keyVersion: 1 } }],
        [3, joined(1, [1])],
        [3, joined(2, [1, 2])],
        [3, renewed(2, [2])],
        [4, { status: 200, keys: { versions: [1, 2], current: 2 } }],
        [5, { status: 200, keys: { versions: [1], current: 2 } }],
        [6, { status: 200, keyVersion: 1, credentials: [] }],
        [7, { status: 200, members: [1, 2] }],
        [9, DELETED],
      ],
    ],
    [
      "a deletion that is repeated under its id, after a domain of the same name came into being",
      [
        [0, 1, { ask: "replace-settings", settings: {} }, CREATED],
        [2, 3, again(0, DELETE), DELETED],
        [4, 5, register(1), joined(1, [1])],
        [6, 7, again(0, DELETE), DELETED],
        [8, 9, { ask: "members" }, { status: 200, members: [1] }],
        [10, 11, again(1, DELETE), DELETED],
        [12, 13, { ask: "members" }, refused(404, "DOMAIN_NOT_FOUND")],
      ],
      [
        [3, refused(404, "DOMAIN_NOT_FOUND")],
        [4, refused(404, "DOMAIN_NOT_FOUND")],
        [4, { status: 200, members: [] }],
        [6, { status: 200, members: [1] }],
      ],
    ],
    [
      "a change of settings whose domain is deleted before the server looks again",
      [
        [0, 1, { ask: "replace-settings", settings: {} }, CREATED],
        [2, 5, { ask: "merge-settings", settings: { maxMembership: 1 } }, refused(404, "DOMAIN_NOT_FOUND")],
        [3, 4, DELETE, DELETED],
      ],
      [
        [1, refused(404, "NOT_FOUND")],
        [2, refused(404, "DOMAIN_NOT_FOUND")],
      ],
    ],
    [
      "a quota of one for each token subject",
      [
        [0, 1, { ask: "replace-settings", settings: QUOTA }, { status: 201, overview: { ...OVERVIEW, ...QUOTA } }],
        [2, 3, { ...register(1), token: "studio" }, joined(1, [1])],
        [4, 5, { ...register(2), token: "studio" }, refused(409, "DOM_LIMIT_REACHED")],
        [6, 7, { ...register(2), token: "studio-guest" }, joined(1, [1])],
        [8, 9, { ...register(2), token: "studio" }, renewed(1, [1])],
        [10, 11, { ask: "evict", device: 1 }, { status: 200, evicted: true }],
        [12, 13, { ...register(3), token: "studio" }, joined(2, [1, 2])],
        [
          14,
          15,
          { ask: "merge-settings", settings: { authenticationRequired: false } },
          refused(400, "INVALID_REQUEST"),
        ],
      ],
      [
        [2, joined(1, [1])],
        [3, refused(409, "DOM_LIMIT_REACHED")],
        [4, refused(409, "DOM_LIMIT_REACHED")],
        [6, refused(409, "DOM_LIMIT_REACHED")],
        [7, { status: 200, overview: OVERVIEW }],
      ],
    ],
    [
      "two joins at once, and room for one",
      [
        [
          0,
          1,
          { ask: "replace-settings", settings: { maxMembership: 1 } },
          { status: 201, overview: { ...OVERVIEW, maxMembership: 1 } },
        ],
        [2, 5, register(1), refused(409, "DOM_LIMIT_REACHED")],
        [3, 4, register(2), joined(1, [1])],
        [6, 7, { ask: "members" }, { status: 200, members: [2] }],
      ],
      [
        [0, { status: 200, overview: { ...OVERVIEW, maxMembership: 1 } }],
        [0, { status: 201, overview: OVERVIEW }],
        [1, joined(1, [1])],
        [2, refused(409, "DOM_LIMIT_REACHED")],
        [3, { status: 200, members: [1] }],
        [3, { status: 200, members: [1, 2] }],
      ],
    ],
    [
      "a preview, a leave under a key, its repetition, another request under it, and the key of another device",
      [
        [0, 1, register(1), joined(1, [1])],
        [2, 3, leave(1, { preview: true, key: 1 }), { status: 200, deregistered: false }],
        [4, 5, leave(1, { key: 1 }), LEFT],
        [6, 7, leave(1, { key: 1 }), LEFT],
        [8, 9, leave(1, { preview: true, key: 1 }), refused(422, "IDEMPOTENCY_KEY_REUSED")],
        [10, 11, leave(2, { key: 1 }), refused(403, "DEREG_DENIED")],
        [12, 13, { ask: "keys", before: null }, { status: 200, keys: { versions: [1], current: null } }],
      ],
      [
        [1, LEFT],
        [3, refused(403, "DEREG_DENIED")],
        [4, LEFT],
        [5, { status: 200, keys: { versions: [1], current: 1 } }],
        [5, { status: 200, keys: { versions: [1, 2], current: 2 } }],
      ],
    ],
    [
      "a leave that is sent twice at once under its id, and again after the device is back",
      [
        [0, 1, register(1), joined(1, [1])],
        [2, 4, again(0, leave(1)), LEFT],
        [3, 5, again(0, leave(1)), LEFT],
        [6, 7, register(1), joined(2, [1, 2])],
        [8, 9, again(0, leave(1)), LEFT],
        [10, 11, { ask: "members" }, { status: 200, members: [1] }],
      ],
      [
        [1, refused(403, "DEREG_DENIED")],
        [4, refused(403, "DEREG_DENIED")],
        [5, { status: 200, members: [] }],
      ],
    ],
    [
      "a join that is sent again under its id: while the device is in, and after it was removed",
      [
        [0, 1, again(0, register(1)), joined(1, [1])],
        [2, 3, { ask: "rollover", when: "now" }, { status: 200, overview: { ...RETIRED, retiredUpTo: 0 } }],
        [4, 5, again(0, register(1)), joined(1, [1])],
        [6, 7, { ask: "evict", device: 1 }, { status: 200, evicted: true }],
        [8, null, again(0, register(1)), null],
        [9, 10, { ask: "members" }, { status: 200, members: [] }],
        [11, 12, register(1), joined(3, [1, 2, 3])],
      ],
      [
        [2, renewed(2, [1, 2])],
        [2, renewed(1, [1])],
        [5, { status: 200, members: [1] }],
        [6, joined(2, [1, 2])],
      ],
    ],
    [
      "a ban that evicts, what it refuses, and its end",
      [
        [0, 1, register(1), joined(1, [1])],
        [2, 3, { ask: "ban", device: 1, reason: "lost" }, { status: 201, reason: "lost" }],
        [4, 5, register(1), refused(403, "DEVICE_BANNED")],
        [6, 9, { ask: "ban", device: 1, reason: "sold" }, refused(404, "NOT_FOUND")],
        [7, 8, { ask: "unban", device: 1 }, { status: 200, banned: false }],
        [10, 11, register(1), joined(2, [1, 2])],
      ],
      [
        [1, { status: 200, reason: "lost" }],
        [1, { status: 201, reason: "sold" }],
        [2, joined(2, [1, 2])],
        [4, refused(404, "NOT_FOUND")],
        [5, joined(1, [1])],
      ],
    ],
    [
      "keys that are retired",
      [
        [0, 1, register(1), joined(1, [1])],
        [2, 3, { ask: "retire", upTo: 1 }, refused(400, "INVALID_REQUEST")],
        [4, 5, leave(1), LEFT],
        [6, 7, register(1), joined(2, [1, 2])],
        [8, 9, { ask: "retire", upTo: 1 }, { status: 200, overview: RETIRED }],
        [10, 11, register(1), renewed(2, [2])],
        [12, 13, { ask: "keys", before: null }, { status: 200, keys: { versions: [1, 2], current: 2 } }],
      ],
      [
        [1, { status: 200, overview: { ...RETIRED, keyVersion: 1 } }],
        [4, refused(400, "INVALID_REQUEST")],
        [5, renewed(2, [1, 2])],
      ],
    ],
    [
      "an interval that postpones the rollover of a leave, and that of no eviction",
      [
        [0, 1, { ask: "replace-settings", settings: { rolloverIntervalSeconds: 60_000 } }, POSTPONING],
        [2, 3, register(1), joined(1, [1])],
        [4, 5, register(2), joined(1, [1])],
        [6, 7, leave(1), LEFT],
        [8, 9, { ask: "keys", before: null }, { status: 200, keys: { versions: [1], current: 1 } }],
        [10, 11, { ask: "due-rollover" }, { status: 200, keyVersion: 1 }],
        [12, 13, register(3), joined(1, [1])],
        [14, 15, { ask: "evict", device: 2 }, { status: 200, evicted: true }],
        [16, 17, { ask: "keys", before: null }, { status: 200, keys: { versions: [1], current: null } }],
        [18, 19, register(1), joined(2, [1, 2])],
      ],
      [
        [4, { status: 200, keys: { versions: [1], current: null } }],
        [5, { status: 200, keyVersion: 2 }],
        [6, joined(2, [1, 2])],
        [8, { status: 200, keys: { versions: [1], current: 1 } }],
        [9, joined(1, [1])],
      ],
    ],
    [
      "a due rollover that is sent again under its id after another device left",
      [
        [0, 1, register(1), joined(1, [1])],
        [2, 3, leave(1), LEFT],
        [4, 5, again(0, { ask: "due-rollover" }), { status: 200, keyVersion: 2 }],
        [6, 7, again(0, { ask: "due-rollover" }), { status: 200, keyVersion: 2 }],
        [8, 9, register(1), joined(2, [1, 2])],
        [10, 11, leave(1), LEFT],
        [12, 13, again(0, { ask: "due-rollover" }), { status: 200, keyVersion: 3 }],
        [14, 15, { ask: "keys", before: null }, { status: 200, keys: { versions: [1, 2, 3], current: 3 } }],
      ],
      [
        [3, { status: 200, keyVersion: 3 }],
        [6, { status: 200, keyVersion: 2 }],
        [7, { status: 200, keys: { versions: [1, 2], current: null } }],
      ],
    ],
    [
      "an interval that is taken back while a rollover is postponed, and one that comes when it is due",
      [
        [0, 1, { ask: "replace-settings", settings: { rolloverIntervalSeconds: 60_000 } }, POSTPONING],
        [2, 3, register(1), joined(1, [1])],
        [4, 5, leave(1), LEFT],
        [
          6,
          7,
          { ask: "merge-settings", settings: { rolloverIntervalSeconds: null } },
          { status: 200, overview: { ...OVERVIEW, keyVersion: 1 } },
        ],
        [
          8,
          9,
          { ask: "merge-settings", settings: { rolloverIntervalSeconds: 60_000 } },
          { status: 200, overview: { ...OVERVIEW, keyVersion: 1, rolloverIntervalSeconds: 60_000 } },
        ],
        [10, 11, { ask: "due-rollover" }, { status: 200, keyVersion: 2 }],
        [12, 13, { ask: "key", version: 2 }, { status: 200, keys: { versions: [2], current: 2 } }],
        [14, 15, { ask: "key", version: 3 }, refused(404, "NOT_FOUND")],
      ],
      [
        [3, { status: 200, overview: { ...OVERVIEW, keyVersion: 1, rolloverIntervalSeconds: 60_000 } }],
        [5, { status: 200, keyVersion: 1 }],
        [6, { status: 200, keys: { versions: [2], current: null } }],
      ],
    ],
    [
      "the newest credential alone, and the others from the history until they are retired",
      [
        [0, 1, register(1), joined(1, [1])],
        [2, 3, { ask: "rollover", when: "now" }, { status: 200, overview: { ...ROLLED_OVER, keyVersion: 2 } }],
        [4, 5, { ask: "rollover", when: "now" }, { status: 200, overview: { ...ROLLED_OVER, keyVersion: 3 } }],
        [6, 7, { ...register(2), newest: true }, { ...joined(3, [3]), older: { from: 1, to: 2 } }],
        [8, 9, { ...register(2, 1), newest: true }, { ...renewed(3, [3]), older: { from: 2, to: 2 } }],
        [10, 11, { ask: "history", keyVersion: 3, before: null }, { status: 200, keyVersion: 3, credentials: [1, 2] }],
        [12, 13, { ask: "history", keyVersion: 3, before: 2 }, { status: 200, keyVersion: 3, credentials: [1] }],
        [14, 15, { ask: "history", keyVersion: 2, before: 3 }, refused(400, "INVALID_REQUEST")],
        [16, 17, { ask: "history", keyVersion: 4, before: null }, refused(404, "NOT_FOUND")],
        [
          18,
          19,
          { ask: "retire", upTo: 1 },
          { status: 200, overview: { ...ROLLED_OVER, keyVersion: 3, memberCount: 2, retiredUpTo: 1 } },
        ],
        [20, 21, { ask: "history", keyVersion: 3, before: null }, { status: 200, keyVersion: 3, credentials: [2] }],
        [22, 23, { ...register(2), newest: true }, { ...renewed(3, [3]), older: { from: 2, to: 2 } }],
      ],
      [
        [3, joined(3, [3])],
        [3, joined(3, [1, 2, 3])],
        [4, renewed(3, [3])],
        [5, { status: 200, keyVersion: 3, credentials: [1, 2, 3] }],
        [5, { status: 200, keyVersion: 3, credentials: [2] }],
        [6, { status: 200, keyVersion: 3, credentials: [1, 2] }],
        [8, { status: 200, keyVersion: 4, credentials: [1, 2, 3] }],
        [10, { status: 200, keyVersion: 3, credentials: [1, 2] }],
        [11, { ...renewed(3, [3]), older: { from: 1, to: 2 } }],
      ],
    ],
    [
      "a leave whose answer was lost, which happened",
      [
        [0, 1, register(1), joined(1, [1])],
        [2, null, leave(1), null],
        [3, 4, leave(1, { preview: true }), { status: 200, deregistered: false }],
        [5, 6, register(1, 1), joined(2, [2])],
      ],
      [
        [2, LEFT],
        [3, joined(1, [])],
        [3, renewed(2, [2])],
      ],
    ],
    [
      "authentication that is asked for from some moment on",
      [
        [0, 1, register(1), joined(1, [1])],
        [
          2,
          7,
          { ask: "merge-settings", settings: { authenticationRequired: true, authNamespace: "studio" } },
          {
            status: 200,
            overview: {
              ...OVERVIEW,
              authenticationRequired: true,
              authNamespace: "studio",
              keyVersion: 1,
              keyRolloverRequired: false,
              memberCount: 1,
            },
          },
        ],
        [3, 4, register(1, 1), renewed(1, [])],
        [5, 6, register(2), refused(401, "DOM_AUTHENTICATION_REQUIRED")],
        [8, 9, { ...register(2), token: "arcade" } as Ask, refused(401, "DOM_AUTHENTICATION_REQUIRED")],
        [10, 11, { ...register(2), token: "studio" } as Ask, joined(1, [1])],
      ],
      [
        [2, joined(1, [])],
        [4, joined(1, [1])],
        [5, refused(401, "DOM_AUTHENTICATION_REQUIRED")],
      ],
    ],
  ];

function operationsOf(lines: readonly Line[]): Operation<ReferenceDomain>[] {
  return lines.map(([calledAt, answeredAt, ask, answer]) => ({ steps: stepsOf(ask, answer), calledAt, answeredAt }));
}

function verdict(lines: readonly Line[]) {
  return checkLinearizability(REFERENCE_STATES, operationsOf(lines)).linearizable;
}

describe.each(HISTORIES)("a history of a domain: %s", (_, lines, wrongs) => {
  it("is accepted", () => {
    expect(verdict(lines)).toBe(true);
  });

  it.each(wrongs)("is refused with another answer in line %i", (line, wrong) => {
    const changed = lines.map((each, index): Line => (index === line ? [each[0], each[1], each[2], wrong] : each));
    expect(verdict(changed)).toBe(false);
  });
});

describe("a domain with more keys than a response lists", () => {
  const growing = Array.from({ length: 103 }, (_, index): Line => {
    const overview = { ...OVERVIEW, keyRolloverRequired: false, keyVersion: index + 1 };
    return [2 * index + 2, 2 * index + 3, { ask: "rollover", when: "now" }, { status: 200, overview }];
  });
  const listing = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const verdictWith = (ask: Ask, answer: Answer) =>
    verdict([[0, 1, { ask: "replace-settings", settings: {} }, CREATED], ...growing, [210, 211, ask, answer]]);

  it.each<[Ask, Answer, Answer]>([
    [
      register(1),
      { ...joined(103, listing(4, 103)), older: { from: 1, to: 3 } },
      { ...joined(103, listing(3, 103)), older: { from: 1, to: 2 } },
    ],
    [
      { ask: "keys", before: null },
      { status: 200, keys: { versions: listing(4, 103), current: 103 }, older: { from: 1, to: 3 } },
      { status: 200, keys: { versions: listing(4, 103), current: 103 } },
    ],
    [
      { ask: "keys", before: 4 },
      { status: 200, keys: { versions: [1, 2, 3], current: 103 } },
      { status: 200, keys: { versions: [1, 2, 3, 4], current: 103 } },
    ],
    [
      { ask: "history", keyVersion: 103, before: null },
      { status: 200, keyVersion: 103, credentials: listing(3, 102), older: { from: 1, to: 2 } },
      { status: 200, keyVersion: 103, credentials: listing(4, 102), older: { from: 1, to: 3 } },
    ],
  ])("lists the newest hundred for %j", (ask, right, wrong) => {
    expect([verdictWith(ask, right), verdictWith(ask, wrong)]).toEqual([true, false]);
  });
});

describe("a renewal that the server repeated after its object was lost", () => {
  // It happens before the device is evicted, and says which keys are retired after that.
  const lines: readonly Line[] = [
    [0, 1, register(1), joined(1, [1])],
    [2, 3, leave(1), LEFT],
    [4, 5, register(1), joined(2, [1, 2])],
    [7, 8, { ask: "evict", device: 1 }, { status: 200, evicted: true }],
    [9, 10, { ask: "retire", upTo: 1 }, { status: 200, overview: EVICTED }],
  ];
  const withRenewal = (hasLosses: boolean, credentials: number[]) => {
    const steps = stepsOf(register(1), renewed(2, credentials), hasLosses);
    return checkLinearizability(REFERENCE_STATES, [...operationsOf(lines), { steps, calledAt: 6, answeredAt: 11 }]);
  };

  it("may say of a later moment which keys are retired, and only then", () => {
    expect(withRenewal(true, [2]).linearizable).toBe(true);
    expect(withRenewal(true, [1, 2]).linearizable).toBe(true);
    expect(withRenewal(true, [1]).linearizable).toBe(false);
    expect(withRenewal(false, [2]).linearizable).toBe(false);
    expect(withRenewal(false, [1, 2]).linearizable).toBe(true);
  });
});

describe("a due rollover that the server repeated after its object was lost", () => {
  // Both times one was due: after the leave, and after the eviction.
  const lines: readonly Line[] = [
    [0, 1, register(1), joined(1, [1])],
    [2, 3, register(2), joined(1, [1])],
    [4, 5, leave(1), LEFT],
    [7, 8, { ask: "evict", device: 2 }, { status: 200, evicted: true }],
    [10, 11, register(1), joined(3, [1, 2, 3])],
  ];
  const withRollover = (hasLosses: boolean, keyVersion: number) => {
    const steps = stepsOf({ ask: "due-rollover" }, { status: 200, keyVersion }, hasLosses);
    return checkLinearizability(REFERENCE_STATES, [...operationsOf(lines), { steps, calledAt: 6, answeredAt: 9 }]);
  };

  it("may have been carried out twice, and only then", () => {
    expect(withRollover(true, 3).linearizable).toBe(true);
    expect(withRollover(false, 3).linearizable).toBe(false);
    expect(withRollover(false, 2).linearizable).toBe(true);
    expect(withRollover(true, 4).linearizable).toBe(false);
  });
});

describe("a history of which a kill took the first eight answers", () => {
  // Each may have happened at any time or never: without a thought for that, the search comes to no end.
  it("is accepted", () => {
    const operations = killedHistory.map(({ ask, answer, calledAt, answeredAt }) => ({
      steps: stepsOf(ask as Ask, answer as Answer | null),
      calledAt,
      answeredAt,
    }));
    expect(operations.filter(({ answeredAt }) => answeredAt === null)).toHaveLength(8);
    expect(checkLinearizability(REFERENCE_STATES, operations).linearizable).toBe(true);
  });
});
