import type { BanCopy, Change, Found, KeyCopy, MemberCopy } from "../database/change.ts";
import type { DatabaseWriter } from "../database/database-writer.ts";
import { errorFields, log } from "../log.ts";
import type { Value } from "./storage/compiled-statement.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";
import { READ_KEYS } from "./storage/statements.ts";

/** The copy of a domain in D1, as far as its object knows. */
export type CopyState = Readonly<{
  copiedRevision: number;
  /** When the oldest change that D1 lacks was committed, in milliseconds since the epoch; null if it lacks none. */
  staleSince: number | null;
}>;

/** How long the alarm leaves the hand-over alone, before it looks whether it is done. */
const GRACE_MILLISECONDS = 5_000;
/** The pause after a failure doubles up to a minute. */
const FIRST_PAUSE_MILLISECONDS = 1_000;
const LONGEST_PAUSE_MILLISECONDS = 60_000;
/** The most rows of one change, and of one page of a rewriting: far below what D1 takes in one parameter. */
const MAX_ROWS = 2_000;

const LISTED = "machine_guid in (select value from json_each(?))";

type Writer = Pick<DatabaseWriter, "write" | "beginRewrite" | "rewritePage" | "endRewrite">;

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

  get state(): CopyState {
    const { copiedRevision, staleSince } = this.#storage.progress;
    return { copiedRevision, staleSince };
  }

  /** Notes, in the transaction of a commit, that D1 lacks something: the alarm sees to it whatever happens. */
  expect(now: number): void {
    this.#wakeBy(Math.max(now + GRACE_MILLISECONDS, this.#pausedUntil));
  }

  /** Begins to hand over what D1 lacks, unless the last attempt failed a moment ago. */
  announce(): void {
    if (Date.now() >= this.#pausedUntil) this.run().catch(() => {});
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
    const change = this.#change([], [], []);
    this.#accept(change, await this.#writer().write(change), []);
    await this.run();
  }

  /** Waits until D1 has a revision. @returns whether it has, within so many milliseconds */
  async reached(revision: number, milliseconds: number): Promise<boolean> {
    if (this.state.copiedRevision >= revision && this.state.staleSince === null) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiting = { revision, resolve };
    this.#waiting.add(waiting);
    const timer = setTimeout(() => resolve(false), milliseconds);
    this.announce();
    const copied = await promise;
    clearTimeout(timer);
    this.#waiting.delete(waiting);
    return copied;
  }

  async #handOver(): Promise<void> {
    try {
      for (;;) {
        const { rewriteDue, staleSince } = this.#storage.progress;
        if (rewriteDue) await this.#rewrite();
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

  async #handOverSome(): Promise<void> {
    const { revisions, members, keys, bans } = this.#pending();
    const change = this.#change(members, keys, bans, revisions.at(-1));
    this.#accept(change, await this.#writer().write(change), revisions);
  }

  /** The rows that D1 lacks, of the oldest commits it lacks. */
  #pending() {
    const rows = this.#storage.sql
      .exec<{ revision: number; members: string; keys: string; bans: string }>(
        "select revision, members, keys, bans from copy_outbox order by revision limit ?",
        MAX_ROWS,
      )
      .toArray();
    const [revisions, members, keys, bans] = [[] as number[], new Set<string>(), new Set<number>(), new Set<string>()];
    for (const row of rows) {
      if (members.size + keys.size + bans.size >= MAX_ROWS) break;
      revisions.push(row.revision);
      for (const guid of JSON.parse(row.members)) members.add(guid);
      for (const version of JSON.parse(row.keys)) keys.add(version);
      for (const guid of JSON.parse(row.bans)) bans.add(guid);
    }
    return { revisions, members: [...members], keys: [...keys], bans: [...bans] };
  }

  /** A change that brings these rows to what they are now. */
  #change(members: string[], keys: number[], bans: string[], revision = this.#storage.progress.copiedRevision): Change {
    const { sql } = this.#storage;
    const memberRows = membersIn(sql, LISTED, JSON.stringify(members), members.length);
    const banRows = bansIn(sql, LISTED, JSON.stringify(bans), bans.length);
    const keyRows = keys.length === 0 ? [] : keysIn(sql, Math.min(...keys) - 1, Math.max(...keys));
    const [memberGuids, banGuids, versions] = [guidsOf(memberRows), guidsOf(banRows), new Set(keys)];
    return {
      info: this.#info(revision),
      base: this.#storage.progress.copiedRevision,
      members: memberRows,
      removedMembers: members.filter((guid) => !memberGuids.has(guid)),
      keys: keyRows.filter(([version]) => versions.has(version)),
      bans: banRows,
      removedBans: bans.filter((guid) => !banGuids.has(guid)),
    };
  }

  /** The row of the domain as it is now, under an older revision if more is to follow. */
  #info(revision: number): Change["info"] {
    const row = this.#storage.row;
    if (!row) throw new Error("there is no domain to copy");
    const { keyVersion, ...info } = row;
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
  #accept({ info, base }: Change, found: Found, revisions: readonly number[]): void {
    const { revision, head } = found ?? { revision: 0, head: null };
    const { copiedHead } = this.#storage.progress;
    const known = revision === base ? head === copiedHead : [null, head].includes(this.#hashOf(revision));
    if (revision < base || revision > (this.#storage.row?.revision ?? 0) || !known) {
      log("warn", "the database lost rows of a domain: it is written anew", { domain: info.domain, revision, base });
      this.#storage.note({ rewriteDue: 1 });
      return;
    }
    this.#acknowledged(info, revisions.at(-1) ?? base);
  }

  #acknowledged({ revision, head }: Change["info"], upTo: number): void {
    const now = Date.now();
    this.#storage.transaction(() => {
      this.#storage.sql.exec("delete from copy_outbox where revision <= ?", upTo);
      const [next] = this.#storage.sql.exec<{ since: number }>(
        "select committed_at as since from domain_log where revision > ? order by revision limit 1",
        upTo,
      );
      this.#storage.note({
        copiedRevision: revision,
        copiedHead: head,
        staleSince: next?.since ?? null,
        rewriteDue: 0,
        comparedAt: now,
      });
    });
    for (const { revision: wanted, resolve } of this.#waiting) if (wanted <= revision) resolve(true);
  }

  /** Writes the whole domain anew, in pages. What changes meanwhile is in the outbox, and follows. */
  async #rewrite(): Promise<void> {
    const { sql, name: domain } = this.#storage;
    const info = this.#info(this.#storage.row?.revision ?? 0);
    const id = crypto.randomUUID();
    await this.#writer().beginRewrite(info, id);
    for (let after: string | null = ""; after !== null; ) {
      const members: readonly MemberCopy[] = membersIn(sql, "machine_guid > ?", after);
      const upTo = members.length < MAX_ROWS ? null : (members.at(-1)?.[0] ?? null);
      await this.#writer().rewritePage({ domain, id, table: "members", after, upTo, rows: members });
      after = upTo;
    }
    for (let after: string | null = ""; after !== null; ) {
      const bans: readonly BanCopy[] = bansIn(sql, "machine_guid > ?", after);
      const upTo = bans.length < MAX_ROWS ? null : (bans.at(-1)?.[0] ?? null);
      await this.#writer().rewritePage({ domain, id, table: "bans", after, upTo, rows: bans });
      after = upTo;
    }
    for (let after: number | null = 0; after !== null; ) {
      const keys: readonly KeyCopy[] = keysIn(sql, after, after + MAX_ROWS);
      const upTo: number | null = keys.length < MAX_ROWS ? null : after + MAX_ROWS;
      await this.#writer().rewritePage({ domain, id, table: "keys", after, upTo, rows: keys });
      after = upTo;
    }
    if (!(await this.#writer().endRewrite(info, id))) throw new Error("the domain was written anew twice at once");
    this.#acknowledged(info, info.revision);
  }
}

