import { waitUntil } from "cloudflare:workers";

const POLL_MILLISECONDS = 10;

/**
 * Work that several requests need. One request does it. The others poll until it is done. A request must not await
 * another request's promise: the platform may end that request, and the promise would never settle.
 */
export class OneAtATime {
  readonly #atMostMilliseconds: number;
  /** Until when a work in progress is waited for; 0 if there is none. */
  #busyUntil = 0;

  /** @param atMostMilliseconds how long a work may take; after that it counts as lost */
  constructor(atMostMilliseconds: number) {
    this.#atMostMilliseconds = atMostMilliseconds;
  }

  /** Does the work, or waits until another request has done it, or has lost it. */
  async run(work: () => Promise<void>): Promise<void> {
    if (this.#busyUntil > Date.now()) {
      while (this.#busyUntil > Date.now()) await scheduler.wait(POLL_MILLISECONDS);
      return;
    }
    const busyUntil = Date.now() + this.#atMostMilliseconds;
    this.#busyUntil = busyUntil;
    const done = work().finally(() => {
      // After a work that was lost, another one may be in progress.
      if (this.#busyUntil === busyUntil) this.#busyUntil = 0;
    });
    // It goes on if the client of this request hangs up.
    waitUntil(done.catch(() => {}));
    await done;
  }
}
