import { errorFields, log } from "../log.ts";
import type { DomainStore } from "./storage/domain-store.ts";

/** How long a tally gathers before it is written: in the path of no request, and long before an idle object goes. */
const GATHERING_MILLISECONDS = 3_000;
/** The most devices a tally remembers; those above are noted at their next renewal. */
const MAX_RENEWED = 10_000;
const HOUR_MILLISECONDS = 60 * 60 * 1_000;

/**
 * Counts what changes nothing: who renewed on which day, and which errors refused how often. Written together, some
 * seconds later; an object that goes away in between takes that little with it.
 */
export class Tallies {
  readonly #domain: string;
  readonly #store: DomainStore;
  #renewed = new Set<string>();
  #day = 0;
  #refusals = new Map<string, { hour: number; error: string; count: number }>();
  #gathering = false;

  constructor(domain: string, store: DomainStore) {
    this.#domain = domain;
    this.#store = store;
  }

  /** Takes note that a member renewed. @param day in days since the Unix epoch */
  renewed(machineGuid: string, day: number): void {
    if (this.#renewed.size >= MAX_RENEWED) return;
    this.#day = day;
    this.#renewed.add(machineGuid);
    this.#gather();
  }

  /** Takes note of a refusal. @param now milliseconds since the Unix epoch */
  refused(error: string, now: number): void {
    const hour = Math.floor(now / HOUR_MILLISECONDS);
    const key = `${hour} ${error}`;
    const counted = this.#refusals.get(key) ?? { hour, error, count: 0 };
    this.#refusals.set(key, { ...counted, count: counted.count + 1 });
    this.#gather();
  }

  #gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    setTimeout(() => this.#write(), GATHERING_MILLISECONDS);
  }

  async #write(): Promise<void> {
    const tally = {
      renewed: { day: this.#day, machineGuids: [...this.#renewed] },
      refusals: [...this.#refusals.values()],
    };
    this.#renewed = new Set();
    this.#refusals = new Map();
    this.#gathering = false;
    try {
      await this.#store.tally(this.#domain, tally);
    } catch (error) {
      log("warn", "a tally was lost", { ...errorFields(error) });
    }
  }
}
