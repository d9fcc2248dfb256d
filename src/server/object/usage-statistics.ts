import type { DomainStorage } from "./storage/domain-storage.ts";
import { COUNT_REFUSALS, NOTE_RENEWALS } from "./storage/statements.ts";

/** How long they gather in memory; an object that is lost in between loses that little. */
const GATHER_MILLISECONDS = 5_000;
/** The most devices remembered: the next one has them written. */
const MAX_RENEWED = 10_000;
const HOUR_MILLISECONDS = 60 * 60 * 1_000;

/** Counts requests that change nothing: who renewed on which day, and which errors refused how often. */
export class UsageStatistics {
  readonly #storage: DomainStorage;
  readonly #wakeBy: (time: number) => void;
  readonly #report: (refusals: ReadonlyMap<string, number>) => void;
  #renewed = new Set<string>();
  #day = 0;
  #refusals = new Map<string, { hour: number; error: string; count: number }>();

  /**
   * @param wakeBy has `write` called by a time, in milliseconds since the Unix epoch
   * @param report told, for the metrics, how often each error refused
   */
  constructor(
    storage: DomainStorage,
    wakeBy: (time: number) => void,
    report: (refusals: ReadonlyMap<string, number>) => void,
  ) {
    this.#storage = storage;
    this.#wakeBy = wakeBy;
    this.#report = report;
  }

  /** Notes that a member renewed. @param day in days since the Unix epoch */
  renewed(machineGuid: string, day: number, now: number): void {
    if (this.#renewed.size >= MAX_RENEWED) this.write();
    this.#gather(now);
    this.#day = day;
    this.#renewed.add(machineGuid);
  }

  /** Counts a refusal; none of a domain that does not exist. */
  refused(error: string, now: number): void {
    if (!this.#storage.row) return;
    this.#gather(now);
    const hour = Math.floor(now / HOUR_MILLISECONDS);
    const id = `${hour} ${error}`;
    const counted = this.#refusals.get(id) ?? { hour, error, count: 0 };
    counted.count++;
    this.#refusals.set(id, counted);
  }

  /** Forgets what has gathered: the domain was deleted. */
  forget(): void {
    this.#renewed.clear();
    this.#refusals.clear();
  }

  #gather(now: number): void {
    if (this.#renewed.size + this.#refusals.size === 0) this.#wakeBy(now + GATHER_MILLISECONDS);
  }

  /** Writes what has gathered. */
  write(): void {
    const { sql } = this.#storage;
    if (this.#renewed.size > 0) {
      sql.exec(NOTE_RENEWALS, this.#day, JSON.stringify([...this.#renewed]));
      this.#renewed = new Set();
    }
    if (this.#refusals.size > 0) {
      const rows = [...this.#refusals.values()].map(({ hour, error, count }) => [hour, error, count]);
      sql.exec(COUNT_REFUSALS, JSON.stringify(rows));
      const counts = new Map<string, number>();
      for (const { error, count } of this.#refusals.values()) counts.set(error, (counts.get(error) ?? 0) + count);
      this.#report(counts);
      this.#refusals = new Map();
    }
  }
}
