import { and, asc, eq, gte, inArray, lt, max, type SQL, sql } from "drizzle-orm";
import { type DrizzleD1Database, drizzle } from "drizzle-orm/d1";
import { type DomainEvent, type DomainSettings, type DomainState, type Membership, NEWBORN } from "../domain/types.ts";
import { d1Failure } from "./d1-errors.ts";
import { domainKeys, domainLog, domainMembership, domainRequests, domainServerInfo } from "./schema.ts";

/** A domain key as it rests: its public JWK (JSON) and its private JWK, wrapped (compact JWE). */
export type StoredKey = Readonly<{ keyVersion: number; publicJwk: string; wrappedPrivateJwk: string }>;

/** What a group of commands needs to know of a domain. */
export type Needs = Readonly<{
  machineGuids: readonly string[];
  /** The `jti` or idempotency keys of requests that have one. */
  requestKeys: readonly string[];
  /** The first key version to load. */
  keysFrom: number;
}>;

/** A domain as loaded. */
export type Loaded = Readonly<{ state: DomainState; keys: readonly StoredKey[] }>;

/** A commit: one step of a domain from the state it was decided on to the state after it. */
export type Commit = Readonly<{
  domain: string;
  commitId: string;
  /** Milliseconds since the Unix epoch. */
  committedAt: number;
  before: DomainState;
  after: DomainState;
  events: readonly DomainEvent[];
  newKeys: readonly StoredKey[];
  /** Devices of which it is assumed, not known, that no leave of theirs is on record. */
  assumedStayed: readonly string[];
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
  readonly #db: DrizzleD1Database;
  readonly #pause: (attempt: number) => Promise<void>;

  constructor(database: D1Database, pause: (attempt: number) => Promise<void> = jitteredPause) {
    this.#db = drizzle(database);
    this.#pause = pause;
  }

  /**
   * The present state of a domain, as far as a group of commands needs it, and its keys from a version on, all read in
   * one transaction.
   *
   * @throws StorageUnavailableError
   */
  async load(domain: string, { machineGuids, requestKeys, keysFrom }: Needs): Promise<Loaded> {
    const db = this.#db;
    const present = [
      db.select().from(domainServerInfo).where(eq(domainServerInfo.domain, domain)),
      db
        .select({
          machineGuid: domainMembership.machineGuid,
          deviceKeyThumbprint: domainMembership.deviceKeyThumbprint,
          joinedAt: domainMembership.joinedAt,
        })
        .from(domainMembership)
        .where(and(eq(domainMembership.domain, domain), inArray(domainMembership.machineGuid, each(machineGuids)))),
      db
        .select({
          keyVersion: domainKeys.keyVersion,
          publicJwk: domainKeys.publicJwk,
          wrappedPrivateJwk: domainKeys.wrappedPrivateJwk,
        })
        .from(domainKeys)
        .where(and(eq(domainKeys.domain, domain), gte(domainKeys.keyVersion, keysFrom)))
        .orderBy(asc(domainKeys.keyVersion)),
    ] as const;
    const past = [
      db
        .select({
          requestKey: domainRequests.requestKey,
          domain: domainRequests.domain,
          machineGuid: domainRequests.machineGuid,
          action: domainRequests.action,
        })
        .from(domainRequests)
        .where(inArray(domainRequests.requestKey, each(requestKeys))),
      db
        .select({ machineGuid: domainRequests.machineGuid, signedAt: max(domainRequests.signedAt) })
        .from(domainRequests)
        .where(
          and(
            eq(domainRequests.domain, domain),
            inArray(domainRequests.machineGuid, each(machineGuids)),
            eq(domainRequests.action, "deregister"),
          ),
        )
        .groupBy(domainRequests.machineGuid),
    ] as const;
    // Requests without a key of their own have no past to look up.
    const [infos, members, keys, records = [], leaves = []] =
      requestKeys.length > 0
        ? await this.#reading(() => db.batch([...present, ...past]))
        : await this.#reading(() => db.batch(present));
    const [info] = infos;
    const { revision, keyRolloverRequired, memberCount } = info ?? NEWBORN;
    return {
      state: {
        revision,
        settings: info ? settingsOf(info) : NEWBORN.settings,
        keyRolloverRequired,
        keyVersion: keys.at(-1)?.keyVersion ?? 0,
        memberCount,
        members: new Map(members.map(({ machineGuid, ...membership }) => [machineGuid, membership])),
        records: new Map(
          records.map(({ requestKey, action, machineGuid, ...record }) => [
            requestKey,
            { action, machineGuid, here: record.domain === domain },
          ]),
        ),
        signedLeaves: new Map(
          leaves.flatMap(({ machineGuid, signedAt }) => (signedAt === null ? [] : [[machineGuid, signedAt]])),
        ),
      },
      keys,
    };
  }

  /**
   * The events that earlier tries of these requests left in the log, by request id, for as long as they are recent.
   *
   * @throws StorageUnavailableError
   */
  async eventsOf(domain: string, requestIds: readonly string[]): Promise<ReadonlyMap<string, DomainEvent>> {
    const rows = await this.#reading(() =>
      this.#db.all<{ event: string }>(sql`
        select change.value as event
        from ${domainLog}, json_each(${domainLog.changes}) as change
        where ${domainLog.domain} = ${domain}
          and ${domainLog.revision} > (
            select ${domainServerInfo.revision} - ${RECENT_REVISIONS}
            from ${domainServerInfo} where ${domainServerInfo.domain} = ${domain})
          and change.value ->> '$.requestId' in ${each(requestIds)}`),
    );
    const events = rows.map(({ event }) => JSON.parse(event) as DomainEvent);
    return new Map(events.flatMap((event) => ("requestId" in event ? [[event.requestId, event]] : [])));
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
    const { domain, commitId, after } = commit;
    let failure: unknown;
    for (let attempt = 0; attempt < COMMIT_TRIES; attempt++) {
      if (attempt > 0) await this.#pause(attempt);
      try {
        await inTime(this.#db.batch(this.#statements(commit)));
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

  #statements(commit: Commit): Parameters<DrizzleD1Database["batch"]>[0] {
    const { domain, commitId, committedAt, before, after, events, newKeys } = commit;
    const db = this.#db;
    const used = events.flatMap(requestRows);
    const { added, changed, removed } = membershipChanges(before.members, after.members);
    const info = {
      ...after.settings,
      keyRolloverRequired: after.keyRolloverRequired,
      memberCount: after.memberCount,
      revision: after.revision,
      updatedAt: committedAt,
    };
    return [
      db.insert(domainLog).values({
        domain,
        revision: before.revision === 0 ? after.revision : revisionAfter(commit),
        commitId,
        committedAt,
        changes: JSON.stringify(events),
      }),
      before.revision === 0
        ? db.insert(domainServerInfo).values({ domain, ...info, createdAt: committedAt })
        : db.update(domainServerInfo).set(info).where(eq(domainServerInfo.domain, domain)),
      ...(added.length === 0 ? [] : [db.insert(domainMembership).select(membershipRows(domain, added))]),
      ...(changed.length === 0
        ? []
        : [
            db
              .insert(domainMembership)
              .select(membershipRows(domain, changed))
              .onConflictDoUpdate({
                target: [domainMembership.domain, domainMembership.machineGuid],
                set: { deviceKeyThumbprint: excluded("device_key_thumbprint"), joinedAt: excluded("joined_at") },
              }),
          ]),
      ...(removed.length === 0
        ? []
        : [
            db
              .delete(domainMembership)
              .where(and(eq(domainMembership.domain, domain), inArray(domainMembership.machineGuid, each(removed)))),
          ]),
      ...(newKeys.length === 0
        ? []
        : [
            db.insert(domainKeys).select(
              sql`select ${domain}, value ->> '$.keyVersion', value ->> '$.publicJwk', value ->> '$.wrappedPrivateJwk',
                  ${committedAt}
                from json_each(${JSON.stringify(newKeys)})`,
            ),
          ]),
      ...(used.length === 0
        ? []
        : [
            db.insert(domainRequests).select(
              sql`select value ->> '$.requestKey', ${domain}, value ->> '$.machineGuid', value ->> '$.action',
                  value ->> '$.signedAt', ${committedAt}
                from json_each(${JSON.stringify(used)})`,
            ),
            // Whoever adds a row takes some old ones out, so that nobody ever has to go through them all.
            db.delete(domainRequests).where(
              inArray(
                domainRequests.requestKey,
                db
                  .select({ requestKey: domainRequests.requestKey })
                  .from(domainRequests)
                  .where(lt(domainRequests.recordedAt, committedAt - REQUEST_RECORD_MILLISECONDS))
                  .orderBy(asc(domainRequests.recordedAt))
                  .limit(REQUEST_RECORDS_CLEARED),
              ),
            ),
          ]),
    ];
  }

  /** Runs a read, again after a transient failure: reads are safe to repeat. */
  async #reading<T>(read: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await inTime(read());
      } catch (error) {
        const kind = d1Failure(error);
        if (kind === "overloaded") throw new StorageUnavailableError("D1 is overloaded", true, error);
        if (kind !== "transient") throw error;
        if (attempt >= LOAD_TRIES) throw new StorageUnavailableError("D1 does not answer", false, error);
        await this.#pause(attempt);
      }
    }
  }
}

/** The values of a list as a subquery over one bound parameter: D1 allows no more than 100 of them. */
function each(values: readonly string[]): SQL {
  return sql`(select value from json_each(${JSON.stringify(values)}))`;
}

function settingsOf(info: typeof domainServerInfo.$inferSelect): DomainSettings {
  const { authenticationRequired, authNamespace, maxMembership, deviceKeyRequired } = info;
  return { authenticationRequired, authNamespace, maxMembership, deviceKeyRequired };
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

function membershipRows(domain: string, rows: readonly MembershipRow[]): SQL {
  return sql`select ${domain}, value ->> '$.machineGuid', value ->> '$.deviceKeyThumbprint', value ->> '$.joinedAt'
    from json_each(${JSON.stringify(rows)}) where true`;
}

/**
 * The revision after the one that a commit was decided on, or NULL, which no log row may have, if the domain is not in
 * the state that the commit was decided on.
 */
function revisionAfter({ domain, before, assumedStayed }: Commit): SQL<number> {
  const { settings, revision, keyRolloverRequired, memberCount, keyVersion } = before;
  const { authenticationRequired, authNamespace, maxMembership, deviceKeyRequired } = settings;
  const info = domainServerInfo;
  const flag = (value: boolean) => (value ? 1 : 0);
  const stayed =
    assumedStayed.length === 0
      ? sql`true`
      : sql`not exists (
          select 1 from ${domainRequests} where ${domainRequests.domain} = ${domain}
            and ${domainRequests.machineGuid} in ${each(assumedStayed)} and ${domainRequests.action} = 'deregister')`;
  return sql<number>`(
    select ${info.revision} + 1 from ${info}
    where ${info.domain} = ${domain} and ${info.revision} = ${revision}
      and ${info.authenticationRequired} = ${flag(authenticationRequired)} and ${info.authNamespace} is ${authNamespace}
      and ${info.maxMembership} is ${maxMembership} and ${info.deviceKeyRequired} = ${flag(deviceKeyRequired)}
      and ${info.keyRolloverRequired} = ${flag(keyRolloverRequired)} and ${info.memberCount} = ${memberCount}
      and ${keyVersion} = (
        select coalesce(max(${domainKeys.keyVersion}), 0) from ${domainKeys} where ${domainKeys.domain} = ${domain})
      and ${stayed})`;
}

/** Gives up on a call that D1 leaves hanging; like a lost connection, it may still happen. */
async function inTime<T>(call: Promise<T>): Promise<T> {
  const { promise: deadline, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("timeout: no answer from D1")), ANSWER_MILLISECONDS);
  try {
    return await Promise.race([call, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits 20 to 40 ms before the first repetition, and twice as long before each further one. */
function jitteredPause(attempt: number): Promise<void> {
  const milliseconds = 20 * 2 ** (attempt - 1) * (1 + Math.random());
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
