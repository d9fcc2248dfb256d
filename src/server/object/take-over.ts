import { NEWBORN } from "../../domain/types.ts";
import { BEFORE_ALL_KEYS, COPIED_TABLES, type CopiedDomainRow, TABLE_ORDER } from "../database/copied-tables.ts";
import { chosenDatabase } from "../database/database-choice.ts";
import { databaseNamed, databasesOf } from "../database/databases.ts";
import { findDomain, type KnownDomain, rowsAfter } from "../database/domain-source.ts";
import { log } from "../worker-log.ts";
import { type DomainStorage, settingsOf } from "./storage/domain-storage.ts";

/** A request waits for this many pages: one per table, and one more. */
const PAGES_TO_WAIT_FOR = TABLE_ORDER.length + 1;

/** How many tables are done, and the last key of the next one (JSON). */
type Place = { tables: number; after: string };

const BEGINNING: Place = { tables: 0, after: JSON.stringify(BEFORE_ALL_KEYS) };

/**
 * Takes a domain over that D1 knows and whose object is empty: its storage was made anew, or the domain was imported.
 * Goes by pages, each written with the place it reached, so that the next instance goes on where a lost one was. In the
 * end the log begins with a record of it, and a rollover is due: nobody knows what else had the keys.
 */
export class TakeOver {
  readonly #storage: DomainStorage;
  readonly #env: object;
  readonly #open: readonly string[] | null;
  readonly #committed: (now: number) => void;
  #asked: Promise<boolean> | null = null;

  /**
   * @param env has the bindings of all databases
   * @param open the bindings of those that take new domains; null for all
   * @param committed called in the transaction that ends it
   */
  constructor(storage: DomainStorage, env: object, open: readonly string[] | null, committed: (now: number) => void) {
    this.#storage = storage;
    this.#env = env;
    this.#open = open;
    this.#committed = committed;
  }

  /** Whether one was begun and is not done. */
  get isUnderWay(): boolean {
    return this.#storage.hasTables && this.#storage.row === null && this.#place !== null;
  }

  /** Whether D1 knows the domain; asked once for all who want to know at the same time. @throws what D1 throws */
  isDue(): Promise<boolean> {
    this.#asked ??= this.#find()
      .then((found) => found !== null)
      .finally(() => {
        this.#asked = null;
      });
    return this.#asked;
  }

