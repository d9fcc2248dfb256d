import type { DeviceStore } from "../../../src/client/device-state.ts";
import type { Pause } from "../../../src/client/retries.ts";
import type { Line } from "./fault-proxy.ts";
import { strikeBeforeAnswer } from "./faults.ts";

/**
 * A program that a device runs in: it has a store, a line to the server, and no patience. Something may strike it at
 * any moment, a moment being just before or after whatever it does to the world outside, or while the server's answer
 * is on its way. If it is ended, nothing of it happens from then on, as when a process is killed.
 */
export class DeviceProgram {
  readonly #line: Line;
  readonly #store: DeviceStore;
  readonly #end = new AbortController();
  /** How many moments from now it is struck; 0 and below for not at all. */
  #momentsLeft = 0;
  #strike: () => void = () => {};

  constructor(store: DeviceStore, line: Line) {
    this.#store = store;
    this.#line = line;
  }

  /** Strikes it at a coming moment, 1 being the next; 0 calls off what was planned. */
  strikeAt(moment: number, strike: () => void): void {
    this.#momentsLeft = moment;
    this.#strike = strike;
  }

  /** Kills it. */
  readonly end = (): void => this.#end.abort();

  /** Resolves when it has been killed. */
  ended(): Promise<void> {
    const { signal } = this.#end;
    return new Promise((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  get store(): DeviceStore {
    const { keepsCryptoKeys } = this.#store;
    return {
      keepsCryptoKeys,
      load: (url) => this.#doing(() => this.#store.load(url)),
      save: (url, state) => this.#doing(() => this.#store.save(url, state)),
    };
  }

  readonly fetch: typeof fetch = (input, init) =>
    this.#doing(() => {
      if (this.#isStruckNow()) this.#line.interrupt(strikeBeforeAnswer(this.#strike));
      const signals = [this.#end.signal, ...(init?.signal ? [init.signal] : [])];
      return this.#line.fetch(input, { ...init, signal: AbortSignal.any(signals) });
    });

  /** Waits no time at all. */
  readonly pause: Pause = () => this.#doing(async () => {});

  async #doing<T>(work: () => Promise<T>): Promise<T> {
    await this.#moment();
    try {
      return await work();
    } finally {
      await this.#moment();
    }
  }

  async #moment(): Promise<void> {
    if (this.#isStruckNow()) this.#strike();
    if (this.#end.signal.aborted) await new Promise(() => {});
  }

  #isStruckNow(): boolean {
    return --this.#momentsLeft === 0;
  }
}
