import { DurableObject } from "cloudflare:workers";
import type { Outcome } from "../../domain/types.ts";
import { errorFields, log } from "../worker-log.ts";
import { beginRewrite, endRewrite, writeChanges, writePage } from "./change-statements.ts";
import type { CopiedChange, CopiedDomainRow, CopyPage, Found } from "./copied-tables.ts";
import { d1Advice, d1Failure, failureRefusal, inTime } from "./d1-errors.ts";
import { databaseNamed } from "./databases.ts";
import { type DeletedDomain, writeDeletion } from "./deletions.ts";
import { Counters, countAll, type Samples } from "./metrics.ts";

/** The most domains of one write, and their size as JSON, in characters: D1 takes 2 MB in one parameter. */
const MAX_CHANGES = 1_000;
const MAX_LENGTH = 500_000;
/** The most that waits, in the same way: an object has 128 MB of memory. What is refused, a domain hands over again later. */
const MAX_WAITING_LENGTH = 16_000_000;
/** A write that fails in passing is repeated, since every write is idempotent by its revision; not if it took this long. */
const TRIES = 3;
const LONG_MILLISECONDS = 2_000;
/** The pause after a write: twice as long as it took, within these bounds. It ends as soon as somebody waits for D1. */
const SHORTEST_PAUSE_MILLISECONDS = 200;
const LONGEST_PAUSE_MILLISECONDS = 5_000;

/** The age at which the counts of the database are renewed: counting goes through all of its domains. */
const COUNTED_MILLISECONDS = 60 * 60 * 1_000;

/** How far D1 is behind the objects, as far as they have handed over. */
export type CopyLag = Readonly<{
  /** How many domains wait for their changes to be written. */
  domains: number;
  /** How long the oldest has waited, or D1 has been failing, in seconds. */
  seconds: number;
}>;

type Waiting = Readonly<{
  change: CopiedChange;
  /** Its size as JSON, in characters. */
  length: number;
  since: number;
  resolve: (outcome: Outcome<Found>) => void;
}>;

/**
 * Writes the changes of all domains to a D1 database: one object for each database. While a write or the pause after it is
 * under way, it gathers what many domains hand over, and writes it together. A lone change goes at once. It keeps nothing:
 * a domain's object keeps each change until D1 has acknowledged it.
 */
export class DatabaseWriter extends DurableObject<Env> {
  #waiting: Waiting[] = [];
  #waitingLength = 0;
  #writing = false;
  /** Before this time the next write does not begin, in milliseconds since the epoch. */
  #notBefore = 0;
  #endPause: () => void = () => {};
  #failingSince: number | null = null;
  readonly #counters = new Counters(this.ctx.storage);
  /** The counts of the database, and when they were taken, in milliseconds since the epoch. */
  #counted: Readonly<{ at: number; kid: string; samples: Samples }> | null = null;

