import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type DownloadedEntry, LogAudit } from "../../src/cli/log-audit.ts";
import { DEFAULT_SETTINGS } from "../../src/domain/events.ts";
import { canonicalEntry, type LogChange } from "../../src/domain/log-entry.ts";

const TAKEN_OVER: LogChange = {
  type: "domain-taken-over",
  settings: DEFAULT_SETTINGS,
  keyVersion: 3,
  retiredUpTo: 1,
  memberCount: 2,
};
const joined = (deviceId: string): LogChange => ({ type: "device-joined", requestId: "r", deviceId });
const left = (deviceId: string): LogChange => ({ type: "device-left", requestId: "r", deviceId });
const made = (keyVersion: number): LogChange => ({ type: "key-made", keyVersion });

/** A log with one change in each entry; a take-over begins a chain of its own. */
function logFrom(revision: number, changes: readonly LogChange[]): DownloadedEntry[] {
  const entries: DownloadedEntry[] = [];
  for (const [index, change] of changes.entries()) {
    const previous = change.type === "domain-taken-over" ? null : (entries.at(-1)?.hash ?? null);
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
    audit.compare({ ...present, deviceIds: new Set(["two", "three"]) });
    expect(audit.problems).toEqual([]);
  });

  it("knows of no more members than it took over", () => {
    const audit = audited(log);
    audit.compare({ ...present, deviceIds: new Set(["two", "three", "four"]) });
    expect(audit.problems).toEqual([expect.stringContaining("2 members joined before the log begins")]);
  });

  it("leads on from the state it took over", () => {
    const audit = audited(log);
    audit.compare({ ...present, retiredUpTo: 0, deviceIds: new Set(["two", "three"]) });
    expect(audit.problems).toEqual([expect.stringContaining("retired up to 1")]);
  });

  it("does not hold an entry that was signed for before", () => {
    const audit = audited(log);
    audit.holdAgainst({ revision: 8, hash: log[0]?.hash ?? null });
    expect(audit.problems).toEqual([]);
    audit.holdAgainst({ revision: 7, hash: "signed" });
    expect(audit.problems).toEqual(["Entry 7, which was signed for, is missing."]);
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
      deviceIds: new Set(["one", "two"]),
    });
    expect(audit.problems).toHaveLength(1);
  });
});
