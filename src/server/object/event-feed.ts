import { errorFields, log } from "../worker-log.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";
import { type HashedEntry, readLog } from "./storage/log.ts";

/**
 * The message that subscribers get for each commit.
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
    previous: string | null;
    hash: string;
    /** Null if they do not fit into a message, or the queue refused them twice; the log has them. */
    changes: HashedEntry["changes"] | null;
    changeCount: number;
  }>;
}>;

const ENTRIES_AT_A_TIME = 100;
/** A queue takes messages of 128,000 bytes, and batches of 256,000. */
const MAX_CHANGES_BYTES = 100_000;
const MAX_BATCH_BYTES = 200_000;
const LOOK_AGAIN_MILLISECONDS = 30_000;
const TRY_AGAIN_MILLISECONDS = 500;

/** A message, and its size. */
type Message = Readonly<{ body: DomainChanged; bytes: number }>;

/**
 * Sends each commit of a domain to a queue, at least once, in the order of their revisions. The log is its outbox: it
 * sends what is there beyond the last revision that was sent.
 */
export class EventFeed {
  readonly #storage: DomainStorage;
  readonly #source: string;
  readonly #queue: Pick<Queue<DomainChanged>, "sendBatch">;
  readonly #wakeBy: (time: number) => void;
  #sending: Promise<void> | null = null;

  /**
   * @param source the URL of the domain, the `source` of its events
   * @param wakeBy has `announce` called by a time, in milliseconds since the Unix epoch
   */
  constructor(
    storage: DomainStorage,
    source: string,
    queue: Pick<Queue<DomainChanged>, "sendBatch">,
    wakeBy: (time: number) => void,
  ) {
    this.#storage = storage;
    this.#source = source;
    this.#queue = queue;
    this.#wakeBy = wakeBy;
  }

  /** Notes, in the transaction of a commit, that there is something to send: the alarm sees to it whatever happens. */
  expect(now: number): void {
    const { progress, row } = this.#storage;
    // Events from before there was a feed are not sent.
    if (progress.publishedRevision === null) this.#storage.note({ publishedRevision: (row?.revision ?? 1) - 1 });
    this.#wakeBy(now + LOOK_AGAIN_MILLISECONDS);
  }

  /** Sends what was committed, in the background. @returns when it is sent, or has failed and is left to the alarm */
  announce(): Promise<void> {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  async #sendAll(): Promise<void> {
    try {
      while (await this.#sendSome());
    } catch (error) {
      log("warn", "events could not be sent", errorFields(error));
      this.#wakeBy(Date.now() + LOOK_AGAIN_MILLISECONDS);
    }
  }

  /** @returns whether there may be more */
  async #sendSome(): Promise<boolean> {
    const after = this.#storage.progress.publishedRevision;
    if (after === null) return false;
    const { rows } = readLog(this.#storage, { order: "oldest", after, limit: ENTRIES_AT_A_TIME });
    let batch: Message[] = [];
    for (const entry of rows) {
      const message = this.#message(entry);
      if (batch.reduce((sum, { bytes }) => sum + bytes, message.bytes) > MAX_BATCH_BYTES) {
        await this.#send(batch);
        batch = [];
      }
      batch.push(message);
    }
    await this.#send(batch);
    return rows.length > 0;
  }

  /** @param isRepeat whether these messages were sent before, and not taken */
  async #send(batch: readonly Message[], isRepeat = false): Promise<void> {
    const last = batch.at(-1)?.body.data;
    if (!last) return;
    try {
      await this.#queue.sendBatch(batch.map(({ body }) => ({ body, contentType: "json" })));
    } catch (error) {
      if (batch.length === 1 && last.changes === null) throw error;
      await scheduler.wait(TRY_AGAIN_MILLISECONDS);
      // An event that the queue does not take must not stop those behind it: tried again alone, it goes without its changes.
      for (const message of batch) await this.#send([isRepeat ? withoutChanges(message) : message], true);
      return;
    }
    // Gone with the domain, if it was deleted meanwhile.
    if (this.#storage.row) this.#storage.note({ publishedRevision: last.revision });
  }

  #message({ revision, committedAt, previous, hash, changes }: HashedEntry): Message {
    const bytes = new TextEncoder().encode(JSON.stringify(changes)).byteLength;
    const fits = bytes < MAX_CHANGES_BYTES;
    const domain = this.#storage.name;
    const body: DomainChanged = {
      specversion: "1.0",
      type: "device-domains.domain.changed",
      source: this.#source,
      id: `${domain}/${revision}`,
      subject: domain,
      time: committedAt,
      // Of fixed width: subscribers compare it as text.
      sequence: String(revision).padStart(12, "0"),
      datacontenttype: "application/json",
      data: { revision, previous, hash, changes: fits ? changes : null, changeCount: changes.length },
    };
    return { body, bytes: (fits ? bytes : 0) + 1_000 };
  }
}

function withoutChanges({ body }: Message): Message {
  return { body: { ...body, data: { ...body.data, changes: null } }, bytes: 0 };
}