  /** The row of the domain in D1; null if there is none, or one of a domain that was deleted. */
  async #find(): Promise<CopiedDomainRow | null> {
    const { database, info, deletion: inDatabase } = await this.#locate();
    this.#storage.choose(database);
    if (inDatabase) this.#storage.noteDeletion({ ...inDatabase, requestId: "", isOwed: 0, database });
    const { deletion } = this.#storage;
    if (!deletion) return info;
    const isStale = info !== null && info.createdAt <= deletion.deletedAt;
    // D1 was restored: it has to be told again.
    const isUnknown = inDatabase === null || inDatabase.deletedAt < deletion.deletedAt;
    if (isStale || isUnknown) this.#storage.oweDeletion(true);
    return isStale ? null : info;
  }

  /**
   * Asks the databases for the domain: the one it is in, or all of them before that is known. A name that none knows gets
   * its database here; that is kept with the first commit.
   */
  async #locate(): Promise<KnownDomain & Readonly<{ database: string }>> {
    const { name, keptDatabase: kept } = this.#storage;
    const all = [...databasesOf(this.#env).keys()];
    const asked = kept === null ? all : [kept];
    const found = await Promise.all(
      asked.map(async (database) => ({ database, ...(await findDomain(databaseNamed(this.#env, database), name)) })),
    );
    const known = found.find(({ info }) => info) ?? found.find(({ deletion }) => deletion);
    if (known) return known;
    return { database: kept ?? chosenDatabase(name, this.#open ?? all), info: null, deletion: null };
  }

  /**
   * Takes the domain over, or the rest of it. Rows of another one, which D1 had when this began, are dropped.
   *
   * @param takesAWhile called when it turns out that it is too large to be waited for
   * @throws what D1 throws
   */
  async run(takesAWhile: () => void): Promise<void> {
    const info = await this.#find();
    const source = JSON.stringify(info);
    if (this.isUnderWay && this.#place?.source !== source) this.#drop();
    if (info === null) return;
    await this.#storage.migrate();
    // Before the first page: the next instance has to go on with the same database.
    this.#storage.note({ database: this.#storage.database });
    const database = databaseNamed(this.#env, this.#storage.database);
    for (let pages = 0; ; pages++) {
      if (pages >= PAGES_TO_WAIT_FOR) takesAWhile();
      const place: Place = this.#place ?? BEGINNING;
      const table = TABLE_ORDER[place.tables];
      if (!table) return this.#finish(source);
      const { name, columns, pageRows } = COPIED_TABLES[table];
      const rows = await rowsAfter(database, this.#storage.name, table, JSON.parse(place.after), pageRows);
      const next =
        rows.length < pageRows
          ? { ...BEGINNING, tables: place.tables + 1 }
          : { tables: place.tables, after: JSON.stringify(rows.at(-1)?.[0]) };
      this.#storage.transaction(() => {
        this.#storage.sql.exec(
          `insert or replace into ${name} (${columns})
            select ${columns.map((_, index) => `value ->> ${index}`)} from json_each(?)`,
          JSON.stringify(rows),
        );
        this.#storage.sql.exec("insert or replace into take_over values (1, ?, ?, ?)", next.tables, next.after, source);
      });
    }
  }

  get #place(): (Place & { source: string }) | null {
    return this.#storage.sql.exec<Place & { source: string }>("select * from take_over").toArray()[0] ?? null;
  }

  /** Drops what was taken over so far. */
  #drop(): void {
    const tables = ["take_over", ...TABLE_ORDER.map((table) => COPIED_TABLES[table].name)];
    this.#storage.transaction(() => {
      for (const table of tables) this.#storage.sql.exec(`delete from ${table}`);
    });
  }

  /** @param source the row of the domain in D1 when this began */
  async #finish(source: string): Promise<void> {
    const info = await this.#find();
    if (!info || JSON.stringify(info) !== source) {
      this.#drop();
      throw new Error("the domain changed in the database while it was taken over");
    }
    const { sql } = this.#storage;
    const { memberCount, ...found } = sql
      .exec<{ memberCount: number; keyVersion: number; lostUpTo: number }>(
        `select (select count(*) from domain_membership) as memberCount,
          (select coalesce(max(key_version), 0) from domain_keys) as keyVersion,
          (select coalesce(max(key_version) - 1, 0) from domain_keys as key
            where not exists (select 1 from domain_keys where key_version = key.key_version - 1)) as lostUpTo`,
      )
      .one();
    const { revision, head, createdAt } = info;
    const deleted = this.#storage.deletion?.keyVersion ?? 0;
    const [keyVersion, lostUpTo] = [Math.max(found.keyVersion, deleted), Math.max(found.lostUpTo, deleted)];
    // Keys that did not come along count as retired, and so do those below them.
    const retiredUpTo = Math.min(keyVersion, Math.max(info.retiredUpTo, lostUpTo));
    const taken = { settings: settingsOf(info), keyVersion, retiredUpTo, memberCount };
    const change = {
      state: { ...NEWBORN, ...taken, lostUpTo, revision: revision + 1 },
      events: [{ type: "domain-taken-over", ...taken }] as const,
      records: new Map(),
    };
    const now = Date.now();
    this.#storage.transaction(() => {
      sql.exec("delete from take_over");
      // D1 has all of it but this last commit.
      this.#storage.note({ copiedRevision: revision, copiedHead: head, comparedAt: now });
      this.#storage.commit(NEWBORN, change, [], now, { createdAt });
      this.#committed(now);
    });
    log("info", "a domain was taken over from the database", { domain: info.domain, memberCount, keyVersion });
  }
}
