import { canonicalJson } from "../../domain/log-entry.ts";
import type { Outcome } from "../../domain/types.ts";
import {
  BEFORE_ALL_KEYS,
  COPIED_TABLES,
  type CopiedChange,
  type CopiedTable,
  type Found,
  type PerTable,
  type Row,
  type RowKey,
  TABLE_ORDER,
} from "../database/copied-tables.ts";
import type { DatabaseWriter } from "../database/database-writer.ts";
import { findDomain, rowsAfter } from "../database/domain-source.ts";
import type { Samples } from "../database/metrics.ts";
import { errorFields, log } from "../worker-log.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";
import { READS } from "./storage/reads.ts";
import type { DeletionRow } from "./storage/statements.ts";

/** How long the alarm leaves the hand-over alone, before it looks whether it is done. */
const GRACE_MILLISECONDS = 5_000;
/** The pause after a failure doubles up to a minute. */
const FIRST_PAUSE_MILLISECONDS = 1_000;
const LONGEST_PAUSE_MILLISECONDS = 60_000;
/** After so many rows a change ends with the commit it is at: far below what D1 takes in one parameter. */
const MAX_ROWS = 500;

/** How often a page is compared that changes meanwhile. */
const COMPARISONS = 5;

/** The awaited value of a deletion, in place of a revision. */
const DELETION = Number.POSITIVE_INFINITY;

type Keys = PerTable<ReadonlySet<RowKey>>;

type Writer = Pick<
  DatabaseWriter,
  "write" | "hurry" | "beginRewrite" | "rewritePage" | "endRewrite" | "deleteDomain" | "count"
>;

/**
 * Hands the changes of a domain to the database writer, until D1 has acknowledged all of them.
 *
 * The outbox says which rows D1 lacks; what they hold is read when they are handed over, so that many changes of a row
 * are one. Each change starts from the revision D1 acknowledged last. If D1 has an older one, or another history, it
 * lost something: then the domain is written anew, whole.
 */
export class Copy {
  readonly #storage: DomainStorage;
  readonly #writer: () => Writer;
  readonly #wakeBy: (time: number) => void;
  #running: Promise<void> | null = null;
  #failures = 0;
  #pausedUntil = 0;
  /** The newest revision that was handed over, acknowledged or not: what happened up to there is counted. */
  #handedOver = 0;
  readonly #waiting = new Set<{ revision: number; resolve: (copied: boolean) => void }>();

  /**
   * @param writer a stub of the database writer: a new one each time, since one that has thrown stays broken
   * @param wakeBy has `run` called by a time, in milliseconds since the Unix epoch
   */
  constructor(storage: DomainStorage, writer: () => Writer, wakeBy: (time: number) => void) {
    this.#storage = storage;
    this.#writer = writer;
    this.#wakeBy = wakeBy;
  }

  /** Notes, in the transaction of a commit, that D1 lacks something: the alarm sees to it whatever happens. */
  expect(now: number): void {
    this.#wakeBy(this.#isPaused(now) ? this.#pausedUntil : now + GRACE_MILLISECONDS);
  }

  /** Begins to hand over what D1 lacks, unless the last attempt failed a moment ago. */
  announce(): void {
    if (!this.#isPaused(Date.now())) this.run().catch(() => {});
  }

  /** Whether the last attempt failed a moment ago. One that seems to lie far ahead is from before the clock was set back. */
  #isPaused(now: number): boolean {
    return now < this.#pausedUntil && this.#pausedUntil - now <= LONGEST_PAUSE_MILLISECONDS;
  }

