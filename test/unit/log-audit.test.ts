import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { banText, type DownloadedEntry, LogAudit } from "../../src/cli/log-audit.ts";
import { canonicalEntry, type LogChange } from "../../src/domain/log-entry.ts";
import { stateAfterCut } from "../../src/domain/log-replay.ts";
import { DEFAULT_SETTINGS } from "../../src/domain/types.ts";

const TAKEN_OVER: LogChange = {
  type: "domain-taken-over",
  settings: DEFAULT_SETTINGS,
  keyVersion: 3,
  retiredUpTo: 1,
  memberCount: 2,
};
const joined = (deviceId: string): LogChange => ({ type: "device-joined", requestId: "r", deviceId });
const left = (deviceId: string): LogChange => ({ type: "device-left", requestId: "r", deviceId });
const made = (keyVersion: number): LogChange => ({ type: "key-made", keyVersion, kid: `kid-${keyVersion}` });

/** The rest of a domain besides its state. */
const rows = (...deviceIds: string[]) => ({
  members: new Map(deviceIds.map((deviceId) => [deviceId, null])),
  bans: new Map<string, string>(),
  kids: new Map([[4, "kid-4"]]),
  forgedEntries: [] as number[],
  differingTables: [] as string[],
});

/** A log with one change in each entry; a take-over begins a chain of its own. */
function logFrom(revision: number, changes: readonly LogChange[]): DownloadedEntry[] {
  const entries: DownloadedEntry[] = [];
  for (const [index, change] of changes.entries()) {
    const previous = ["domain-taken-over", "domain-created"].includes(change.type)
      ? null
      : (entries.at(-1)?.hash ?? null);
    const committedAt = "2026-11-23T16:33:59.000Z";
    const entry = { domain: "den", revision: revision + index, committedAt, previous, changes: [change] };
    entries.push({ ...entry, hash: createHash("sha256").update(canonicalEntry(entry)).digest("base64url") });
  }
  return entries;
}

function audited(entries: readonly DownloadedEntry[]): LogAudit {
  const audit = new LogAudit(null);
  for (const entry of entries) audit.add(entry);
  return audit;
}

describe("a log that begins with a take-over", () => {
  const log = logFrom(8, [TAKEN_OVER, made(4), left("one"), joined("three")]);
  const present = {
    revision: 11,
    settings: DEFAULT_SETTINGS,
    keyVersion: 4,
    retiredUpTo: 1,
    keyRolloverRequired: true,
    memberCount: 2,
  };

  it("is whole: its members from before are known by number", () => {
    const audit = audited(log);
    audit.compare({ ...present, ...rows("two", "three") });
    expect(audit.problems).toEqual([]);
  });

  it("knows of no more members than it took over", () => {
    const audit = audited(log);
    audit.compare({ ...present, ...rows("two", "three", "four") });
    expect(audit.problems).toEqual([expect.stringContaining("2 members joined before the log begins")]);
  });

  it("leads on from the state it took over", () => {
    const audit = audited(log);
    audit.compare({ ...present, retiredUpTo: 0, ...rows("two", "three") });
    expect(audit.problems).toEqual([expect.stringContaining("retired up to 1")]);
  });

  it("does not hold an entry that was signed for before", () => {
    const audit = audited(log);
    audit.holdAgainst({ revision: 8, hash: log[0]?.hash ?? null });
    expect(audit.problems).toEqual([]);
    audit.holdAgainst({ revision: 7, hash: "signed" });
    expect(audit.problems).toEqual(["Entry 7 is missing, although a signed head names it."]);
  });

  it("is not whole without that entry", () => {
    expect(audited(log.slice(1)).problems).toContain("Entries 1 to 8 are missing.");
  });
});

describe("a take-over in the middle of a log", () => {
  it("is found, and the log is followed from there", () => {
    const audit = audited(logFrom(1, [joined("one"), made(1), TAKEN_OVER, made(4)]));
    expect(audit.problems).toEqual([expect.stringContaining("Entry 3 begins the log anew")]);
    audit.compare({
      revision: 4,
      settings: DEFAULT_SETTINGS,
      keyVersion: 4,
      retiredUpTo: 1,
      keyRolloverRequired: false,
      memberCount: 2,
      ...rows("one", "two"),
    });
    expect(audit.problems).toHaveLength(1);
  });
});

