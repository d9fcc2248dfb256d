import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  BatchQueue,
  MAX_BYTES,
  MAX_COMMIT_MILLISECONDS,
  MAX_ITEMS,
  MINOR_SHARE,
} from "../../src/server/object/batch-queue.ts";

/** The longest that an item waits for others. */
const LINGER_MILLISECONDS = 4;
/** The most items of one batch. */
const MAX_BATCH = 1_000;
/** By when all is committed that waits: a full queue is several batches, each a turn of the event loop after the other. */
const LAST_BATCH_MILLISECONDS = LINGER_MILLISECONDS + MAX_ITEMS / MAX_BATCH;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A queue whose commits become durable when they are told to, and the batches it committed. */
function heldQueue() {
  const batches: (readonly number[])[] = [];
  const pending: PromiseWithResolvers<void>[] = [];
  const queue = new BatchQueue<number>(
    (items) => void batches.push(items),
    () => {
      const commit = Promise.withResolvers<void>();
      pending.push(commit);
      return commit.promise;
    },
  );
  let count = 0;
  /** Adds items, numbered from 0 on. @returns how many were accepted */
  const add = (items: number, bytes = 1) => {
    let accepted = 0;
    for (let index = 0; index < items; index++) if (queue.add(count++, bytes)) accepted++;
    return accepted;
  };
  /** Has the oldest commit become durable, or all of them. */
  const settle = async (commits = pending.length) => {
    for (const { resolve } of pending.splice(0, commits)) resolve();
    await vi.advanceTimersByTimeAsync(0);
  };
  const sizes = () => batches.map(({ length }) => length);
  return { queue, add, settle, sizes, batches, pending };
}

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

describe("a batch queue", () => {
  it("commits a lone item at once, before the call returns", async () => {
    const { add, settle, batches } = heldQueue();
    for (const item of [0, 1, 2]) {
      add(1);
      expect(batches.at(-1)).toEqual([item]);
      expect(vi.getTimerCount()).toBe(0);
      await settle();
    }
    expect(batches).toHaveLength(3);
  });

  it("leaves a part of itself to others than minor items", async () => {
    const { queue, add, settle } = heldQueue();
    add(1);
    let accepted = 0;
    while (queue.add(-1, 1, true)) accepted++;
    expect(accepted).toBe(MAX_ITEMS * MINOR_SHARE - 1);
    expect(add(MAX_ITEMS)).toBe(MAX_ITEMS * (1 - MINOR_SHARE));
    await pass(LAST_BATCH_MILLISECONDS);
    await settle();
  });

  it("leaves as large a part of itself to others while commits are slow", async () => {
    const { queue, add, settle } = heldQueue();
    add(1);
    await pass(MAX_COMMIT_MILLISECONDS / 2);
    let accepted = 1;
    while (queue.add(-1, 1, true)) accepted++;
    expect(add(MAX_ITEMS)).toBe((accepted / MINOR_SHARE) * (1 - MINOR_SHARE));
    await pass(LAST_BATCH_MILLISECONDS);
    await settle();
  });

  it("commits items together that come while a commit is not durable, as soon as it is", async () => {
    const { add, settle, batches, sizes } = heldQueue();
    add(21);
    expect(sizes()).toEqual([1]);
    await settle();
    expect(sizes()).toEqual([1, 20]);
    expect(batches.flat()).toEqual(Array.from({ length: 21 }, (_, index) => index));
  });

  it("has nothing wait longer than it lingers, also while no commit becomes durable", async () => {
    const { add, sizes } = heldQueue();
    add(1);
    add(3);
    await pass(LINGER_MILLISECONDS - 1);
    expect(sizes()).toEqual([1]);
    await pass(1);
    expect(sizes()).toEqual([1, 3]);
  });

  it("lingers for others after a batch of several, and no longer than for as many as there were", async () => {
    const { add, settle, sizes } = heldQueue();
    add(21);
    await settle();
    await settle();
    expect(sizes()).toEqual([1, 20]);
    add(24);
    expect(sizes()).toEqual([1, 20]);
    add(1);
    expect(sizes()).toEqual([1, 20, 25]);
  });

  it("goes back to committing lone items at once after a crowd is gone", async () => {
    const { add, settle, sizes } = heldQueue();
    add(21);
    await settle();
    await settle();
    add(1);
    expect(sizes()).toEqual([1, 20]);
    await pass(LINGER_MILLISECONDS);
    await settle();
    expect(sizes()).toEqual([1, 20, 1]);
    add(1);
    expect(sizes()).toEqual([1, 20, 1, 1]);
  });

  it("commits no more than so many items in one batch, and the rest right after", async () => {
    const { add, settle, sizes } = heldQueue();
    add(1 + 2 * MAX_BATCH + 500);
    await settle();
    await pass(1);
    await pass(1);
    expect(sizes()).toEqual([1, MAX_BATCH, MAX_BATCH, 500]);
  });

  it("leaves no timer behind, whatever was in it", async () => {
    const { add, settle } = heldQueue();
    for (const items of [1, 3, 21, 2_500]) {
      add(items);
      await pass(LAST_BATCH_MILLISECONDS);
      await settle();
      await pass(LAST_BATCH_MILLISECONDS);
      expect(vi.getTimerCount()).toBe(0);
    }
  });
});

