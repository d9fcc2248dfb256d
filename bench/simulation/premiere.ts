import { DomainServerError } from "../../src/client/client-errors.ts";
import { DEFAULT_RETRIES, withRetries } from "../../src/client/retries.ts";
import { BatchQueue } from "../../src/server/object/batch-queue.ts";
import { percentile } from "../statistics.ts";
import { type HandOver, ModelledDatabase } from "./database.ts";
import { EventClock, type Thread } from "./event-clock.ts";

/** A crowd of new devices, and one domain. Times are in milliseconds. */
export type PremierePlan = Readonly<{
  devices: number;
  /** The time in which all devices come. Half-way, they come twice as fast as on average. */
  window: number;
  /** The time of a join on the object's thread, its share of a commit included. */
  join: number;
}>;

/** The figures of a premiere. */
export type Premiere = Readonly<{
  joined: number;
  firstTry: number;
  refusals: number;
  /** The wait of a device, from its first request to its membership. */
  p50: number;
  p99: number;
  longest: number;
  peakQueue: number;
  batch: number;
  objectBusy: number;
  databaseWrites: number;
  databaseBusy: number;
  copyLag: number;
  copied: number;
}>;

/** A device's way to the object: to the nearest Worker, and from there. */
const ONE_WAY = [15, 90] as const;
/** A commit, until it is safe in several places. */
const COMMIT = 0.8;
const DURABLE = 10;
/** The share of a join that is spent before the queue: a refusal costs it, too. */
const ARRIVAL_SHARE = 0.3;
/** A request that would wait longer than this for the thread does not reach the object: the platform calls it overloaded. */
const PLATFORM_QUEUE = 5_000;
/** The bytes of a waiting join, as the object counts them. */
const JOIN_BYTES = 1_000;
/** The `Retry-After` of an overloaded domain. */
const RETRY_AFTER = 10_000;
/** The most rows that an object hands over at once. */
const HANDED_OVER_ROWS = 500;
/** The average pause of an application after the client library gave up. */
const APPLICATION_PAUSE = 30_000;

/** Plays a premiere: the client's retries, the object's queue and the database writer are the real ones. */
export async function premiere(
  { devices, window, join }: PremierePlan,
  newWriter: (database: ModelledDatabase) => HandOver,
  seed: string,
): Promise<Premiere> {
  const clock = new EventClock(seed);
  const object: Thread = { free: 0, busy: 0 };
  const database = new ModelledDatabase(clock);
  const write = newWriter(database);
  const waits: number[] = [];
  let [refusals, firstTry, queued, peakQueue, batches] = [0, 0, 0, 0, 0];
  let [revision, copied, copyLag, handingOver] = [0, 0, 0, false];
  const behind: { rows: number; since: number }[] = [];

  const queue = new BatchQueue<() => void>(
    (items) => {
      const done = clock.work(object, COMMIT + join * (1 - ARRIVAL_SHARE) * items.length);
      batches++;
      clock.until(done + DURABLE).then(() => {
        queued -= items.length;
        for (const answer of items) answer();
        behind.push({ rows: items.length, since: clock.now });
        if (!handingOver) handOver();
      });
    },
    () => clock.until(object.free + DURABLE),
  );

  async function handOver(): Promise<void> {
    handingOver = true;
    while (behind.length > 0) {
      const since = (behind[0] as { since: number }).since;
      let rows = 0;
      while (behind.length > 0 && rows < HANDED_OVER_ROWS) rows += behind.shift()?.rows ?? 0;
      const base = revision;
      revision += rows;
      await write("premiere", base, revision, rows);
      copied += rows;
      copyLag = Math.max(copyLag, clock.now - since);
    }
    handingOver = false;
  }

  async function ask(): Promise<void> {
    await clock.sleep(oneWay());
    const isReached = object.free - clock.now < PLATFORM_QUEUE;
    if (isReached) await clock.until(clock.work(object, join * ARRIVAL_SHARE));
    const { promise, resolve } = Promise.withResolvers<void>();
    const accepted = isReached && clock.as(object, () => queue.add(resolve, JOIN_BYTES, true));
    if (accepted) {
      peakQueue = Math.max(peakQueue, ++queued);
      await promise;
    }
    await clock.sleep(oneWay());
    if (accepted) return;
    refusals++;
    throw refusal(RETRY_AFTER);
  }

  function oneWay(): number {
    const [least, most] = ONE_WAY;
    return least + (most - least) * clock.random() ** 3;
  }

  async function device(): Promise<void> {
    const began = clock.now;
    const policy = { retries: DEFAULT_RETRIES, pause: (milliseconds: number) => clock.sleep(milliseconds) };
    let tries = 0;
    const attempt = () => {
      tries++;
      return ask();
    };
    for (;;) {
      try {
        await withRetries(policy, undefined, attempt);
        break;
      } catch (error) {
        if (!(error instanceof DomainServerError)) throw error;
        await clock.sleep(APPLICATION_PAUSE * (0.5 + clock.random()));
      }
    }
    if (tries === 1) firstTry++;
    waits.push(clock.now - began);
  }

  await clock.run(() => {
    let come = 0;
    const next = () => {
      for (; come < devices && timeOf(come, devices, window) <= clock.now + 1; come++) device();
      if (come < devices) clock.until(timeOf(come, devices, window)).then(next);
    };
    next();
  });
  const ended = clock.now;
  return {
    ...{ joined: waits.length, firstTry, refusals, peakQueue, batch: waits.length / batches, copied, copyLag },
    ...{ p50: percentile(waits, 0.5), p99: percentile(waits, 0.99), longest: percentile(waits, 1) },
    ...{ objectBusy: object.busy / ended, databaseWrites: database.writes, databaseBusy: database.thread.busy / ended },
  };
}

/** When the device of a number comes, if the rate rises to the middle of the window and falls again. */
function timeOf(number: number, devices: number, window: number): number {
  const share = number / devices;
  return window * (share < 0.5 ? Math.sqrt(share / 2) : 1 - Math.sqrt((1 - share) / 2));
}

function refusal(retryAfter: number): DomainServerError {
  const texts = { code: null, title: null, detail: null, requestId: null, serverTime: null };
  return new DomainServerError({ error: "OVERLOADED", status: 503, retryAfter, ...texts });
}