function membersIn(sql: SqlStorage, condition: string, value: string, limit = MAX_ROWS): readonly MemberCopy[] {
  const columns = "machine_guid, device_key_thumbprint, joined_at, signed_at";
  return rowsIn<MemberCopy>(
    sql,
    `select ${columns} from domain_membership where ${condition}`,
    "machine_guid",
    value,
    limit,
  );
}

function bansIn(sql: SqlStorage, condition: string, value: string, limit = MAX_ROWS): readonly BanCopy[] {
  const columns = "machine_guid, device_key_thumbprint, reason, banned_by, banned_at";
  return rowsIn<BanCopy>(sql, `select ${columns} from domain_bans where ${condition}`, "machine_guid", value, limit);
}

function rowsIn<Row extends Value[]>(
  sql: SqlStorage,
  query: string,
  order: string,
  value: string,
  limit: number,
): Row[] {
  return [...sql.exec(`${query} order by ${order} limit ?`, value, limit).raw<Row>()];
}

function keysIn(sql: SqlStorage, after: number, upTo: number): readonly KeyCopy[] {
  return READ_KEYS.run(sql, { after, upTo }).map((key) => [
    key.keyVersion,
    key.publicJwk,
    key.wrappedPrivateJwk,
    key.keyEncryptionKid,
    key.createdAt,
  ]);
}

function guidsOf(rows: readonly (MemberCopy | BanCopy)[]): ReadonlySet<string> {
  return new Set(rows.map(([machineGuid]) => machineGuid));
}
