/** The most items of one batch, and the most memory: a commit is one row of the log, and a row has at most 2 MB. */
const MAX_BATCH = 1_000;
const MAX_BATCH_BYTES = 1_500_000;
/** The most items that wait or whose commit is not durable yet. */
export const MAX_ITEMS = 4_000;
/** The most memory they take, in bytes: a quarter of what an object has. */
export const MAX_BYTES = 32 * 1024 * 1024;
/** How much of the queue minor items may fill. */
export const MINOR_SHARE = 0.75;
/** Nothing more is accepted while a commit takes longer than this to become durable. */
export const MAX_COMMIT_MILLISECONDS = 2_000;
/** While a commit takes longer than this, no more is accepted than became durable in the last two seconds. */
const SLOW_COMMIT_MILLISECONDS = 250;
/** A batch of this size tells that the next one is worth waiting for. */
const MIN_BATCH_TO_LINGER = 4;
/** How long a batch lingers for others, and for how many at most. */
const LINGER_MILLISECONDS = 4;
const MAX_EXPECTED = 64;

/** An item of the queue, and the memory it takes, in bytes. */
type Waiting<Item> = Readonly<{ item: Item; bytes: number }>;

/**
 * Commits items in batches, because it is the commit that costs.
 *
 * A lone item goes at once. While a commit is on its way to the disk, or after a batch of several, the next batch
 * lingers for a few milliseconds. The queue is bounded in number, memory and time: it refuses the excess at once.
 */
export class BatchQueue<Item> {
  readonly #commit: (items: readonly Item[]) => void;
  readonly #durable: () => Promise<void>;
  readonly #waiting: Waiting<Item>[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** How many items to linger for. */
  #expected = 1;
  /** When each commit began that is not durable yet, in milliseconds since the epoch. */
  readonly #commits = new Set<{ since: number }>();
  /** The items that lately became durable, commit by commit, and how many they are. */
  readonly #lately: { at: number; items: number }[] = [];
  #itemsLately = 0;
  /** All items that wait or are not durable. */
  #items = 0;
  #bytes = 0;

  /**
   * @param commit writes a batch, synchronously
   * @param durable resolves when all that was written is on disk
   */
  constructor(commit: (items: readonly Item[]) => void, durable: () => Promise<void>) {
    this.#commit = commit;
    this.#durable = durable;
  }

  /**
   * Accepts an item.
   *
   * @param isMinor whether it has to leave a part of the queue to the others
   * @returns whether it did: false if the queue is full
   */
  add(item: Item, bytes: number, isMinor = false): boolean {
    const share = isMinor ? MINOR_SHARE : 1;
    if (this.#items >= share * MAX_ITEMS || this.#bytes + bytes > share * MAX_BYTES) return false;
    if (this.#isStalled(share)) return false;
    this.#items++;
    this.#bytes += bytes;
    this.#waiting.push({ item, bytes });
    const isAlone = this.#commits.size === 0 || this.#expected > 1;
    if (isAlone && this.#waiting.length >= this.#expected) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), LINGER_MILLISECONDS);
    return true;
  }

  /** Whether another item would wait too long, by how the commits before it are doing. */
  #isStalled(share: number): boolean {
    const [oldest] = this.#commits;
    if (oldest === undefined) return false;
    const age = Date.now() - oldest.since;
    if (age <= SLOW_COMMIT_MILLISECONDS) return false;
    this.#forgetOld();
    return age > MAX_COMMIT_MILLISECONDS || this.#items >= share * Math.max(MAX_EXPECTED, this.#itemsLately);
  }

  #forgetOld(): void {
    const since = Date.now() - MAX_COMMIT_MILLISECONDS;
    while (this.#lately[0] && this.#lately[0].at < since) this.#itemsLately -= this.#lately.shift()?.items ?? 0;
  }

  #flush(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const batch = this.#take();
    if (batch.length === 0) return;
    this.#expected = batch.length < MIN_BATCH_TO_LINGER ? 1 : Math.min(MAX_EXPECTED, Math.ceil(batch.length * 1.25));
    const commit = { since: Date.now() };
    this.#commits.add(commit);
    this.#commit(batch.map(({ item }) => item));
    const done = () => {
      this.#commits.delete(commit);
      this.#items -= batch.length;
      this.#lately.push({ at: Date.now(), items: batch.length });
      this.#itemsLately += batch.length;
      this.#forgetOld();
      for (const { bytes } of batch) this.#bytes -= bytes;
      if (this.#waiting.length >= this.#expected) this.#flush();
    };
    // A commit that fails aborts the object: there is nobody left to tell.
    this.#durable().then(done, done);
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#flush(), 0);
  }

  /** Takes a batch out of the queue; at least one item, if there is any. */
  #take(): readonly Waiting<Item>[] {
    let bytes = 0;
    const tooMany = this.#waiting.findIndex((each, index) => {
      bytes += each.bytes;
      return index > 0 && (index >= MAX_BATCH || bytes > MAX_BATCH_BYTES);
    });
    return this.#waiting.splice(0, tooMany === -1 ? this.#waiting.length : tooMany);
  }
}
