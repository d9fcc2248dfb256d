import { errorFields, log } from "../log.ts";
import type { HashedEntry } from "./storage/log-reader.ts";
import { readLog } from "./storage/log-reader.ts";

/**
 * What subscribers get: one message for each commit.
 *
 * @see CloudEvents 1.0.2, "Context Attributes"; its extension "Sequence"
 */
export type DomainChanged = Readonly<{
  specversion: "1.0";
  type: "device-domains.domain.changed";
  source: string;
  id: string;
  subject: string;
  time: string;
  sequence: string;
  datacontenttype: "application/json";
  data: Readonly<{
    revision: number;
    commitId: string;
    previous: string | null;
    hash: string | null;
    /** Null where they would not fit into a message; the log has them. */
    changes: HashedEntry["changes"] | null;
    changeCount: number;
  }>;
}>;

/** Where the feed keeps how far it has come, and what wakes it. */
export type FeedStorage = Pick<DurableObjectStorage, "get" | "put" | "setAlarm">;

const PUBLISHED = "published-revision";
const ENTRIES_AT_A_TIME = 100;
/** A queue takes messages of 128 KB, and batches of 256 KB. */
const MAX_MESSAGE_LENGTH = 100_000;
const MAX_BATCH_LENGTH = 200_000;
const LOOK_AGAIN_MILLISECONDS = 30_000;

/**
 * Sends each commit of a domain to a queue, at least once, in the order of their revisions. The log is its outbox: it
 * sends what stands there beyond the last revision that was sent. Before each commit an alarm is set, which sends what
 * this object could not, because the queue was away or the object went.
 */
export class EventFeed {
  readonly #domain: string;
  readonly #source: string;
  readonly #queue: Pick<Queue<DomainChanged>, "sendBatch">;
  readonly #storage: FeedStorage;
  readonly #database: D1Database;
  /** Settled once the alarm is set; commits wait for it alike, so that none overtakes another here. */
  #alarm: Promise<void> | null = null;
  #sending: Promise<void> | null = null;
  #more = false;

  /** @param source the URL of the domain, the `source` of its events */
  constructor(
    domain: string,
    source: string,
    queue: Pick<Queue<DomainChanged>, "sendBatch">,
    storage: FeedStorage,
    database: D1Database,
  ) {
    this.#domain = domain;
    this.#source = source;
    this.#queue = queue;
    this.#storage = storage;
    this.#database = database;
  }

  /** Takes note that a commit on this revision is about to be made, so that it is sent even if nobody is left to. */
  expect(revision: number): Promise<void> {
    this.#alarm ??= this.#setAlarm(revision);
    return this.#alarm;
  }

  async #setAlarm(revision: number): Promise<void> {
    // What happened before there was a feed is not sent.
    if ((await this.#storage.get(PUBLISHED)) === undefined) await this.#storage.put(PUBLISHED, revision);
    await this.#storage.setAlarm(Date.now() + LOOK_AGAIN_MILLISECONDS);
  }

  /** Sends what was committed, in the background; who is under way already goes on to it. */
  announce(): void {
    this.#more = true;
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = null;
    });
  }

  /** What the alarm does: sends what is left, and has itself called again if that fails. */
  async wake(): Promise<void> {
    this.#alarm = null;
    this.announce();
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    try {
      while (this.#more) {
        this.#more = false;
        while (await this.#sendSome());
      }
    } catch (error) {
      log("warn", "events could not be sent", errorFields(error));
      await this.#storage.setAlarm(Date.now() + LOOK_AGAIN_MILLISECONDS);
    }
  }

  /** @returns whether there may be more */
  async #sendSome(): Promise<boolean> {
    const after = (await this.#storage.get<number>(PUBLISHED)) ?? 0;
    const { rows } = await readLog(this.#database, this.#domain, {
      order: "oldest",
      after,
      limit: ENTRIES_AT_A_TIME,
    });
    let batch: { body: DomainChanged; length: number }[] = [];
    const flush = async () => {
      const last = batch.at(-1);
      if (!last) return;
      await this.#queue.sendBatch(batch.map(({ body }) => ({ body, contentType: "json" })));
      await this.#storage.put(PUBLISHED, last.body.data.revision);
      batch = [];
    };
    for (const entry of rows) {
      const message = this.#message(entry);
      if (batch.reduce((sum, { length }) => sum + length, message.length) > MAX_BATCH_LENGTH) await flush();
      batch.push(message);
    }
    await flush();
    return rows.length > 0;
  }

  #message({ revision, commitId, committedAt, previous, hash, changes }: HashedEntry) {
    const length = JSON.stringify(changes).length;
    const fits = length < MAX_MESSAGE_LENGTH;
    const body: DomainChanged = {
      specversion: "1.0",
      type: "device-domains.domain.changed",
      source: this.#source,
      id: `${this.#domain}/${revision}`,
      subject: this.#domain,
      time: committedAt,
      // Of fixed width: subscribers compare it as text.
      sequence: String(revision).padStart(12, "0"),
      datacontenttype: "application/json",
      data: { revision, commitId, previous, hash, changes: fits ? changes : null, changeCount: changes.length },
    };
    return { body, length: (fits ? length : 0) + 1_000 };
  }
}
