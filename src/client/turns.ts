import { orAborted } from "./retries.ts";

/** Work that is done one after the other. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs work once all before it is done; rejects with the signal's reason if that aborts sooner. */
  take<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const turn = (async () => {
      await orAborted(before, signal);
      return work();
    })();
    this.#last = Promise.allSettled([before, turn]);
    return turn;
  }
}
