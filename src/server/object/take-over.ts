import { dayOf } from "../../domain/evolve.ts";
import { NEWBORN } from "../../domain/types.ts";
import { inTime } from "../database/d1-errors.ts";
import { bansAfter, findDomain, keysAfter, membersAfter } from "../database/domain-source.ts";
import { log } from "../log.ts";
import { type DomainStorage, settingsOf } from "./storage/domain-storage.ts";
import { WRITE_BANS, WRITE_KEYS, WRITE_MEMBERS } from "./storage/statements.ts";

/** How many rows are taken over in one step. */
const PAGE_ROWS = 5_000;
/** As many pages as a domain has that fits into one of each table. */
const PAGES_TO_WAIT_FOR = 4;

/** The last rows that were taken over; null for a table that is done. */
type Position = { members: string | null; keys: number | null; bans: string | null };

/**
 * Takes a domain over that D1 knows and whose object is empty: its storage was made anew, or the domain was imported.
 * Goes by pages, each written with the position it reached, so that a lost object goes on where it was. In the end the
 * log begins with a record of it, and a rollover is due: nobody knows what else had the keys.
 */
export class TakeOver {
  readonly #storage: DomainStorage;
  readonly #database: D1Database;
  readonly #committed: (now: number) => void;

  /** @param committed called in the transaction that ends it */
  constructor(storage: DomainStorage, database: D1Database, committed: (now: number) => void) {
    this.#storage = storage;
    this.#database = database;
    this.#committed = committed;
  }

  /** Whether one was begun and is not done. */
  get isUnderWay(): boolean {
    return this.#storage.hasTables && this.#storage.row === null && this.#position !== null;
  }

  /** Whether D1 knows the domain. @throws what D1 throws */
  async isDue(): Promise<boolean> {
    return (await findDomain(this.#database, this.#storage.name)) !== null;
  }

  /**
   * Takes the domain over, or the rest of it.
   *
   * @param takesAWhile called when it turns out that it is too large to be waited for
   * @throws what D1 throws
   */
  async run(takesAWhile: () => void): Promise<void> {
    await this.#storage.migrate();
    for (let pages = 0; ; pages++) {
      if (pages >= PAGES_TO_WAIT_FOR) takesAWhile();
      const position = this.#position ?? { members: "", keys: 0, bans: "" };
      if (position.members !== null) await this.#takeMembers(position, position.members);
      else if (position.keys !== null) await this.#takeKeys(position, position.keys);
      else if (position.bans !== null) await this.#takeBans(position, position.bans);
      else return this.#finish();
    }
  }

  get #position(): Position | null {
    const [row] = this.#storage.sql.exec<{ position: string }>("select position from take_over");
    return row ? JSON.parse(row.position) : null;
  }

  async #takeMembers(position: Position, after: string): Promise<void> {
    const rows = await inTime(read(membersAfter(this.#database, this.#storage.name, after, PAGE_ROWS)));
    // When a device renewed last is not in D1: it counts from now.
    const today = dayOf(Date.now());
    const members = rows.map((row) => [row.machineGuid, row.deviceKeyThumbprint, row.joinedAt, row.signedAt, today]);
    const next = rows.length < PAGE_ROWS ? null : (rows.at(-1)?.machineGuid ?? null);
    this.#write({ ...position, members: next }, () =>
      WRITE_MEMBERS.run(this.#storage.sql, { rows: JSON.stringify(members) }),
    );
  }

  async #takeKeys(position: Position, after: number): Promise<void> {
    const rows = await inTime(read(keysAfter(this.#database, this.#storage.name, after, PAGE_ROWS)));
    const keys = rows.map((row) => [
      row.keyVersion,
      row.publicJwk,
      row.wrappedPrivateJwk,
      row.keyEncryptionKid,
      row.createdAt,
    ]);
    const next = rows.length < PAGE_ROWS ? null : (rows.at(-1)?.keyVersion ?? null);
    this.#write({ ...position, keys: next }, () => WRITE_KEYS.run(this.#storage.sql, { rows: JSON.stringify(keys) }));
  }

  async #takeBans(position: Position, after: string): Promise<void> {
    const rows = await inTime(read(bansAfter(this.#database, this.#storage.name, after, PAGE_ROWS)));
    const bans = rows.map((row) => [row.machineGuid, row.deviceKeyThumbprint, row.reason, row.bannedBy, row.bannedAt]);
    const next = rows.length < PAGE_ROWS ? null : (rows.at(-1)?.machineGuid ?? null);
    this.#write({ ...position, bans: next }, () => WRITE_BANS.run(this.#storage.sql, { rows: JSON.stringify(bans) }));
  }

  #write(position: Position, write: () => void): void {
    this.#storage.transaction(() => {
      write();
      this.#storage.sql.exec("insert or replace into take_over (id, position) values (1, ?)", JSON.stringify(position));
    });
  }

  async #finish(): Promise<void> {
    const info = await findDomain(this.#database, this.#storage.name);
    if (!info) throw new Error("the domain went from the database while it was taken over");
    const { sql } = this.#storage;
    const { memberCount } = sql
      .exec<{ memberCount: number }>("select count(*) as memberCount from domain_membership")
      .one();
    const { keyVersion } = sql
      .exec<{ keyVersion: number }>("select coalesce(max(key_version), 0) as keyVersion from domain_keys")
      .one();
    const settings = settingsOf({
      ...info,
      authenticationRequired: Number(info.authenticationRequired),
      deviceKeyRequired: Number(info.deviceKeyRequired),
    });
    const { revision, head, retiredUpTo } = info;
    const now = Date.now();
    const state = { ...NEWBORN, revision: revision + 1, settings, keyVersion, retiredUpTo, memberCount };
    this.#storage.transaction(() => {
      sql.exec("delete from take_over");
      // D1 has all of it but this last commit.
      this.#storage.note({ copiedRevision: revision, copiedHead: head, comparedAt: now });
      const event = { type: "domain-taken-over", settings, keyVersion, retiredUpTo, memberCount } as const;
      this.#storage.commit(NEWBORN, { state, events: [event], records: new Map() }, [], now);
      this.#committed(now);
    });
    log("info", "a domain was taken over from the database", { domain: info.domain, memberCount, keyVersion });
  }
}

/** A query as a promise. */
async function read<T>(query: PromiseLike<T>): Promise<T> {
  return await query;
}
