import { and, asc, eq, inArray, lt, type SQL, sql } from "drizzle-orm";
import { type DrizzleD1Database, drizzle } from "drizzle-orm/d1";
import type { LogEntry } from "../../../domain/log-entry.ts";
import {
  type Ban,
  type DomainEvent,
  type DomainState,
  type Membership,
  NEWBORN,
  type RequestRecord,
} from "../../../domain/types.ts";
import { keyEncryptionKid } from "../../crypto/key-wrapping.ts";
import { d1Failure } from "../../database/d1-errors.ts";
import {
  domainBans,
  domainKeys,
  domainLog,
  domainMembership,
  domainRequests,
  domainServerInfo,
  keyEncryptionUses,
} from "../../database/schema.ts";
import {
  ADD_MEMBERS,
  COUNT_MEMBERS,
  COUNT_REFUSALS,
  KEYS_FROM,
  LOAD,
  LOAD_WITH_PAST,
  type LoadedRow,
  NOTE_RENEWALS,
  TAKE_FIRST_REVISION,
  TAKE_REVISION,
} from "./statements.ts";

/** A domain key as it rests: its public JWK (JSON) and its private JWK, wrapped (compact JWE). */
export type StoredKey = Readonly<{ keyVersion: number; publicJwk: string; wrappedPrivateJwk: string }>;

/** What a group of commands needs to know of a domain. */
export type Needs = Readonly<{
  machineGuids: readonly string[];
  /** Of the device keys that sign. */
  thumbprints: readonly string[];
  /** The `jti` or idempotency keys of requests that have one. */
  requestKeys: readonly string[];
  /** The highest key that is held already, and need not be loaded. */
  held: StoredKey | null;
}>;

/** A domain as loaded. */
export type Loaded = Readonly<{
  state: DomainState;
  /** The hash of the log's newest entry; null if there is none. */
  head: string | null;
  /** Whether the key held is the one in the database. */
  intact: boolean;
  /** The keys above the one held, or all if that is not intact. */
  keys: readonly StoredKey[];
}>;

/** A commit: one step of a domain from the state it was decided on to the state after it. */
export type Commit = Readonly<{
  before: DomainState;
  after: DomainState;
  events: readonly DomainEvent[];
  newKeys: readonly StoredKey[];
  /** What the log says of it, its changes as canonical JSON, and the hash of it all. */
  entry: LogEntry;
  changes: string;
  hash: string;
  assumed: Assumptions;
}>;

/** What a commit takes for granted without having looked. */
export type Assumptions = Readonly<{
  /** The machine GUIDs of devices of which no leave is on record. */
  stayed: readonly string[];
  /** The machine GUIDs, and the thumbprints of device keys, that are not banned. */
  welcome: readonly string[];
  welcomeKeys: readonly string[];
}>;

/** What is kept of requests that changed nothing; days and hours since the Unix epoch. */
export type Tally = Readonly<{
  renewed: Readonly<{ day: number; machineGuids: readonly string[] }>;
  refusals: readonly Readonly<{ hour: number; error: string; count: number }>[];
}>;

/** Storage could not say, in the tries it was given, whether it did what was asked; ask again later. */
export class StorageUnavailableError extends Error {
  override readonly name = "StorageUnavailableError";
  readonly overloaded: boolean;

  constructor(message: string, overloaded: boolean, cause: unknown) {
    super(message, { cause });
    this.overloaded = overloaded;
  }
}

const COMMIT_TRIES = 4;
const LOAD_TRIES = 3;
const ANSWER_MILLISECONDS = 10_000;
/** How long the outcome of a request with a key of its own is kept: the contract promises 7 days. */
const REQUEST_RECORD_MILLISECONDS = 8 * 24 * 60 * 60 * 1_000;
const REQUEST_RECORDS_CLEARED = 20;
/** How far back a repeated request looks for itself, in revisions. */
const RECENT_REVISIONS = 1_000;

/** Loads and commits one domain at a time, with a fixed number of statements however many devices are concerned. */
export class DomainStore {
  readonly #database: D1Database;
  readonly #db: DrizzleD1Database;
  readonly #pause: (attempt: number) => Promise<void>;
  readonly #answerMilliseconds: number;