  /** Hands over all that D1 lacks. @throws what the writer throws; then the alarm tries again */
  run(): Promise<void> {
    this.#running ??= this.#handOver().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Compares what D1 has with what it acknowledged, and hands over what it lacks. @throws what the writer throws */
  async compare(): Promise<void> {
    await this.run();
    if (!this.#storage.row) return;
    const change = this.#change(noKeys(), this.#storage.progress.copiedRevision);
    this.#accept(change, written(await this.#writer().write(change, true)));
    await this.run();
  }

  /**
   * The tables in which D1 differs from the domain, once D1 has all changes: every row is compared, in pages. Both stores
   * change meanwhile if the domain does; then a page is compared again.
   *
   * @throws what the writer or D1 throws
   */
  async differingTables(database: D1Database): Promise<readonly string[]> {
    await this.run();
    const { name: domain } = this.#storage;
    const differing: string[] = [];
    for (const table of TABLE_ORDER) {
      if (!(await this.#isEqual(table, database))) differing.push(COPIED_TABLES[table].name);
    }
    const { info } = await findDomain(database, domain);
    if (!this.#storage.row) return [];
    const own = this.#info(this.#storage.row.revision);
    if (info?.revision === own.revision && canonicalJson(info) !== canonicalJson(own))
      differing.push("domain_server_info");
    return differing;
  }

  async #isEqual(table: CopiedTable, database: D1Database): Promise<boolean> {
    for (let after: RowKey | null = BEFORE_ALL_KEYS; after !== null; ) {
      const from: RowKey = after;
      let isEqual = false;
      for (let attempt = 0; attempt < COMPARISONS && !isEqual; attempt++) {
        await this.run();
        const { rows, upTo } = this.#page(table, from);
        const copied = await rowsAfter(database, this.#storage.name, table, from, COPIED_TABLES[table].pageRows);
        isEqual = JSON.stringify(rows) === JSON.stringify(copied);
        after = upTo;
      }
      if (!isEqual) return false;
    }
    return true;
  }

  /** Writes the whole domain anew. @throws what the writer throws; then the alarm tries again */
  rewrite(): Promise<void> {
    if (this.#storage.row) this.#storage.note({ rewriteDue: 1 });
    return this.run();
  }

  /** Waits until D1 has a revision. @returns whether it has, within so many milliseconds: false as soon as D1 fails */
  async reached(revision: number, milliseconds: number): Promise<boolean> {
    const { copiedRevision, rewriteDue } = this.#storage.progress;
    if (copiedRevision >= revision && !rewriteDue) return true;
    return this.#wait(revision, milliseconds);
  }

  /** Waits until D1 has the deletion. @returns whether it has, within so many milliseconds: false as soon as D1 fails */
  async reachedDeletion(milliseconds: number): Promise<boolean> {
    return !this.#storage.deletion?.isOwed || this.#wait(DELETION, milliseconds);
  }

  /** Counters of the metrics that were not handed over yet. */
  uncounted(): Samples {
    const { row, progress } = this.#storage;
    return row ? READS.counts(this.#storage, Math.max(progress.copiedRevision, this.#handedOver), row.revision) : {};
  }

  /** Adds to the counters of the metrics, which do without if the writer is lost. */
  count(samples: Samples): void {
    this.#writer()
      .count(samples)
      .catch(() => {});
  }

  /** Lets go who waits for a revision of a domain that was deleted: D1 will not have it. */
  forget(): void {
    this.#handedOver = 0;
    for (const { resolve } of this.#waiting) resolve(false);
  }

  async #wait(revision: number, milliseconds: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiting = { revision, resolve };
    this.#waiting.add(waiting);
    const timer = setTimeout(() => resolve(false), milliseconds);
    // Changes that were handed over may still be at the writer.
    const hurried = this.#running ? this.#writer().hurry() : Promise.resolve();
    hurried.catch(() => {});
    this.run().catch(() => resolve(false));
    const copied = await promise;
    clearTimeout(timer);
    this.#waiting.delete(waiting);
    return copied;
  }

  async #handOver(): Promise<void> {
    try {
      for (;;) {
        const { deletion, progress } = this.#storage;
        const { rewriteDue, staleSince } = progress;
        // First: D1 has to forget the domain before it is told of another of that name.
        if (deletion?.isOwed) await this.#handOverDeletion(deletion);
        else if (rewriteDue) await this.#rewrite();
        else if (staleSince !== null) await this.#handOverSome();
        else break;
      }
      this.#failures = 0;
      this.#pausedUntil = 0;
    } catch (error) {
      const pause = Math.min(LONGEST_PAUSE_MILLISECONDS, FIRST_PAUSE_MILLISECONDS * 2 ** this.#failures++);
      this.#pausedUntil = Date.now() + pause;
      this.#wakeBy(this.#pausedUntil);
      log("warn", "changes could not be copied to the database", { domain: this.#storage.name, ...errorFields(error) });
      throw error;
    }
  }

  async #handOverDeletion({ requestId, isOwed, database, ...deletion }: DeletionRow): Promise<void> {
    const isDone = written(await this.#writer().deleteDomain(deletion));
    if (!isDone || this.#storage.deletion?.deletedAt !== deletion.deletedAt) return;
    this.#storage.oweDeletion(false);
    for (const { revision, resolve } of this.#waiting) if (revision === DELETION) resolve(true);
  }

  async #handOverSome(): Promise<void> {
    const { upTo, keys } = this.#pending();
    const change = this.#change(keys, upTo);
    this.#handedOver = upTo;
    this.#accept(change, written(await this.#writer().write(change, this.#waiting.size > 0)));
  }

  /** The rows that D1 lacks, of the oldest commits it lacks, up to a revision. */
  #pending(): Readonly<{ upTo: number; keys: Keys }> {
    const keys = noKeys();
    const commits = this.#storage.sql.exec<{ revision: number; keys: string }>(
      "select revision, keys from copy_outbox order by revision limit ?",
      MAX_ROWS,
    );
    let upTo = this.#storage.progress.copiedRevision;
    for (const commit of commits) {
      const changed = JSON.parse(commit.keys) as PerTable<RowKey[]>;
      for (const table of TABLE_ORDER) for (const key of changed[table]) keys[table].add(key);
      upTo = commit.revision;
      if (TABLE_ORDER.reduce((sum, table) => sum + keys[table].size, 0) >= MAX_ROWS) break;
    }
    return { upTo, keys };
  }

  /** A change that brings these rows to what they are now. */
  #change(keys: Keys, revision: number): CopiedChange {
    const rows = perTable((table) => {
      const { name, columns } = COPIED_TABLES[table];
      const query = `select ${columns} from ${name} where ${columns[0]} in (select value from json_each(?))`;
      return keys[table].size === 0 ? [] : this.#rows(query, JSON.stringify([...keys[table]]));
    });
    const removed = perTable((table) => {
      const present = new Set(rows[table].map(([key]) => key as RowKey));
      return [...keys[table]].filter((key) => !present.has(key));
    });
    const base = this.#storage.progress.copiedRevision;
    return { info: this.#info(revision), base, rows, removed, counts: READS.counts(this.#storage, base, revision) };
  }

  /** A page of a table: its rows after a key, and up to which key they are, null if they are the last. */
  #page(table: CopiedTable, after: RowKey): Readonly<{ rows: readonly Row[]; upTo: RowKey | null }> {
    const { name, columns, pageRows } = COPIED_TABLES[table];
    const query = `select ${columns} from ${name} where ${columns[0]} > ? order by ${columns[0]} limit ?`;
    const rows = this.#rows(query, after, pageRows);
    return { rows, upTo: rows.length < pageRows ? null : (rows.at(-1)?.[0] as RowKey) };
  }

  #rows(query: string, ...values: (string | number)[]): readonly Row[] {
    return [...this.#storage.sql.exec(query, ...values).raw<Row>()];
  }

  /** The row of the domain as it is now, under an older revision if more is to follow. */
  #info(revision: number): CopiedChange["info"] {
    const row = this.#storage.row;
    if (!row) throw new Error("there is no domain to copy");
    const { keyVersion, keyMadeAt, lostUpTo, rolloverNotBefore, deviceIdKey, epoch, ...info } = row;
    return { ...info, revision, head: revision === row.revision ? row.head : this.#hashOf(revision) };
  }

  #hashOf(revision: number): string | null {
    const [entry] = this.#storage.sql.exec<{ hash: string }>(
      "select hash from domain_log where revision = ?",
      revision,
    );
    return entry?.hash ?? null;
  }

  /** Notes what D1 had before a change, and so whether it took the change or lost something. */
  #accept({ info, base }: CopiedChange, found: Found): void {
    if (!this.#isPresent(info)) return;
    const { revision, head } = found ?? { revision: 0, head: null };
    const { copiedHead } = this.#storage.progress;
    const known = revision === base ? head === copiedHead : [null, head].includes(this.#hashOf(revision));
    if (revision < base || revision > (this.#storage.row?.revision ?? 0) || !known) {
      log("warn", "the database lost rows of a domain: it is written anew", { domain: info.domain, revision, base });
      this.#storage.note({ rewriteDue: 1 });
      return;
    }
    this.#acknowledged(info);
  }

  /** Whether the domain is still the same: it may have been deleted meanwhile, and be another of that name. */
  #isPresent({ createdAt }: CopiedChange["info"]): boolean {
    return this.#storage.row?.createdAt === createdAt;
  }

  #acknowledged({ revision, head }: CopiedChange["info"]): void {
    const now = Date.now();
    this.#storage.transaction(() => {
      this.#storage.sql.exec("delete from copy_outbox where revision <= ?", revision);
      // Its entry of the log may have been cut by now.
      const [next] = this.#storage.sql.exec<{ since: number | null }>(
        `select committed_at as since from copy_outbox left join domain_log using (revision)
          order by copy_outbox.revision limit 1`,
      );
      this.#storage.note({
        copiedRevision: revision,
        copiedHead: head,
        staleSince: next ? (next.since ?? this.#storage.progress.staleSince ?? now) : null,
        rewriteDue: 0,
        comparedAt: now,
      });
    });
    for (const { revision: wanted, resolve } of this.#waiting) if (wanted <= revision) resolve(true);
  }

  /** Writes the whole domain anew, in pages. What changes meanwhile is in the outbox, and follows. */
  async #rewrite(): Promise<void> {
    const { name: domain } = this.#storage;
    const info = this.#info(this.#storage.row?.revision ?? 0);
    const id = crypto.randomUUID();
    written(await this.#writer().beginRewrite(info, id));
    for (const table of TABLE_ORDER) {
      for (let after: RowKey | null = BEFORE_ALL_KEYS; after !== null; ) {
        const { rows, upTo } = this.#page(table, after);
        written(await this.#writer().rewritePage({ domain, id, table, after, upTo, rows }));
        if (!this.#isPresent(info)) return;
        after = upTo;
      }
    }
    const counts = READS.counts(this.#storage, this.#storage.progress.copiedRevision, info.revision);
    const isWritten = written(await this.#writer().endRewrite(info, id, counts));
    if (!this.#isPresent(info)) return;
    if (!isWritten) throw new Error("the domain was written anew twice at once");
    this.#acknowledged(info);
  }
}

/** The grant of the database writer. @throws Error with the reason if it refuses */
function written<T>(outcome: Outcome<T>): T {
  if (outcome.granted) return outcome.grant;
  throw new Error(outcome.refusal.reason);
}

function perTable<T>(make: (table: CopiedTable) => T): PerTable<T> {
  return { members: make("members"), keys: make("keys"), bans: make("bans") };
}

function noKeys(): PerTable<Set<RowKey>> {
  return perTable(() => new Set<RowKey>());
}
