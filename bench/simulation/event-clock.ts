import { seededRandom } from "../../test/support/node/seeded-random.ts";

/** A thread that does one thing at a time: what it has begun keeps it busy until `free`, in milliseconds. */
export type Thread = { free: number; busy: number };

type Event = Readonly<{ at: number; order: number; thread: Thread | null; run: () => void }>;

/**
 * Modelled time: the code under simulation reads it from `Date.now` and waits by `setTimeout`. It advances from event to
 * event, in whole milliseconds, and is as random as its seed: the same seed, the same events.
 */
export class EventClock {
  now = 0;
  readonly random: () => number;
  /** The thread that is running: its timers go off only while it is free. */
  #thread: Thread | null = null;
  readonly #heap: Event[] = [];
  #order = 0;

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
    for (let next = this.#pop(); next; next = this.#pop()) {
      this.now = next.at;
      for (let each: Event | undefined = next; each; each = this.#heap[0]?.at === this.now ? this.#pop() : undefined) {
        const { thread, run } = each;
        if (!thread) run();
        else if (thread.free > this.now) this.#schedule(thread.free, run, thread);
        else this.as(thread, run);
      }
      await settled();
    }
  }

  #schedule(at: number, run: () => void, thread: Thread | null) {
    const event = { at: Math.max(this.now, Math.ceil(at)), order: this.#order++, thread, run };
    let index = this.#heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, this.#heap[parent] as Event)) break;
      this.#heap[index] = this.#heap[parent] as Event;
      index = parent;
    }
    this.#heap[index] = event;
    return event;
  }

  #pop(): Event | undefined {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (!first || !last || this.#heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const other = this.#heap[child + 1];
      if (other && isBefore(other, this.#heap[child] as Event)) child++;
      const smaller = this.#heap[child];
      if (!smaller || !isBefore(smaller, last)) break;
      this.#heap[index] = smaller;
      index = child;
    }
    this.#heap[index] = last;
    return first;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
