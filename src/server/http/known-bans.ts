import { waitUntil } from "cloudflare:workers";
import type { DeviceProof } from "../../domain/types.ts";
import { withDeadline } from "../deadline.ts";
import type { BannedNames } from "../object/device-bans.ts";
import { OneAtATime } from "../one-at-a-time.ts";
import { errorFields, log } from "../worker-log.ts";

/** A snapshot as old as this is renewed while requests go on with it. */
const RENEW_MILLISECONDS = 30_000;
/** A snapshot older than this is renewed before the request continues. That happens in an isolate that was idle. */
const WAIT_MILLISECONDS = 60_000;
/** How long the object may take to answer. */
const ANSWER_MILLISECONDS = 2_000;
/** It is asked again so long after it could not be asked. */
const RETRY_MILLISECONDS = 5_000;

/** Machine GUIDs and device keys that are banned. */
type Names = ReadonlySet<string>;

/** Asks for all that is banned, unless that is still what a version stands for. */
type Source = (known: string | null) => Promise<BannedNames | null>;

/**
 * The server-wide bans, as far as this isolate knows them. If they cannot be asked for, it goes on with what it knew; with
 * nothing, if it never knew any: an outage of that one object must not keep devices from their domains.
 */
export class KnownBans {
  readonly #source: Source;
  readonly #asks = new OneAtATime(ANSWER_MILLISECONDS);
  #names: Names = new Set();
  #version: string | null = null;
  /** When the snapshot was the truth, in milliseconds since the Unix epoch. */
  #knownAt = Number.NEGATIVE_INFINITY;
  /** Until then, nobody asks. */
  #restUntil = Number.NEGATIVE_INFINITY;
  /** How many times the object was asked, and which of them the snapshot is of: a late answer must not undo a newer one. */
  #asked = 0;
  #answered = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  /** The bans. Only the first request of an isolate, and one after a long pause, wait for them. */
  names(): Names | Promise<Names> {
    const now = Date.now();
    // Absolute, should the clock have been set back.
    const age = Math.abs(now - this.#knownAt);
    const rest = this.#restUntil - now;
    if (age < RENEW_MILLISECONDS || (rest > 0 && rest <= RETRY_MILLISECONDS)) return this.#names;
    if (age >= WAIT_MILLISECONDS) return this.#asks.run(() => this.#ask()).then(() => this.#names);
    this.#restUntil = now + ANSWER_MILLISECONDS;
    waitUntil(this.#ask());
    return this.#names;
  }

  /** Learns at once of a change that this isolate made. */
  async changed(): Promise<void> {
    this.#knownAt = Number.NEGATIVE_INFINITY;
    await this.#ask();
  }

  async #ask(): Promise<void> {
    const now = Date.now();
    const turn = ++this.#asked;
    try {
      const news = await withDeadline(this.#source(this.#version), ANSWER_MILLISECONDS, "no answer in time");
      if (turn < this.#answered) return;
      this.#answered = turn;
      this.#knownAt = now;
      if (!news) return;
      this.#version = news.version;
      this.#names = new Set(news.names);
    } catch (error) {
      log("error", "the server-wide bans could not be asked for", errorFields(error));
      this.#restUntil = Date.now() + RETRY_MILLISECONDS;
    }
  }
}

/** Whether the machine GUID of a request, or the key that signed it, is among those that are banned. */
export function isBanned(names: Names, machineGuid: string, proof: DeviceProof | null): boolean {
  return names.size > 0 && (names.has(machineGuid) || (proof !== null && names.has(proof.thumbprint)));
}
