import { createHash } from "node:crypto";
import { canonicalEntry, type LogChange, type LogEntry } from "../domain/log-entry.ts";
import { type LogCheckpoint, type ReplayedState, replayed, stateAfterCut } from "../domain/log-replay.ts";

/** A log entry as the server gives it. */
export type DownloadedEntry = LogEntry & Readonly<{ hash: string }>;

/** A domain at present, as far as its log should have led there. */
export type Present = ReplayedState &
  Readonly<{
    revision: number;
    /** The thumbprint of each member's device key, null without one, by device id. */
    members: ReadonlyMap<string, string | null>;
    /** The reason and the device key of each ban, by device id. */
    bans: ReadonlyMap<string, string>;
    /** The `kid` of each domain key, by version. */
    kids: ReadonlyMap<number, string>;
    /** The entries of the log that this server did not write, by their MACs. */
    forgedEntries: readonly number[];
    /** The tables of the database that differ from the domain. */
    differingTables: readonly string[];
  }>;

/** Checks a log entry by entry: from its first, from where it was cut, or from where the domain was taken over. */
export class LogAudit {
  readonly #problems: string[] = [];
  readonly #members = new Map<string, string | null>();
  readonly #bans = new Map<string, string>();
  readonly #kids = new Map<number, string>();
  /** Where the log was cut; before its first entry, if it is whole. */
  readonly #cut: Readonly<{ revision: number; hash: string | null }>;
  readonly #hashes = new Map<number, string>();
  #state: ReplayedState;
  #revision: number;
  #hash: string | null;
  /** Whether the log begins with the domain. */
  #isWhole: boolean;
  /** How many members are known by number only: those who joined before the log begins. */
  #membersFromBefore: number;

  /** @param start where the log was cut; null if it is whole */
  constructor(start: LogCheckpoint | null) {
    this.#cut = start ?? { revision: 0, hash: null };
    this.#revision = this.#cut.revision;
    this.#hash = this.#cut.hash;
    this.#isWhole = start === null;
    this.#state = stateAfterCut(start);
    this.#membersFromBefore = this.#state.memberCount;
  }

  /** Problems, in one sentence each. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** The last revision that was seen. */
  get revision(): number {
    return this.#revision;
  }