  /**
   * @param pause waits before a repetition
   * @param answerMilliseconds how long D1 may take to answer
   */
  constructor(
    database: D1Database,
    pause: (attempt: number) => Promise<void> = jitteredPause,
    answerMilliseconds = ANSWER_MILLISECONDS,
  ) {
    this.#database = database;
    this.#db = drizzle(database);
    this.#pause = pause;
    this.#answerMilliseconds = answerMilliseconds;
  }

  /**
   * The present state of a domain, as far as a group of commands needs it, read in one statement; and the keys that
   * are not held yet.
   *
   * @throws StorageUnavailableError
   */
  async load(domain: string, { machineGuids, thumbprints, requestKeys, held }: Needs): Promise<Loaded> {
    const values = {
      domain,
      machineGuids: JSON.stringify(machineGuids),
      thumbprints: JSON.stringify(thumbprints),
      heldVersion: held?.keyVersion ?? 0,
      heldPublicJwk: held?.publicJwk ?? "",
    };
    // Requests without a key of their own have no past to look up.
    const statement =
      requestKeys.length === 0
        ? LOAD.with(this.#database, values)
        : LOAD_WITH_PAST.with(this.#database, { ...values, requestKeys: JSON.stringify(requestKeys) });
    const row = (await this.#reading(() => statement.first<LoadedRow>())) as LoadedRow;
    const intact = held === null || row.held_key_is_there === 1;
    const keysFrom = intact ? (held?.keyVersion ?? 0) + 1 : 1;
    const keys = row.key_version >= keysFrom ? await this.#keysFrom(domain, keysFrom) : [];
    return { state: stateOf(row), head: row.head, intact, keys };
  }

  async #keysFrom(domain: string, keysFrom: number): Promise<readonly StoredKey[]> {
    const statement = KEYS_FROM.with(this.#database, { domain, keysFrom });
    return (await this.#reading(() => statement.all<StoredKey>())).results;
  }

  /**
   * The ids of those among these requests that an earlier try of left in the log, for as long as that is recent.
   *
   * @throws StorageUnavailableError
   */
  async committedAmong(domain: string, requestIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.#reading(() =>
      this.#db.all<{ requestId: string }>(sql`
        select distinct change.value ->> '$.requestId' as requestId
        from ${domainLog}, json_each(${domainLog.changes}) as change
        where ${domainLog.domain} = ${domain}
          and ${domainLog.revision} > (
            select ${domainServerInfo.revision} - ${RECENT_REVISIONS}
            from ${domainServerInfo} where ${domainServerInfo.domain} = ${domain})
          and change.value ->> '$.requestId' in ${each(requestIds)}`),
    );
    return new Set(rows.map(({ requestId }) => requestId));
  }

  /**
   * Writes a commit in one transaction whose first statement takes the next revision of the domain, if the domain is
   * still in the state that the commit was decided on: so that state may as well be an assumption.
   *
   * A try that failed may have happened all the same. It is repeated unchanged, so that whichever try takes the
   * revision, it is the same commit; and once another holds the revision, no try of this one can land any more.
   *
   * @returns "committed", or "superseded" if the domain is not in that state, a device that is new to the commit is a
   *   member, or a request key is in use; then nothing of this commit was written
   * @throws StorageUnavailableError if it stays unknown whether the commit happened
   */
  async commit(commit: Commit): Promise<"committed" | "superseded"> {
    const { after } = commit;
    const { domain, commitId } = commit.entry;
    let failure: unknown;
    for (let attempt = 0; attempt < COMMIT_TRIES; attempt++) {
      if (attempt > 0) await this.#pause(attempt);
      try {
        await this.#inTime(this.#database.batch(this.#statements(commit)));
        return "committed";
      } catch (error) {
        failure = error;
      }
      const kind = d1Failure(failure);
      // A first try that clashed cannot have clashed with itself.
      if (kind === "superseded" && attempt === 0) return "superseded";
      const holder = await this.#holder(domain, after.revision);
      if (holder === commitId) return "committed";
      if (holder !== null || kind === "superseded") return "superseded";
      if (kind === "permanent" || kind === "unmigrated") throw failure;
      if (kind === "overloaded") break;
    }
    throw new StorageUnavailableError(
      `unknown whether revision ${after.revision} of ${domain} was committed`,
      d1Failure(failure) === "overloaded",
      failure,
    );
  }

  /** The id of the commit that holds a revision; null if none does. */
  async #holder(domain: string, revision: number): Promise<string | null> {
    const rows = await this.#reading(() =>
      this.#db
        .select({ commitId: domainLog.commitId })
        .from(domainLog)
        .where(and(eq(domainLog.domain, domain), eq(domainLog.revision, revision))),
    );
    return rows[0]?.commitId ?? null;
  }

  #statements(commit: Commit): D1PreparedStatement[] {
    const { before, after, events, newKeys } = commit;
    const { domain } = commit.entry;
    const committedAt = Date.parse(commit.entry.committedAt);
    const database = this.#database;
    const { added, changed, removed } = membershipChanges(before.members, after.members);
    const used = events.flatMap(requestRows);
    const statements = [takeRevision(database, commit), this.#info(commit)];
    if (added.length > 0) {
      const rows = added.map((row) => [
        row.machineGuid,
        row.deviceKeyThumbprint,
        row.joinedAt,
        row.signedAt,
        row.lastRenewedOn,
      ]);
      statements.push(ADD_MEMBERS.with(database, { domain, rows: JSON.stringify(rows) }));
    }
    const rare: RareStatement[] = [];
    if (changed.length > 0) rare.push(this.#changeMembers(domain, changed));
    if (removed.length > 0) {
      rare.push(
        this.#db
          .delete(domainMembership)
          .where(and(eq(domainMembership.domain, domain), inArray(domainMembership.machineGuid, each(removed)))),
      );
    }
    if (newKeys.length > 0) rare.push(...this.#addKeys(domain, newKeys, committedAt));
    if (used.length > 0) rare.push(this.#addRequests(domain, used, committedAt), this.#clearRequests(committedAt));
    rare.push(...this.#changeBans(domain, before.bans, after.bans));
    return [...statements, ...rare.map((statement) => bound(database, statement))];
  }

  /** Writes the row of the domain; after a join alone, only what that changes. */
  #info({ before, after, entry }: Commit): D1PreparedStatement {
    const { domain } = entry;
    const committedAt = Date.parse(entry.committedAt);
    const { settings, keyRolloverRequired, retiredUpTo, memberCount, revision } = after;
    const same =
      settings === before.settings &&
      keyRolloverRequired === before.keyRolloverRequired &&
      retiredUpTo === before.retiredUpTo;
    if (revision > 1 && same) {
      return COUNT_MEMBERS.with(this.#database, { domain, memberCount, revision, committedAt });
    }
    const info = { ...settings, keyRolloverRequired, retiredUpTo, memberCount, revision, updatedAt: committedAt };
    return bound(
      this.#database,
      before.revision === 0
        ? this.#db.insert(domainServerInfo).values({ domain, ...info, createdAt: committedAt })
        : this.#db.update(domainServerInfo).set(info).where(eq(domainServerInfo.domain, domain)),
    );
  }

  #changeMembers(domain: string, rows: readonly MembershipRow[]): RareStatement {
    return this.#db
      .insert(domainMembership)
      .select(
        sql`select ${domain}, value ->> '$.machineGuid', value ->> '$.deviceKeyThumbprint', value ->> '$.joinedAt',
            value ->> '$.signedAt', value ->> '$.lastRenewedOn'
          from json_each(${JSON.stringify(rows)}) where true`,
      )
      .onConflictDoUpdate({
        target: [domainMembership.domain, domainMembership.machineGuid],
        set: {
          deviceKeyThumbprint: excluded("device_key_thumbprint"),
          joinedAt: excluded("joined_at"),
          signedAt: excluded("signed_at"),
          lastRenewedOn: excluded("last_renewed_on"),
        },
      });
  }

  #changeBans(domain: string, before: ReadonlyMap<string, Ban>, after: ReadonlyMap<string, Ban>): RareStatement[] {
    const lifted = [...before.keys()].filter((machineGuid) => !after.has(machineGuid));
    const rows = [...after]
      .filter(([machineGuid, ban]) => before.get(machineGuid) !== ban)
      .map(([machineGuid, { deviceKeyThumbprint, reason, by, bannedAt }]) => {
        return { domain, machineGuid, deviceKeyThumbprint, reason, bannedBy: by, bannedAt };
      });
    return [
      ...lifted.map((machineGuid) =>
        this.#db.delete(domainBans).where(and(eq(domainBans.domain, domain), eq(domainBans.machineGuid, machineGuid))),
      ),
      ...rows.map((row) =>
        this.#db
          .insert(domainBans)
          .values(row)
          .onConflictDoUpdate({ target: [domainBans.domain, domainBans.machineGuid], set: row }),
      ),
    ];
  }

  /** Adds a tally; one that is lost is only missing from the statistics. @throws what D1 throws */
  async tally(domain: string, { renewed, refusals }: Tally): Promise<void> {
    const { day, machineGuids } = renewed;
    const rows = refusals.map(({ hour, error, count }) => [hour, error, count]);
    await this.#inTime(
      this.#database.batch([
        NOTE_RENEWALS.with(this.#database, { domain, day, machineGuids: JSON.stringify(machineGuids) }),
        COUNT_REFUSALS.with(this.#database, { domain, rows: JSON.stringify(rows) }),
      ]),
    );
  }

  #addKeys(domain: string, keys: readonly StoredKey[], committedAt: number): RareStatement[] {
    const kids = keys.map(({ wrappedPrivateJwk }) => keyEncryptionKid(wrappedPrivateJwk));
    const rows = keys.map((key, index) => ({ ...key, kid: kids[index] }));
    return [
      this.#db.insert(domainKeys).select(
        sql`select ${domain}, value ->> '$.keyVersion', value ->> '$.publicJwk', value ->> '$.wrappedPrivateJwk',
            ${committedAt}, value ->> '$.kid'
          from json_each(${JSON.stringify(rows)})`,
      ),
      this.#db
        .insert(keyEncryptionUses)
        .select(sql`select value, count(*) from json_each(${JSON.stringify(kids)}) group by value`)
        .onConflictDoUpdate({
          target: keyEncryptionUses.kid,
          set: { domainKeys: sql`${keyEncryptionUses.domainKeys} + excluded.domain_keys` },
        }),
    ];
  }

  #addRequests(domain: string, rows: readonly object[], committedAt: number): RareStatement {
    return this.#db.insert(domainRequests).select(
      sql`select value ->> '$.requestKey', ${domain}, value ->> '$.machineGuid', value ->> '$.action',
          value ->> '$.signedAt', ${committedAt}
        from json_each(${JSON.stringify(rows)})`,
    );
  }

  /** Takes some old rows out: whoever adds one does, so that nobody ever has to go through them all. */
  #clearRequests(committedAt: number): RareStatement {
    return this.#db.delete(domainRequests).where(
      inArray(
        domainRequests.requestKey,
        this.#db
          .select({ requestKey: domainRequests.requestKey })
          .from(domainRequests)
          .where(lt(domainRequests.recordedAt, committedAt - REQUEST_RECORD_MILLISECONDS))
          .orderBy(asc(domainRequests.recordedAt))
          .limit(REQUEST_RECORDS_CLEARED),
      ),
    );
  }

  /** Runs a read, again after a transient failure: reads are safe to repeat. */
  async #reading<T>(read: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#inTime(read());
      } catch (error) {
        const kind = d1Failure(error);
        if (kind === "overloaded") throw new StorageUnavailableError("D1 is overloaded", true, error);
        if (kind !== "transient") throw error;
        if (attempt >= LOAD_TRIES) throw new StorageUnavailableError("D1 does not answer", false, error);
        await this.#pause(attempt);
      }
    }
  }

  /** Gives up on a call that D1 leaves hanging; like a lost connection, it may still happen. */
  async #inTime<T>(call: Promise<T>): Promise<T> {
    const { promise: deadline, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error("timeout: no answer from D1")), this.#answerMilliseconds);
    try {
      return await Promise.race([call, deadline]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The values of a list as a subquery over one bound parameter: D1 allows no more than 100 of them. */
function each(values: readonly string[]): SQL {
  return sql`(select value from json_each(${JSON.stringify(values)}))`;
}

/** A statement that is built when it is needed. */
type RareStatement = { toSQL(): { sql: string; params: unknown[] } };

function bound(database: D1Database, statement: RareStatement): D1PreparedStatement {
  const { sql, params } = statement.toSQL();
  return database.prepare(sql).bind(...params);
}

function takeRevision(database: D1Database, commit: Commit): D1PreparedStatement {
  const { before, hash, assumed } = commit;
  const { domain, commitId, previous } = commit.entry;
  const committedAt = Date.parse(commit.entry.committedAt);
  const entry = { domain, commitId, committedAt, changes: commit.changes, hash };
  if (before.revision === 0) return TAKE_FIRST_REVISION.with(database, entry);
  const { revision, keyRolloverRequired, memberCount, retiredUpTo, keyVersion, settings } = before;
  const { authenticationRequired, authNamespace, maxMembership, deviceKeyRequired } = settings;
  return TAKE_REVISION.with(database, {
    ...entry,
    revision,
    authenticationRequired: Number(authenticationRequired),
    authNamespace,
    maxMembership,
    deviceKeyRequired: Number(deviceKeyRequired),
    keyRolloverRequired: Number(keyRolloverRequired),
    memberCount,
    retiredUpTo,
    keyVersion,
    previous,
    assumedStayed: JSON.stringify(assumed.stayed),
    assumedWelcome: JSON.stringify(assumed.welcome),
    assumedWelcomeKeys: JSON.stringify(assumed.welcomeKeys),
  });
}

/** The state that a row of `LOAD` describes. */
function stateOf(row: LoadedRow): DomainState {
  const members = parsed<[string, string | null, number, number | null, number | null]>(row.members);
  const bans = parsed<[string, string | null, string, string, number]>(row.bans);
  const records = parsed<[string, RequestRecord["action"], number, string]>(row.records);
  const signedLeaves = new Map<string, number>();
  for (const [machineGuid, signedAt] of parsed<[string, number]>(row.signed_leaves)) {
    signedLeaves.set(machineGuid, Math.max(signedAt, signedLeaves.get(machineGuid) ?? signedAt));
  }
  const devices = {
    members: new Map(
      members.map(([guid, deviceKeyThumbprint, joinedAt, signedAt, lastRenewedOn]) => [
        guid,
        { deviceKeyThumbprint, joinedAt, signedAt, lastRenewedOn },
      ]),
    ),
    records: new Map(
      records.map(([key, action, here, machineGuid]) => [key, { action, here: here === 1, machineGuid }]),
    ),
    signedLeaves,
    bans: new Map(
      bans.map(([guid, deviceKeyThumbprint, reason, by, bannedAt]) => [
        guid,
        { deviceKeyThumbprint, reason, by, bannedAt },
      ]),
    ),
  };
  if (row.revision === null) return { ...NEWBORN, ...devices };
  return {
    revision: row.revision,
    settings: {
      authenticationRequired: row.authentication_required === 1,
      authNamespace: row.auth_namespace,
      maxMembership: row.max_membership,
      deviceKeyRequired: row.device_key_required === 1,
    },
    keyRolloverRequired: row.key_rollover_required === 1,
    keyVersion: row.key_version,
    retiredUpTo: row.retired_up_to,
    memberCount: row.member_count,
    ...devices,
  };
}

function parsed<Row>(json: string | undefined): readonly Row[] {
  return json === undefined ? [] : (JSON.parse(json) as Row[]);
}

/** The row that keeps a request from taking effect again; none for an event that needs none. */
function requestRows(event: DomainEvent): object[] {
  if (event.type === "device-left" && event.requestKey !== null) return [{ ...event, action: "deregister" }];
  if (event.type === "request-used") return [{ ...event, action: "register", signedAt: null }];
  return [];
}

/** The value a row would have had, were it not there already. */
function excluded(column: string): SQL {
  return sql`excluded.${sql.identifier(column)}`;
}

type MembershipRow = Membership & Readonly<{ machineGuid: string }>;

/** The rows to add, to change and to remove so that the members before become the members after. */
function membershipChanges(
  before: ReadonlyMap<string, Membership>,
  after: ReadonlyMap<string, Membership>,
): { added: readonly MembershipRow[]; changed: readonly MembershipRow[]; removed: readonly string[] } {
  const added: MembershipRow[] = [];
  const changed: MembershipRow[] = [];
  for (const [machineGuid, membership] of after) {
    const known = before.get(machineGuid);
    if (!known) added.push({ machineGuid, ...membership });
    // By identity, not by content: a device that left and came back within one group is a new membership.
    else if (known !== membership) changed.push({ machineGuid, ...membership });
  }
  return { added, changed, removed: [...before.keys()].filter((machineGuid) => !after.has(machineGuid)) };
}

/** Waits 20 to 40 ms before the first repetition, and twice as long before each further one. */
function jitteredPause(attempt: number): Promise<void> {
  const milliseconds = 20 * 2 ** (attempt - 1) * (1 + Math.random());
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
