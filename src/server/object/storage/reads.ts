import { currentKeyVersion } from "../../../domain/rollover.ts";
import type { DomainSettings } from "../../../domain/types.ts";
import { type DomainStorage, settingsOf } from "./domain-storage.ts";
import { type HashedEntry, type LogPage, readCheckpoint, readLog } from "./log.ts";

// What a domain tells about itself, each by one query. None of it is called for a domain that does not exist.

/** A page of rows: up to so many, after the row with this key; null for the first page. */
export type Page<Key> = Readonly<{ after: Key | null; limit: number }>;

/** A domain's settings and counters; times in milliseconds since the Unix epoch. */
export type DomainOverview = DomainSettings &
  Readonly<{
    domain: string;
    keyVersion: number;
    retiredUpTo: number;
    keyRolloverRequired: boolean;
    memberCount: number;
    revision: number;
    createdAt: number;
    updatedAt: number;
    /** The revision that D1 has. */
    copiedRevision: number;
    /** How long D1 has been lacking something; 0 if it lacks nothing. */
    copySecondsBehind: number;
  }>;

/** A member, with its whole machine GUID. */
export type MemberRow = {
  machineGuid: string;
  deviceKeyThumbprint: string | null;
  joinedAt: number;
  /** In days since the Unix epoch. */
  lastRenewedOn: number;
};

/** A banned device, with its whole machine GUID. */
export type BanRow = {
  machineGuid: string;
  deviceKeyThumbprint: string | null;
  reason: string;
  bannedBy: string;
  bannedAt: number;
};

/** The public keys of a domain (JWKs as JSON, oldest first), and the version to encrypt to, if there is one now. */
export type PublicKeys = Readonly<{ currentKeyVersion: number | null; publicJwks: readonly string[] }>;

const MEMBER = `select machine_guid as machineGuid, device_key_thumbprint as deviceKeyThumbprint,
  joined_at as joinedAt, last_renewed_on as lastRenewedOn from domain_membership`;
const BAN = `select machine_guid as machineGuid, device_key_thumbprint as deviceKeyThumbprint, reason,
  banned_by as bannedBy, banned_at as bannedAt from domain_bans`;

/** The readings that can be asked of a domain's object, by name. */
export const READS = {
  overview(storage: DomainStorage): DomainOverview {
    const { row, progress } = storage;
    if (!row) throw new Error("there is no domain");
    const { domain, keyVersion, retiredUpTo, memberCount, revision, createdAt, updatedAt } = row;
    return {
      ...settingsOf(row),
      domain,
      keyVersion,
      retiredUpTo,
      keyRolloverRequired: row.keyRolloverRequired === 1,
      memberCount,
      revision,
      createdAt,
      updatedAt,
      copiedRevision: progress.copiedRevision,
      copySecondsBehind: progress.staleSince === null ? 0 : Math.ceil((Date.now() - progress.staleSince) / 1_000),
    };
  },

  publicKeys({ sql, domainState }: DomainStorage): PublicKeys {
    const rows = sql.exec<{ jwk: string }>("select public_jwk as jwk from domain_keys order by key_version");
    return { currentKeyVersion: currentKeyVersion(domainState), publicJwks: [...rows].map(({ jwk }) => jwk) };
  },

  /** Members by machine GUID. */
  members({ sql }: DomainStorage, { after, limit }: Page<string>): readonly MemberRow[] {
    return sql
      .exec<MemberRow>(`${MEMBER} where machine_guid > ? order by machine_guid limit ?`, after ?? "", limit)
      .toArray();
  },

  member({ sql }: DomainStorage, machineGuid: string): MemberRow | null {
    return sql.exec<MemberRow>(`${MEMBER} where machine_guid = ?`, machineGuid).toArray()[0] ?? null;
  },

  /** The members that have not renewed for longest. */
  leastRecentlyRenewed({ sql }: DomainStorage, limit: number): readonly MemberRow[] {
    return sql.exec<MemberRow>(`${MEMBER} order by last_renewed_on limit ?`, limit).toArray();
  },

  /** Bans by machine GUID. */
  bans({ sql }: DomainStorage, { after, limit }: Page<string>): readonly BanRow[] {
    return sql
      .exec<BanRow>(`${BAN} where machine_guid > ? order by machine_guid limit ?`, after ?? "", limit)
      .toArray();
  },

  ban({ sql }: DomainStorage, machineGuid: string): BanRow | null {
    return sql.exec<BanRow>(`${BAN} where machine_guid = ?`, machineGuid).toArray()[0] ?? null;
  },

  /** Key versions, newest first, and when each was made. */
  keyVersions({ sql }: DomainStorage, { after, limit }: Page<number>) {
    return sql
      .exec<{ keyVersion: number; createdAt: number }>(
        `select key_version as keyVersion, created_at as createdAt from domain_keys
          where key_version < ? order by key_version desc limit ?`,
        after ?? Number.MAX_SAFE_INTEGER,
        limit,
      )
      .toArray();
  },

  log(storage: DomainStorage, page: LogPage): Readonly<{ rows: readonly HashedEntry[]; cut: boolean }> {
    return readLog(storage, page);
  },

  checkpoint: readCheckpoint,

  /** The counts of refusals from an hour on, in hours since the Unix epoch, newest first. */
  refusals({ sql }: DomainStorage, fromHour: number, limit: number) {
    return sql
      .exec<{ hour: number; error: string; refusals: number }>(
        "select hour, error, refusals from domain_refusals where hour >= ? order by hour desc, error limit ?",
        fromHour,
        limit,
      )
      .toArray();
  },

  /** Joins and departures by day, in days since the Unix epoch, from a day on, out of the newest commits of the log. */
  activity({ sql }: DomainStorage, fromDay: number, commits: number) {
    const newest = "select committed_at, changes from domain_log order by revision desc limit ?";
    const days = sql
      .exec<{ day: number; joined: number; left: number }>(
        `select cast(commits.committed_at / 86400000 as integer) as day,
            sum(change.value ->> '$.type' = 'device-joined') as joined,
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

/** The name of a reading. */
export type ReadName = keyof typeof READS;

/** What a reading is asked besides the domain. */
export type ReadArguments<Name extends ReadName> =
  Parameters<(typeof READS)[Name]> extends [DomainStorage, ...infer Rest] ? Rest : never;

/** What a reading gives. */
export type ReadResult<Name extends ReadName> = ReturnType<(typeof READS)[Name]>;