  /** Takes the next entry. */
  add(entry: DownloadedEntry): void {
    const [first] = entry.changes;
    if (first?.type === "domain-taken-over") {
      this.#beginAt(entry, "the domain was taken over from the database", first.memberCount as number);
    }
    // A name that was used before: revisions go on above those of the domain that was deleted.
    if (first?.type === "domain-created" && entry.revision > 1) {
      this.#beginAt(entry, "a deleted domain was created again", 0);
      this.#isWhole = true;
    }
    const expected = this.#revision + 1;
    const { hash, ...hashedPart } = entry;
    if (entry.revision > expected) {
      const last = entry.revision - 1;
      this.#problems.push(
        expected === last ? `Entry ${expected} is missing.` : `Entries ${expected} to ${last} are missing.`,
      );
    } else if (entry.revision < expected) {
      this.#problems.push(`Entry ${entry.revision} stands where entry ${expected} belongs.`);
    }
    // The server says itself which hash came before; it is the one that was seen that counts.
    const previous = entry.revision === expected ? this.#hash : hashedPart.previous;
    if (hash !== sha256(canonicalEntry({ ...hashedPart, previous }))) {
      this.#problems.push(`Entry ${entry.revision} does not match its hash. It, or the entry before it, was changed.`);
    }
    this.#follow(entry);
    this.#revision = entry.revision;
    this.#hash = hash;
    this.#hashes.set(entry.revision, hash);
  }

  /**
   * Begins anew: the entries before are not in this log.
   *
   * @param members how many the domain had before this entry
   */
  #beginAt(entry: DownloadedEntry, reason: string, members: number): void {
    if (this.#revision > 0) {
      this.#problems.push(`Entry ${entry.revision} begins the log anew: ${reason}.`);
    }
    this.#members.clear();
    this.#bans.clear();
    this.#kids.clear();
    this.#isWhole = false;
    this.#membersFromBefore = members;
    this.#revision = entry.revision - 1;
    this.#hash = null;
  }

  #follow(entry: DownloadedEntry): void {
    for (const change of entry.changes) this.#followChange(change);
    this.#state = replayed(this.#state, entry);
  }

  #followChange(change: LogChange): void {
    const deviceId = change.deviceId as string;
    switch (change.type) {
      case "device-joined":
        this.#members.set(deviceId, (change.deviceKeyThumbprint ?? null) as string | null);
        break;
      case "device-key-bound":
        if (this.#members.has(deviceId)) this.#members.set(deviceId, change.deviceKeyThumbprint as string);
        break;
      case "device-left":
      case "device-evicted":
        if (!this.#members.delete(deviceId)) this.#membersFromBefore--;
        break;
      case "device-banned":
        this.#bans.set(deviceId, banText(change.reason as string, change.deviceKeyThumbprint as string | null));
        break;
      case "device-unbanned":
        this.#bans.delete(deviceId);
        break;
      case "key-made":
        this.#kids.set(change.keyVersion as number, change.kid as string);
        break;
    }
  }

  /** Holds the log against a head that the server signed, now or at any time before. */
  holdAgainst(head: Readonly<{ revision: number; hash: string | null }>): void {
    if (head.revision < this.#cut.revision) {
      this.#problems.push(
        `The head of revision ${head.revision} is older than the log, which was cut at ${this.#cut.revision}: give the export from before the cut with --archive.`,
      );
      return;
    }
    const seen = head.revision === this.#cut.revision ? this.#cut.hash : this.#hashes.get(head.revision);
    if (seen === undefined) this.#problems.push(`Entry ${head.revision} is missing, although a signed head names it.`);
    else if (seen !== head.hash) this.#problems.push(`Entry ${head.revision} is not the one that was signed for.`);
  }

  /** Compares what the log led to with what the domain is. */
  compare(present: Present): void {
    const { settings, keyVersion, retiredUpTo, keyRolloverRequired, memberCount } = this.#state;
    const differ = (what: string, logged: unknown, found: unknown) => {
      if (JSON.stringify(logged) !== JSON.stringify(found)) {
        this.#problems.push(
          `The log leads to ${what} ${JSON.stringify(logged)}, the domain has ${JSON.stringify(found)}.`,
        );
      }
    };
    differ("revision", this.#revision, present.revision);
    differ("the key version", keyVersion, present.keyVersion);
    differ("keys retired up to", retiredUpTo, present.retiredUpTo);
    differ("a rollover due:", keyRolloverRequired, present.keyRolloverRequired);
    differ("a member count of", memberCount, present.memberCount);
    for (const name of Object.keys(settings) as (keyof typeof settings)[]) {
      // Not set in the domain: it has what its server sets for all such domains.
      if (name === "rolloverIntervalSeconds" && settings[name] === null) continue;
      differ(name, settings[name], present.settings[name]);
    }
    this.#compareRows("Ban", this.#bans, present.bans);
    this.#compareRows("Key", this.#kids, present.kids);
    for (const revision of present.forgedEntries) {
      this.#problems.push(`Entry ${revision} was not written by this server: its MAC is wrong.`);
    }
    for (const table of present.differingTables) this.#problems.push(`The database differs from the domain: ${table}.`);
    for (const [deviceId, thumbprint] of this.#members) {
      const found = present.members.get(deviceId);
      if (found === undefined) this.#problems.push(`Device ${deviceId} joined, and is not a member.`);
      else if (found !== thumbprint) this.#problems.push(`Device ${deviceId} has another device key than it bound.`);
    }
    const strangers = [...present.members.keys()].filter((deviceId) => !this.#members.has(deviceId));
    const fromBefore = this.#membersFromBefore;
    if (strangers.length === fromBefore) return;
    if (fromBefore <= 0) {
      for (const deviceId of strangers) this.#problems.push(`Device ${deviceId} is a member, and never joined.`);
    } else {
      this.#problems.push(`${strangers.length} members joined before the log begins, where it knows of ${fromBefore}.`);
    }
  }

  /** Compares rows with the log. Of rows from before the log begins it knows nothing. */
  #compareRows<Key>(kind: string, logged: ReadonlyMap<Key, string>, found: ReadonlyMap<Key, string>): void {
    for (const [key, value] of logged) {
      if (!found.has(key)) this.#problems.push(`${kind} ${key} is in the log, and not in the domain.`);
      else if (found.get(key) !== value) this.#problems.push(`${kind} ${key} is another than in the log.`);
    }
    if (!this.#isWhole) return;
    for (const key of found.keys()) {
      if (!logged.has(key)) this.#problems.push(`${kind} ${key} is in the domain, and not in the log.`);
    }
  }
}

/** A ban as it is compared. */
export function banText(reason: string, deviceKeyThumbprint: string | null): string {
  return JSON.stringify([reason, deviceKeyThumbprint]);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
