import { seededRandom } from "../../test/support/node/seeded-random.ts";

/** A thread that does one thing at a time: what it has begun keeps it busy until `free`, in milliseconds. */
export type Thread = { free: number; busy: number };

type Event = { readonly thread: Thread | null; run: () => void };

/**
 * Modelled time: the code under simulation reads it from `Date.now` and waits by `setTimeout`. It advances from event to
 * event, in whole milliseconds, and is as random as its seed: the same seed, the same events.
 */
export class EventClock {
  now = 0;
  readonly random: () => number;
  /** The thread that is running: its timers go off only while it is free. */
  #thread: Thread | null = null;
  /** What is to happen, by its time, in order. */
  readonly #due = new Map<number, Event[]>();

  constructor(seed: string) {
    this.random = seededRandom(seed).next;
  }

  /** Runs work by this clock until nothing is left to happen. */
  async run(begin: () => void): Promise<void> {
    const real = { setTimeout, clearTimeout };
    const [dateNow, random] = [Date.now, Math.random];
    const modelled = {
      setTimeout: (run: () => void, delay = 0) => this.#schedule(this.now + delay, run, this.#thread),
      clearTimeout: (event: { run: () => void } | null) => {
        if (event) event.run = () => {};
      },
    };
    Object.assign(globalThis, modelled);
    Date.now = () => this.now;
    Math.random = this.random;
    try {
      begin();
      await this.#happen();
    } finally {
      Object.assign(globalThis, real);
      Date.now = dateNow;
      Math.random = random;
    }
  }

  /** Does something as a thread, whose timers wait while it is busy. */
  as<T>(thread: Thread, act: () => T): T {
    const before = this.#thread;
    this.#thread = thread;
    try {
      return act();
    } finally {
      this.#thread = before;
    }
  }

  /** Keeps a thread busy for so long, once it is free. @returns when it is done */
  work(thread: Thread, milliseconds: number): number {
    thread.free = Math.max(this.now, thread.free) + milliseconds;
    thread.busy += milliseconds;
    return thread.free;
  }

  /** Passes the time until a moment. */
  until(at: number): Promise<void> {
    return new Promise((resolve) => void this.#schedule(at, resolve, null));
  }

  sleep(milliseconds: number): Promise<void> {
    return this.until(this.now + milliseconds);
  }

  async #happen(): Promise<void> {
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    await settled();
    for (let at = this.now; this.#due.size > 0; at++) {
      for (let events = this.#due.get(at); events; events = this.#due.get(at)) {
        this.now = at;
        // Events of this very moment may join while it lasts.
        for (const { thread, run } of events) {
          if (!thread) run();
          else if (thread.free > at) this.#schedule(thread.free, run, thread);
          else this.as(thread, run);
        }
        this.#due.delete(at);
        await settled();
      }
    }
  }

  #schedule(at: number, run: () => void, thread: Thread | null): Event {
    const event = { thread, run };
    const moment = Math.max(this.now, Math.ceil(at));
    const events = this.#due.get(moment);
    if (events) events.push(event);
    else this.#due.set(moment, [event]);
    return event;
  }
}