  /** The D1 database whose binding this object is named by. @throws Error if there is none */
  get #database(): D1Database {
    return databaseNamed(this.env, this.ctx.id.name ?? "");
  }

  /**
   * Writes a change.
   *
   * @param urgent whether somebody waits for it
   * @returns what D1 had of the domain before
   */
  write(change: CopiedChange, urgent = false): Promise<Outcome<Found>> {
    const { promise, resolve } = Promise.withResolvers<Outcome<Found>>();
    const length = JSON.stringify(change).length;
    if (this.#waitingLength + length > MAX_WAITING_LENGTH) {
      return Promise.resolve({ granted: false, refusal: { error: "OVERLOADED", reason: "the queue is full" } });
    }
    this.#waiting.push({ change, length, since: Date.now(), resolve });
    this.#waitingLength += length;
    if (urgent) this.hurry();
    if (!this.#writing) this.#writeAll();
    return promise;
  }

  /** Ends the pause: somebody waits for a change that was handed over. */
  async hurry(): Promise<void> {
    this.#notBefore = 0;
    this.#endPause();
  }

  /** Begins to write a domain anew, under an id. */
  beginRewrite(row: CopiedDomainRow, id: string): Promise<Outcome<void>> {
    return this.#trying(() => beginRewrite(this.#database, row, id));
  }

  /** Writes a page of a domain that is written anew. */
  rewritePage(page: CopyPage): Promise<Outcome<void>> {
    return this.#trying(() => writePage(this.#database, page));
  }

  /**
   * Ends the rewriting of a domain.
   *
   * @param counts what happened since the revision that was acknowledged last
   * @returns whether no other was begun meanwhile
   */
  async endRewrite(row: CopiedDomainRow, id: string, counts: Samples): Promise<Outcome<boolean>> {
    const outcome = await this.#trying(() => endRewrite(this.#database, row, id));
    if (outcome.granted && outcome.grant) await this.count(counts);
    return outcome;
  }

  /** Deletes the rows of a domain that was deleted, and records that. @returns whether none is left */
  deleteDomain(deletion: DeletedDomain): Promise<Outcome<boolean>> {
    return this.#trying(() => writeDeletion(this.#database, deletion));
  }

  /** Adds to the counters of the metrics. */
  async count(counts: Samples): Promise<void> {
    this.#counters.add(counts);
    this.#counters.keep();
  }

  /** The metrics of this database. @param kid the present key-encryption key */
  async metrics(kid: string): Promise<Outcome<Samples>> {
    const known = this.#counted?.kid === kid && Date.now() - this.#counted.at < COUNTED_MILLISECONDS;
    if (!known) {
      const counted = await this.#trying(() => countAll(this.#database, kid));
      if (!counted.granted) return counted;
      this.#counted = { at: Date.now(), kid, samples: counted.grant };
    }
    const { domains, seconds } = this.lag();
    const lag = { device_domain_copy_waiting_changes: domains, device_domain_copy_lag_seconds: seconds };
    return { granted: true, grant: { ...this.#counters.samples, ...this.#counted?.samples, ...lag } };
  }

  /** How far D1 is behind. */
  lag(): CopyLag {
    const since = Math.min(
      this.#waiting[0]?.since ?? Number.POSITIVE_INFINITY,
      this.#failingSince ?? Number.POSITIVE_INFINITY,
    );
    return { domains: this.#waiting.length, seconds: Number.isFinite(since) ? (Date.now() - since) / 1_000 : 0 };
  }

  async #writeAll(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) {
      await this.#pause();
      const started = Date.now();
      await this.#writeSome(this.#take());
      const ended = Date.now();
      const pause = Math.max(SHORTEST_PAUSE_MILLISECONDS, 2 * (ended - started));
      this.#notBefore = ended + Math.min(LONGEST_PAUSE_MILLISECONDS, pause);
    }
    this.#writing = false;
  }

  async #pause(): Promise<void> {
    // No longer than the longest, in case the clock was set back.
    const rest = Math.min(LONGEST_PAUSE_MILLISECONDS, this.#notBefore - Date.now());
    if (rest <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, rest);
    this.#endPause = resolve;
    await promise;
    clearTimeout(timer);
  }

  /** Takes changes out of the queue: no domain twice, for one part tells by the other's row whether it applies. */
  #take(): readonly Waiting[] {
    const taken: Waiting[] = [];
    const domains = new Set<string>();
    let length = 0;
    this.#waiting = this.#waiting.filter((waiting) => {
      const { domain } = waiting.change.info;
      if (taken.length >= MAX_CHANGES || length >= MAX_LENGTH || domains.has(domain)) return true;
      domains.add(domain);
      length += waiting.length;
      taken.push(waiting);
      return false;
    });
    this.#waitingLength -= length;
    return taken;
  }

  async #writeSome(waiting: readonly Waiting[]): Promise<void> {
    const changes = waiting.map(({ change }) => change);
    const began = Date.now();
    const outcome = await this.#trying(() => writeChanges(this.#database, changes));
    this.#measure(changes, outcome, Date.now() - began);
    // One change that D1 does not take must not stop the others.
    if (!outcome.granted && outcome.refusal.error === "INTERNAL_ERROR" && waiting.length > 1) {
      for (const each of waiting) await this.#writeSome([each]);
      return;
    }
    for (const [index, { resolve }] of waiting.entries()) {
      resolve(outcome.granted ? { granted: true, grant: outcome.grant[index] ?? null } : outcome);
    }
  }

  /** Records the size and duration of a write. Counts a part's events only if D1 applied it. */
  #measure(changes: readonly CopiedChange[], outcome: Outcome<readonly Found[]>, milliseconds: number): void {
    this.#counters.observe("device_domain_database_write_changes", changes.length);
    this.#counters.observe("device_domain_database_write_seconds", milliseconds / 1_000);
    this.#counters.add({
      [`device_domain_database_writes_total{outcome="${outcome.granted ? "done" : "failed"}"}`]: 1,
    });
    for (const [index, { base, counts }] of changes.entries()) {
      if (outcome.granted && (outcome.grant[index]?.revision ?? 0) === base) this.#counters.add(counts);
    }
    this.#counters.keep();
  }

  async #trying<T>(write: () => Promise<T>): Promise<Outcome<T>> {
    for (let attempt = 1; ; attempt++) {
      const began = Date.now();
      try {
        const grant = await inTime(write());
        this.#failingSince = null;
        return { granted: true, grant };
      } catch (error) {
        this.#failingSince ??= Date.now();
        const isLong = Date.now() - began > LONG_MILLISECONDS;
        if (attempt === TRIES || isLong || d1Failure(error) !== "transient") {
          log("error", "the database was not written", { ...errorFields(error), ...d1Advice(error) });
          return failureRefusal(error);
        }
        await scheduler.wait(20 * 2 ** attempt * (1 + Math.random()));
      }
    }
  }
}
