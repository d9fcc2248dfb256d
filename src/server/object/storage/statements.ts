import { getTableColumns, getTableName } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import {
  copyOutbox,
  domainBans,
  domainDeletion,
  domainKeys,
  domainLog,
  domainLogCheckpoint,
  domainMembership,
  domainRefusals,
  domainRequests,
  domainServerInfo,
  domainSignedLeaves,
  progress,
  takeOver,
} from "./schema.ts";

// The statements of every commit, as texts that are made once. A list is one parameter, as JSON; `VALUES` are the columns
// of its rows.

/** The rows of the tables, as SQLite holds them. */
export type DomainRow = typeof domainServerInfo.$inferSelect;
export type MemberRow = typeof domainMembership.$inferSelect;
export type StoredDomainKey = typeof domainKeys.$inferSelect;
export type BanRow = typeof domainBans.$inferSelect;
export type ProgressRow = typeof progress.$inferSelect;
export type DeletionRow = typeof domainDeletion.$inferSelect;

/** A value of a column. */
type Value = string | number | null;

const columnsOf = (table: SQLiteTable) =>
  Object.entries(getTableColumns(table)).map(([name, column]) => [name, column.name]);
/** All columns of a table, each under the name of its member. */
const select = (table: SQLiteTable) =>
  `select ${columnsOf(table).map(([name, column]) => `${column} as ${name}`)} from ${getTableName(table)}`;
const VALUES = (count: number) => Array.from({ length: count }, (_, index) => `value ->> ${index}`).join();
const LISTED = "(select value from json_each(?))";

/** A function that writes the only row of a table. */
const onlyRowWriter = (table: SQLiteTable) => {
  const columns = columnsOf(table);
  const names = columns.map(([name]) => name as string);
  const text = `insert or replace into ${getTableName(table)} (${columns.map(([, column]) => column)})
    values (${columns.map(() => "?")})`;
  return (sql: SqlStorage, row: Readonly<Record<string, Value>>) =>
    sql.exec(text, ...names.map((name) => row[name] ?? null));
};

export const writeDomain = onlyRowWriter(domainServerInfo);
export const writeProgress = onlyRowWriter(progress);
export const writeDeletion = onlyRowWriter(domainDeletion);

export const READ_DOMAIN = select(domainServerInfo);
export const READ_PROGRESS = select(progress);
export const READ_DELETION = select(domainDeletion);

/** Empty every table but that of deletions. */
export const ERASE_ALL = [
  domainServerInfo,
  domainMembership,
  domainKeys,
  domainBans,
  domainRequests,
  domainSignedLeaves,
  domainLog,
  domainLogCheckpoint,
  domainRefusals,
  copyOutbox,
  progress,
  takeOver,
].map((table) => `delete from ${getTableName(table)}`);

/** A row of what is known of devices and requests: a member, or the record of a request. */
export type KnownRow =
  | ["member", string, string | null, number, number | null, number, string | null, string | null]
  | ["record", string, string, string | null, string, null, null, null];

const known = (machineGuids: string, ids: string) => `
  select 'member', machine_guid, device_key_thumbprint, joined_at, signed_at, last_renewed_on, subject_hash, sealed_name
  from domain_membership where machine_guid in ${machineGuids}
  union all
  select 'record', id, command, machine_guid, outcome, null, null, null from domain_requests where id in ${ids}`;
/** The member and the records of many commands, and those of one, which has a machine GUID and two ids at most. */
export const READ_KNOWN = known(LISTED, LISTED);
export const READ_KNOWN_OF_ONE = known("(?)", "(?, ?)");

export const WRITE_MEMBERS = `
  insert or replace into domain_membership
    (machine_guid, device_key_thumbprint, joined_at, signed_at, last_renewed_on, subject_hash, sealed_name)
  select ${VALUES(7)} from json_each(?)`;
export const REMOVE_MEMBERS = `delete from domain_membership where machine_guid in ${LISTED}`;
/** The members that have not renewed for longest, in the order in which they leave for newcomers. */
export const READ_LEAST_RECENT = `${select(domainMembership)} order by last_renewed_on, joined_at, machine_guid limit ?`;

/** How many members joined by tokens of each of some subjects. */
export const COUNT_BY_SUBJECT = `
  select subject_hash as subjectHash, count(*) as count from domain_membership
  where subject_hash in ${LISTED} group by 1`;

/** The bans that concern machine GUIDs or device keys, each found by an index. */
export const READ_BANS = `${select(domainBans)} where machine_guid in ${LISTED}
  union ${select(domainBans)} where device_key_thumbprint in ${LISTED}`;
export const WRITE_BANS = `
  insert or replace into domain_bans (machine_guid, device_key_thumbprint, reason, banned_by, banned_at)
  select ${VALUES(5)} from json_each(?)`;
export const REMOVE_BANS = `delete from domain_bans where machine_guid in ${LISTED}`;

/** The keys above a version, up to another. */
export const READ_KEYS = `${select(domainKeys)} where key_version > ? and key_version <= ? order by key_version`;
export const WRITE_KEYS = `
  insert into domain_keys (key_version, public_jwk, wrapped_private_jwk, key_encryption_kid, created_at)
  select ${VALUES(5)} from json_each(?)`;

export const WRITE_RECORDS = `
  insert or ignore into domain_requests (id, command, machine_guid, outcome, recorded_at)
  select ${VALUES(5)} from json_each(?)`;

export const READ_SIGNED_LEAVES = `
  select machine_guid as machineGuid, signed_at as signedAt from domain_signed_leaves where machine_guid in ${LISTED}`;
export const WRITE_SIGNED_LEAVES = `
  insert into domain_signed_leaves (machine_guid, signed_at, recorded_at) select ${VALUES(3)} from json_each(?) where true
  on conflict do update set signed_at = max(signed_at, excluded.signed_at), recorded_at = excluded.recorded_at`;

export const APPEND_TO_LOG =
  "insert into domain_log (revision, committed_at, changes, hash, mac) values (?, ?, ?, ?, ?)";
export const APPEND_TO_OUTBOX = "insert into copy_outbox (revision, keys) values (?, ?)";

/** Notes the day on which members renewed. */
export const NOTE_RENEWALS = `
  update domain_membership set last_renewed_on = ?1
  where machine_guid in (select value from json_each(?2)) and last_renewed_on < ?1`;

/** Adds to the counts of refusals: hour, error and count of each. */
export const COUNT_REFUSALS = `
  insert into domain_refusals (hour, error, refusals) select ${VALUES(3)} from json_each(?) where true
  on conflict do update set refusals = refusals + excluded.refusals`;