describe("the rows of a domain", () => {
  const changes: readonly LogChange[] = [
    { type: "domain-created" },
    { ...joined("tv"), deviceKeyThumbprint: "tv-key" },
    joined("phone"),
    { type: "device-key-bound", requestId: "r", deviceId: "phone", deviceKeyThumbprint: "phone-key" },
    made(1),
    { type: "device-banned", requestId: "r", by: "office", deviceId: "old", deviceKeyThumbprint: null, reason: "sold" },
    {
      type: "device-banned",
      requestId: "r",
      by: "office",
      deviceId: "lost",
      deviceKeyThumbprint: null,
      reason: "lost",
    },
    { type: "device-unbanned", requestId: "r", by: "office", deviceId: "lost" },
  ];
  const whole = {
    revision: 8,
    settings: DEFAULT_SETTINGS,
    keyVersion: 1,
    retiredUpTo: 0,
    keyRolloverRequired: false,
    memberCount: 2,
    members: new Map([
      ["tv", "tv-key"],
      ["phone", "phone-key"],
    ]),
    bans: new Map([["old", banText("sold", null)]]),
    kids: new Map([[1, "kid-1"]]),
    forgedEntries: [],
    differingTables: [],
  };

  const problems = (change: object) => {
    const audit = audited(logFrom(1, changes));
    audit.compare({ ...whole, ...change });
    return audit.problems;
  };

  it("are those that the log leads to", () => {
    expect(problems({})).toEqual([]);
  });

  it.each<[string, object, string]>([
    [
      "an unbound device key",
      { members: new Map([...whole.members, ["tv", null]]) },
      "Device tv has another device key",
    ],
    [
      "another device key",
      { members: new Map([...whole.members, ["phone", "x"]]) },
      "Device phone has another device key",
    ],
    ["a ban that is gone", { bans: new Map() }, "Ban old is in the log, and not in the domain."],
    ["a ban with another reason", { bans: new Map([["old", banText("x", null)]]) }, "Ban old is another"],
    ["a ban that nobody made", { bans: new Map([...whole.bans, ["tv", "x"]]) }, "Ban tv is in the domain, and not"],
    ["another key", { kids: new Map([[1, "kid-x"]]) }, "Key 1 is another than in the log."],
    ["a key that nobody made", { kids: new Map([...whole.kids, [2, "kid-2"]]) }, "Key 2 is in the domain, and not"],
    ["a forged entry", { forgedEntries: [5] }, "Entry 5 was not written by this server"],
    ["another table in the database", { differingTables: ["domain_bans"] }, "differs from the domain: domain_bans"],
  ])("are found to have %s", (_, change, problem) => {
    expect(problems(change)).toEqual([expect.stringContaining(problem)]);
  });
});

describe("a log that was cut", () => {
  it("cannot be held against a head from before, and the audit says what to do", () => {
    const cut = { revision: 7, hash: "hash-7", state: { ...stateAfterCut(null), memberCount: 1 } };
    const audit = new LogAudit(cut);
    audit.holdAgainst({ revision: 7, hash: "hash-7" });
    expect(audit.problems).toEqual([]);
    audit.holdAgainst({ revision: 6, hash: "hash-6" });
    expect(audit.problems).toEqual([expect.stringMatching(/revision 6 is older than the log.*--archive/)]);
  });
});

describe("a log of a domain whose name was used before", () => {
  const log = logFrom(8, [{ type: "domain-created", keyVersion: 3 }, joined("one"), made(4)]);
  const present = {
    revision: 10,
    settings: DEFAULT_SETTINGS,
    keyVersion: 4,
    retiredUpTo: 3,
    keyRolloverRequired: false,
    memberCount: 1,
  };

  it("knows the devices that joined in its first entry", () => {
    const changes: LogChange[] = [{ type: "domain-created", keyVersion: 3 }, joined("one"), made(4)];
    const entry = { domain: "den", revision: 10, committedAt: "2026-11-23T16:33:59.000Z", previous: null, changes };
    const hash = createHash("sha256").update(canonicalEntry(entry)).digest("base64url");
    const audit = audited([{ ...entry, hash }]);
    audit.compare({ ...present, ...rows("one") });
    expect(audit.problems).toEqual([]);
  });

  it("is whole from its creation on, above the revision and the keys of the domain that was deleted", () => {
    const audit = audited(log);
    audit.compare({ ...present, ...rows("one") });
    expect(audit.problems).toEqual([]);
  });

  it("explains every member and key: none is from before", () => {
    const audit = audited(log);
    const kids = new Map([
      [3, "kid-3"],
      [4, "kid-4"],
    ]);
    audit.compare({ ...present, ...rows("one", "two"), kids });
    expect(audit.problems).toEqual([
      "Key 3 is in the domain, and not in the log.",
      "Device two is a member, and never joined.",
    ]);
  });

  it("does not begin in the middle of another", () => {
    expect(audited([...logFrom(7, [{ type: "domain-created" }]), ...log]).problems).toEqual([
      "Entry 8 begins the log anew: a deleted domain was created again.",
    ]);
  });
});
