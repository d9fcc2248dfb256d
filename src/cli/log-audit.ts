import { createHash } from "node:crypto";
import { canonicalEntry, type LogEntry } from "../domain/log-entry.ts";
import { type LogCheckpoint, type ReplayedState, replayed, stateAfterCut } from "../domain/log-replay.ts";

/** A log entry as the server gives it; the hash is null where it was written before there were hashes. */
export type DownloadedEntry = LogEntry & Readonly<{ hash: string | null }>;

/** What a domain is at present, as far as its log should have led there. */
export type Present = ReplayedState & Readonly<{ revision: number; deviceIds: ReadonlySet<string> }>;

/** Checks a log entry by entry, from its first, or from where it was cut. */
export class LogAudit {
  readonly #problems: string[] = [];
  readonly #members = new Set<string>();
  readonly #start: LogCheckpoint;
  readonly #hashes = new Map<number, string | null>();
  #state: ReplayedState;
  #revision: number;
  #hash: string | null;
  #hashed = false;
  /** Departures of devices that joined before the log begins. */
  #leftFromBefore = 0;

  /** @param start where the log was cut; null if it is whole */
  constructor(start: LogCheckpoint | null) {
    this.#start = { revision: 0, hash: null, ...start, state: stateAfterCut(start) };
    this.#state = this.#start.state;
    this.#revision = this.#start.revision;
    this.#hash = this.#start.hash;
  }

  /** What is wrong, in one sentence each. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** The last revision that was seen. */
  get revision(): number {
    return this.#revision;
  }

  /** Takes the next entry. */
  async add(entry: DownloadedEntry): Promise<void> {
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
    if (hash !== null) {
      // The server says itself which hash came before; it is the one that was seen that counts.
      const previous = entry.revision === expected ? this.#hash : hashedPart.previous;
      const unchanged = hash === sha256(canonicalEntry({ ...hashedPart, previous }));
      if (!unchanged) {
        this.#problems.push(
          `Entry ${entry.revision} does not fit its hash: it was changed, or the one before it was and got a new hash.`,
        );
      }
      this.#hashed = true;
    } else if (this.#hashed) this.#problems.push(`Entry ${entry.revision} has no hash, though earlier ones have.`);
    this.#follow(entry);
    this.#revision = entry.revision;
    this.#hash = hash;
    this.#hashes.set(entry.revision, hash);
  }

  #follow(entry: DownloadedEntry): void {
    for (const { type, deviceId } of entry.changes) {
      if (type === "device-joined") this.#members.add(deviceId as string);
      if ((type === "device-left" || type === "device-evicted") && !this.#members.delete(deviceId as string)) {
        this.#leftFromBefore++;
      }
    }
    this.#state = replayed(this.#state, entry);
  }

  /** Holds the log against a head that the server signed, now or at any time before. */
  holdAgainst(head: Readonly<{ revision: number; hash: string | null }>): void {
    if (head.revision < this.#start.revision) return;
    const seen = head.revision === this.#start.revision ? this.#start.hash : this.#hashes.get(head.revision);
    if (seen === undefined) this.#problems.push(`Entry ${head.revision}, which was signed for, is missing.`);
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
      differ(name, settings[name], present.settings[name]);
    }
    for (const deviceId of this.#members) {
      if (!present.deviceIds.has(deviceId)) this.#problems.push(`Device ${deviceId} joined, and is no member.`);
    }
    // Of those who joined before the log begins, only the number is known.
    const strangers = [...present.deviceIds].filter((deviceId) => !this.#members.has(deviceId));
    const fromBefore = this.#start.state.memberCount - this.#leftFromBefore;
    if (strangers.length === fromBefore) return;
    if (fromBefore <= 0) {
      for (const deviceId of strangers) this.#problems.push(`Device ${deviceId} is a member, and never joined.`);
    } else {
      this.#problems.push(`${strangers.length} members joined before the log begins, where it knows of ${fromBefore}.`);
    }
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
