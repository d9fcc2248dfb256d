/** More requests wait than are taken on. */
export class QueueFullError extends Error {
  override readonly name = "QueueFullError";
}

/** The most requests that go together; keeps one commit well inside D1's limits on a statement's size. */
const MAX_GROUP = 1_000;
/** With a group under way, the next one sets out beside it once it has this many: small ones are cheaper together. */
export const WORTH_A_TRIP = 32;
/** The most groups of a lane under way at once. */
const MAX_TRIPS = 8;
/** The most requests of a lane that are not answered yet; what comes on top is refused at once instead of too late. */
export const MAX_UNANSWERED = 4_000;
/** How long requests may wait before fewer are taken on. */
const BEARABLE_MILLISECONDS = 2_000;
/** So few are taken on in any case: they may go together, and be answered as soon as one alone would be. */
const MIN_UNANSWERED = MAX_TRIPS * WORTH_A_TRIP;
/** By how much more are taken on after each answer that came in time. */
const GROWTH = 0.25;
/** About the most memory that requests take until they are answered, in bytes: a quarter of what an object has. */
export const MAX_BYTES = 32 * 1024 * 1024;
/** From this size on, a group is a crowd, and the next one waits a little for as many. */
const CROWD = 4;
/** How many it waits for at the most, and how long. */
const MOST_EXPECTED = 32;
const GATHERING_MILLISECONDS = 4;

/** Which way a request is tried first. */
export type Lane = "read" | "join" | "change";

/** What the lanes lead to. Each way takes a group; a result of null sends the request on to be changed. */
export type Ways<Request, Result> = Readonly<{
  laneOf(request: Request): Lane;
  /** About how much memory a request takes, in bytes. */
  sizeOf(request: Request): number;
  /** Answers those that change nothing. */
  read(requests: readonly Request[]): Promise<readonly (Result | null)[]>;
  /** Commits all of them on an assumption; null at once if there is none to go by, null later if it did not hold. */
  join(requests: readonly Request[]): Promise<readonly Result[] | null> | null;
  /** Decides and commits any of them, whatever it takes. */
  change(requests: readonly Request[]): Promise<readonly Result[]>;
}>;

type Waiting<Request, Result> = {
  readonly request: Request;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
  /** Where it is, how many were unanswered there when it came, and when that was. */
  lane: Lane;
  ahead: number;
  since: number;
};

/**
 * Runs requests in groups: while groups are under way, the next ones gather.
 *
 * There are three lanes. Reads go beside everything else, for they change nothing. Joins go one behind the other
 * without waiting for each other's commits, each on the state that the one before will leave; the fence stops those
 * behind one that failed. Changes go alone. A lone request sets out at once; in a crowd, a group waits for as many as
 * the last one had, though for moments only: those who were just answered are about to ask again.
 *
 * Each lane takes on no more than it answers in bearable time, as far as that can be told from those it answered last. A
 * slow database thus has the excess refused at once, instead of making all of them wait until nobody listens any more.
 *
 * Requests that wait at the same time may overtake each other, as they may on the network. A request that comes after
 * another was answered finds what that one did.
 */
export class Lanes<Request, Result> {
  readonly #ways: Ways<Request, Result>;
  readonly #waiting: Record<Lane, Waiting<Request, Result>[]> = { read: [], join: [], change: [] };
  readonly #trips: Record<Lane, number> = { read: 0, join: 0, change: 0 };
  /** How many to wait for before a lane's next group sets out. */
  readonly #expected: Record<Lane, number> = { read: 1, join: 1, change: 1 };
  /** How many requests of each lane are not answered yet, and how many may be. */
  readonly #unanswered: Record<Lane, number> = { read: 0, join: 0, change: 0 };
  readonly #room: Record<Lane, number> = { read: MAX_UNANSWERED, join: MAX_UNANSWERED, change: MAX_UNANSWERED };
  /** About the memory of all of them. */
  #bytes = 0;
  readonly #gathering: Record<Lane, boolean> = { read: false, join: false, change: false };
  /** How many groups of joins may be under way: fewer after one that failed, for it took those behind it along. */
  #joinTrips = MAX_TRIPS;

  constructor(ways: Ways<Request, Result>) {
    this.#ways = ways;
  }