describe("a full batch queue", () => {
  it("refuses at once what comes on top of the most items, until some are durable", async () => {
    const { add, settle, batches } = heldQueue();
    expect(add(MAX_ITEMS + 10)).toBe(MAX_ITEMS);
    await pass(LAST_BATCH_MILLISECONDS);
    // Committed, but not durable: they still count.
    expect(batches.flat()).toHaveLength(MAX_ITEMS);
    expect(add(1)).toBe(0);
    await settle(1);
    expect(add(2)).toBe(1);
    await settle();
    await pass(LAST_BATCH_MILLISECONDS);
    await settle();
    expect(add(MAX_ITEMS + 1)).toBe(MAX_ITEMS);
  });

  it("refuses what would take too much memory, and accepts as much as before once that is free again", async () => {
    const { add, settle } = heldQueue();
    for (let round = 0; round < 3; round++) {
      expect(add(11, MAX_BYTES / 8)).toBe(8);
      // Each is too large to be committed with another.
      for (let batch = 0; batch < 8; batch++) await pass(LAST_BATCH_MILLISECONDS);
      await settle();
    }
  });

  it("accepts nothing that is larger than all there is, and small items beside it", () => {
    const { queue } = heldQueue();
    expect([MAX_BYTES + 1, 1].map((bytes, item) => queue.add(item, bytes))).toEqual([false, true]);
  });

  it("refuses everything while a commit takes too long to become durable", async () => {
    const { add, settle, sizes } = heldQueue();
    add(1);
    await pass(MAX_COMMIT_MILLISECONDS);
    expect(add(1)).toBe(1);
    await pass(1);
    expect(add(3)).toBe(0);
    await settle(1);
    // What was accepted meanwhile was committed, and that is not late yet.
    expect(sizes()).toEqual([1, 1]);
    expect(add(1)).toBe(1);
  });

  it("tells by the oldest commit whether one takes too long", async () => {
    const { add, settle } = heldQueue();
    add(1);
    await pass(MAX_COMMIT_MILLISECONDS / 2);
    add(1);
    await pass(LAST_BATCH_MILLISECONDS);
    await settle(1);
    await pass(MAX_COMMIT_MILLISECONDS / 2);
    expect(add(1)).toBe(1);
    await pass(MAX_COMMIT_MILLISECONDS / 2 + 1);
    expect(add(1)).toBe(0);
  });

  it.each([2, 5])("accepts no more than a slow disk makes durable in time, asked for %i times that", async (times) => {
    const MILLISECONDS_PER_ITEM = 4;
    /** When the disk is done with what it was given. */
    let free = 0;
    let committed: readonly number[] = [];
    const waits: number[] = [];
    const queue = new BatchQueue<number>(
      (items) => {
        committed = items;
      },
      async () => {
        const items = committed;
        free = Math.max(free, Date.now()) + items.length * MILLISECONDS_PER_ITEM;
        await new Promise((resolve) => setTimeout(resolve, free - Date.now()));
        for (const since of items) waits.push(Date.now() - since);
      },
    );
    const DURATION_MILLISECONDS = 20_000;
    for (let arrived = 0; arrived < DURATION_MILLISECONDS / MILLISECONDS_PER_ITEM; arrived++) {
      for (let time = 0; time < times; time++) queue.add(Date.now(), 1);
      await pass(MILLISECONDS_PER_ITEM);
    }
    // The first come before there is a sign that they are too many.
    expect(Math.max(...waits)).toBeLessThan(1.25 * MAX_COMMIT_MILLISECONDS);
    expect(waits.length).toBeGreaterThan((0.85 * DURATION_MILLISECONDS) / MILLISECONDS_PER_ITEM);
  });

  it("accepts again after a commit that failed", async () => {
    const { add, pending, batches } = heldQueue();
    expect(add(MAX_ITEMS)).toBe(MAX_ITEMS);
    await pass(LAST_BATCH_MILLISECONDS);
    for (const { reject } of pending.splice(0)) reject(new Error("the disk is full"));
    await pass(0);
    expect(add(1)).toBe(1);
    await pass(LAST_BATCH_MILLISECONDS);
    expect(batches.flat()).toHaveLength(MAX_ITEMS + 1);
  });
});

describe("whatever comes and whenever commits become durable", () => {
  const step = fc.oneof(
    fc.record({ add: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constant(1_500)) }),
    fc.record({ pass: fc.integer({ min: 0, max: 6 }) }),
    fc.record({ settle: fc.integer({ min: 1, max: 3 }) }),
  );

  it("all that was accepted is committed once, in order and in time", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        vi.clearAllTimers();
        const acceptedAt = new Map<number, number>();
        const committed: number[] = [];
        const waits: number[] = [0];
        const pending: (() => void)[] = [];
        let [count, unsettled] = [0, 0];
        const queue = new BatchQueue<number>(
          (items) => {
            expect(items.length).toBeLessThanOrEqual(MAX_BATCH);
            committed.push(...items);
            waits.push(...items.map((item) => Date.now() - (acceptedAt.get(item) as number)));
          },
          () => new Promise((resolve) => pending.push(resolve)),
        );
        for (const each of steps) {
          if ("pass" in each) await pass(each.pass);
          else if ("settle" in each) {
            for (const resolve of pending.splice(0, each.settle)) resolve();
            await pass(0);
          } else {
            for (let index = 0; index < each.add; index++) {
              acceptedAt.set(count, Date.now());
              if (queue.add(count, 1)) count++;
            }
          }
          unsettled = Math.max(unsettled, count - committed.length);
        }
        acceptedAt.delete(count);
        await pass(LAST_BATCH_MILLISECONDS);
        for (const resolve of pending.splice(0)) resolve();
        await pass(LAST_BATCH_MILLISECONDS);
        expect(committed).toEqual([...acceptedAt.keys()]);
        expect(waits.reduce((most, wait) => Math.max(most, wait))).toBeLessThanOrEqual(LAST_BATCH_MILLISECONDS);
        expect(unsettled).toBeLessThanOrEqual(MAX_ITEMS);
        expect(vi.getTimerCount()).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
