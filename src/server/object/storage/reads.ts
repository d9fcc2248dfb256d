import { asc, desc, eq, gt, gte, lt, type SQL, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/durable-sqlite";
import type { Samples } from "../../database/metrics.ts";
import { type DomainStorage, settingsOf } from "./domain-storage.ts";
import { type LogFilter, type LogPage, readCheckpoint, readLog } from "./log.ts";
import { domainBans, domainKeys, domainMembership, domainRefusals } from "./schema.ts";
import { type MemberRow, READ_LEAST_RECENT } from "./statements.ts";

/** Keys to read: one by its version or its `kid`, or those before a version (null for all). */
export type KeySelection = Readonly<{ version: number } | { kid: string } | { before: number | null }>;

/** A page of rows: up to so many, after the row with this key; null for the first page. */
export type RowPage<Key> = Readonly<{ after: Key | null; limit: number }>;

/** The reads of an existing domain, by name. */
export const READS = {
  /** The domain's settings and state, and how far D1 is behind. */
  overview(storage: DomainStorage) {
    const { row, progress } = storage;
    if (!row) throw new Error("there is no domain");
    const { head, keyRolloverRequired, keyMadeAt, lostUpTo, rolloverNotBefore, deviceIdKey, epoch, ...rest } = row;
    return {
      ...rest,
      ...settingsOf(row),
      keyRolloverRequired: keyRolloverRequired === 1,
      database: storage.database,
      copiedRevision: progress.copiedRevision,
      copySecondsBehind: progress.staleSince === null ? 0 : Math.ceil((Date.now() - progress.staleSince) / 1_000),
    };
  },

  /** The public keys of a selection: the newest, oldest first (JWKs as JSON). */
  publicKeys(storage: DomainStorage, selection: KeySelection, limit: number) {
    const { keyVersion, publicJwk } = domainKeys;
    const keys = open(storage)
      .select({ keyVersion, publicJwk })
      .from(domainKeys)
      .where(selected(selection))
      .orderBy(desc(keyVersion))
      .limit(limit)
      .all();
    return keys.reverse();
  },

  /**
   * The highest version that is retired, or whose successor was made by a time (milliseconds since the Unix epoch). Reads
   * no more keys than were made by then and are not retired, and one.
   */
  supersededBy({ sql, domainState: { keyVersion, retiredUpTo } }: DomainStorage, time: number) {
    const query = "select min(key_version) as version from domain_keys where key_version > ? and created_at > ?";
    const { version } = sql.exec<{ version: number | null }>(query, retiredUpTo + 1, time).one();
    // The key before the first younger one was in use at that time: those below it were superseded.
    return Math.max(retiredUpTo, (version ?? keyVersion + 1) - 2);
  },

  /** Members by machine GUID. */
  members(storage: DomainStorage, { after, limit }: RowPage<string>) {
    const { machineGuid } = domainMembership;
    const members = open(storage).select().from(domainMembership);
    return members
      .where(gt(machineGuid, after ?? ""))
      .orderBy(asc(machineGuid))
      .limit(limit)
      .all()
      .map(identified(storage));
  },

  member(storage: DomainStorage, machineGuid: string) {
    const members = open(storage).select().from(domainMembership);
    return members.where(eq(domainMembership.machineGuid, machineGuid)).all().map(identified(storage))[0] ?? null;
  },

  /** The member that the log has under a device id, if it is among so many after a machine GUID; and the last of those. */
  memberInLog(storage: DomainStorage, deviceId: string, { after, limit }: RowPage<string>) {
    const query = "select machine_guid from domain_membership where machine_guid > ? order by machine_guid limit ?";
    const guids = [...storage.sql.exec<{ machine_guid: string }>(query, after ?? "", limit)].map(
      (row) => row.machine_guid,
    );
    return {
      machineGuid: guids.find((guid) => storage.deviceId(guid) === deviceId) ?? null,
      last: guids.length < limit ? null : (guids.at(-1) as string),
    };
  },

  /** The members that have not renewed for longest, in the order in which they leave for newcomers. */
  leastRecentlyRenewed(storage: DomainStorage, limit: number) {
    return storage.sql.exec<MemberRow>(READ_LEAST_RECENT, limit).toArray().map(identified(storage));
  },

  /** The day of the newest renewal of a member, in days since the Unix epoch; null without members. */
  lastRenewedOn({ sql }: DomainStorage) {
    return sql.exec<{ day: number | null }>("select max(last_renewed_on) as day from domain_membership").one().day;
  },

  /** The machine GUIDs of members that last renewed before a day, in days since the Unix epoch. */
  lastRenewedBefore({ sql }: DomainStorage, day: number, limit: number) {
    const query = "select machine_guid as machineGuid from domain_membership where last_renewed_on < ? limit ?";
    return sql
      .exec<{ machineGuid: string }>(query, day, limit)
      .toArray()
      .map(({ machineGuid }) => machineGuid);
  },

  /** Bans by machine GUID. */
  bans(storage: DomainStorage, { after, limit }: RowPage<string>) {
    const { machineGuid } = domainBans;
    const bans = open(storage).select().from(domainBans);
    return bans
      .where(gt(machineGuid, after ?? ""))
      .orderBy(asc(machineGuid))
      .limit(limit)
      .all()
      .map(identified(storage));
  },

  ban(storage: DomainStorage, machineGuid: string) {
    const bans = open(storage).select().from(domainBans);
    return bans.where(eq(domainBans.machineGuid, machineGuid)).all().map(identified(storage))[0] ?? null;
  },

  /** Key versions, newest first, and when each was made. */
  keyVersions(storage: DomainStorage, { after, limit }: RowPage<number>) {
    const { keyVersion, createdAt } = domainKeys;
    const kid = sql<string>`public_jwk ->> 'kid'`;
    const keys = open(storage).select({ keyVersion, kid, createdAt }).from(domainKeys);
    return keys
      .where(lt(keyVersion, after ?? Number.MAX_SAFE_INTEGER))
      .orderBy(desc(keyVersion))
      .limit(limit)
      .all();
  },

  log(storage: DomainStorage, page: LogPage, filter: LogFilter = {}) {
    const { rows, ...rest } = readLog(storage, page, filter);
    return { ...rest, rows: rows.map(({ mac, ...entry }) => entry) };
  },

  /** The log entries after a revision that do not have this domain's MAC, among so many; and the last that was looked at. */
  forgedEntries({ sql, logMacs }: DomainStorage, after: number, limit: number) {
    const query = "select revision, hash, mac from domain_log where revision > ? order by revision limit ?";
    const entries = sql.exec<{ revision: number; hash: string; mac: string }>(query, after, limit).toArray();
    const forged = entries.filter(({ hash, mac }) => !logMacs.isOf(hash, mac));
    return { forged: forged.map(({ revision }) => revision), last: entries.at(-1)?.revision ?? null };
  },

  checkpoint: readCheckpoint,

  /** The counts of refusals from an hour on, in hours since the Unix epoch, newest first. */
  refusals(storage: DomainStorage, fromHour: number, limit: number) {
    const { hour, error } = domainRefusals;
    const refusals = open(storage).select().from(domainRefusals).where(gte(hour, fromHour));
    return refusals.orderBy(desc(hour), asc(error)).limit(limit).all();
  },

  /** Counters of the metrics for the changes after one revision, up to another. */
  counts({ sql }: DomainStorage, after: number, upTo: number): Samples {
    const query = `select change.value ->> '$.type' as type, count(*) as count
      from domain_log, json_each(domain_log.changes) as change where revision > ? and revision <= ? group by 1`;
    const counts: Record<string, number> = upTo > after ? { device_domain_commits_total: upTo - after } : {};
    for (const { type, count } of sql.exec<{ type: string; count: number }>(query, after, upTo)) {
      const name = COUNTERS[type];
      if (name !== undefined) counts[name] = count;
    }
    return counts;
  },

  /** Joins and departures by day, in days since the Unix epoch, from a day on, out of the newest commits of the log. */
  activity({ sql }: DomainStorage, fromDay: number, commits: number) {
    const newest = "select committed_at, changes from domain_log order by revision desc limit ?";
    const days = sql
      .exec<{ day: number; joined: number; left: number }>(
        `select commits.committed_at / 86400000 as day, sum(change.value ->> '$.type' = 'device-joined') as joined,
            sum(change.value ->> '$.type' in ('device-left', 'device-evicted')) as left
          from (${newest}) as commits, json_each(commits.changes) as change
          where commits.committed_at >= ? group by 1 having joined > 0 or left > 0 order by 1`,
        commits,
        fromDay * 86_400_000,
      )
      .toArray();
    const { seen, since } = sql
      .exec<{ seen: number; since: number }>(
        `select count(*) as seen, coalesce(min(committed_at), 0) as since from (${newest})`,
        commits,
      )
      .one();
    return { days, complete: seen < commits || since < fromDay * 86_400_000 };
  },
};

/** The counters of what a log entry records. */
const COUNTERS: Readonly<Record<string, string>> = {
  "domain-created": "device_domain_domains_created_total",
  "device-joined": "device_domain_joins_total",
  "device-left": "device_domain_leaves_total",
  "device-evicted": "device_domain_removals_total",
  "key-made": "device_domain_rollovers_total",
};

function selected(selection: KeySelection): SQL {
  if ("version" in selection) return eq(domainKeys.keyVersion, selection.version);
  if ("kid" in selection) return sql`public_jwk ->> 'kid' = ${selection.kid}`;
  return lt(domainKeys.keyVersion, selection.before ?? Number.MAX_SAFE_INTEGER);
}

/** Adds the device id to a row with a machine GUID. */
function identified(storage: DomainStorage) {
  return <Row extends { machineGuid: string }>(row: Row) => ({ ...row, deviceId: storage.deviceId(row.machineGuid) });
}

function open({ storage }: DomainStorage) {
  return drizzle(storage);
}

/** The name of a reading. */
export type ReadName = keyof typeof READS;

/** The arguments of a reading besides the domain. */
export type ReadArguments<Name extends ReadName> =
  Parameters<(typeof READS)[Name]> extends [DomainStorage, ...infer Rest] ? Rest : never;

/** The result of a reading. */
export type ReadResult<Name extends ReadName> = ReturnType<(typeof READS)[Name]>;