  /**
   * The result of a request, once its group is read or committed.
   *
   * @throws QueueFullError, and whatever its group's way threw
   */
  submit(request: Request): Promise<Result> {
    const lane = this.#ways.laneOf(request);
    const ahead = this.#unanswered[lane];
    if (ahead >= this.#room[lane]) {
      return Promise.reject(new QueueFullError(`${ahead} requests are not answered yet`));
    }
    const size = this.#ways.sizeOf(request);
    if (this.#bytes + size > MAX_BYTES) {
      return Promise.reject(new QueueFullError(`requests of ${this.#bytes} bytes are not answered yet`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const waiting = { request, resolve, reject, lane, ahead, since: Date.now() };
    this.#unanswered[lane]++;
    this.#bytes += size;
    this.#waiting[lane].push(waiting);
    this.#setOut();
    return promise.finally(() => {
      this.#unanswered[waiting.lane]--;
      this.#bytes -= size;
      this.#room[waiting.lane] = roomAfter(this.#room[waiting.lane], waiting.ahead, Date.now() - waiting.since);
    });
  }

  /** Starts every group that may set out now. */
  #setOut(): void {
    const { read, join, change } = this.#waiting;
    while (this.#mayGo("read")) this.#travel("read", take(read), (requests) => this.#ways.read(requests));
    if (this.#trips.change > 0) return;
    if (change.length > 0) {
      // A change goes alone: it waits for the joins under way, and takes along those that wait.
      if (this.#trips.join === 0) {
        this.#travel("change", takeBoth(change, join), (requests) => this.#ways.change(requests));
      }
      return;
    }
    while (this.#mayGo("join")) {
      const group = take(join);
      const results = this.#ways.join(group.map(({ request }) => request));
      if (!results) {
        for (const waiting of group) this.#sendOn(waiting);
        this.#setOut();
        return;
      }
      this.#travel("join", group, () => results);
    }
  }

  #mayGo(lane: Lane): boolean {
    const waiting = this.#waiting[lane].length;
    const underWay = this.#trips[lane];
    if (underWay === 0) {
      if (waiting > 0 && waiting < this.#expected[lane]) this.#gather(lane);
      return waiting > 0 && waiting >= this.#expected[lane];
    }
    return waiting >= WORTH_A_TRIP && underWay < (lane === "join" ? this.#joinTrips : MAX_TRIPS);
  }

  /** Has a request be changed after all: there it comes last. */
  #sendOn(waiting: Waiting<Request, Result>): void {
    this.#unanswered[waiting.lane]--;
    waiting.lane = "change";
    waiting.ahead = this.#unanswered.change++;
    waiting.since = Date.now();
    this.#waiting.change.push(waiting);
  }

  /** Has a lane's next group set out in some moments, however few it is by then. */
  #gather(lane: Lane): void {
    if (this.#gathering[lane]) return;
    this.#gathering[lane] = true;
    setTimeout(() => {
      this.#gathering[lane] = false;
      this.#expected[lane] = 1;
      this.#setOut();
    }, GATHERING_MILLISECONDS);
  }

  async #travel(
    lane: Lane,
    group: readonly Waiting<Request, Result>[],
    way: (requests: readonly Request[]) => Promise<readonly (Result | null)[] | null>,
  ): Promise<void> {
    this.#trips[lane]++;
    const size = group.length;
    this.#expected[lane] = size < CROWD ? 1 : Math.min(MOST_EXPECTED, Math.ceil(size * 1.25));
    try {
      const results = await way(group.map(({ request }) => request));
      if (lane === "join") this.#joinTrips = results ? Math.min(MAX_TRIPS, this.#joinTrips + 1) : 1;
      group.forEach((waiting, index) => {
        const result = results?.[index] ?? null;
        if (result !== null) waiting.resolve(result);
        else this.#sendOn(waiting);
      });
    } catch (error) {
      for (const { reject } of group) reject(error);
    } finally {
      this.#trips[lane]--;
      this.#setOut();
    }
  }
}

/**
 * How many requests may be unanswered from now on, going by one that was just answered: so many that the last of them
 * does not wait for too long, at the rate at which those ahead of this one were answered. Where few were, that says
 * little: then there may be more than before, little by little, unless even this one waited for too long.
 *
 * A delay that is the same however many wait looks like a low rate: a lane then takes few at a time until it is over.
 *
 * @param room how many may be up to now
 * @param ahead how many were unanswered when it came
 */
export function roomAfter(room: number, ahead: number, waitedMilliseconds: number): number {
  const bearable = (ahead * BEARABLE_MILLISECONDS) / Math.max(1, waitedMilliseconds);
  const isTelling = ahead >= MIN_UNANSWERED || waitedMilliseconds > BEARABLE_MILLISECONDS;
  const next = isTelling ? bearable : Math.max(bearable, room + GROWTH);
  return Math.min(MAX_UNANSWERED, Math.max(MIN_UNANSWERED, next));
}

/** Takes a group out of a queue. */
function take<T>(queue: T[]): T[] {
  return queue.splice(0, MAX_GROUP);
}

/** Takes a group out of two queues: neither keeps the other from half of it. */
function takeBoth<T>(first: T[], second: T[]): T[] {
  const group = first.splice(0, MAX_GROUP - Math.min(second.length, MAX_GROUP / 2));
  return [...group, ...second.splice(0, MAX_GROUP - group.length)];
}
