import { type Placeholder, type SQL, sql } from "drizzle-orm";
import { CompiledStatement } from "./compiled-statement.ts";
import {
  copyOutbox,
  domainBans,
  domainKeys,
  domainLog,
  domainMembership,
  domainRefusals,
  domainRequests,
  domainServerInfo,
  domainSignedLeaves,
  progress,
} from "./schema.ts";

// The statements of every batch, made once: building one costs more than running it. A list is one parameter, as JSON.

const value = <Name extends string>(name: Name): Placeholder<Name> => sql.placeholder(name);
const listed = (name: string): SQL => sql`(select value from json_each(${value(name)}))`;
/** The columns of a row, by position in its JSON array. */
const columns = (count: number): SQL =>
  sql.join(
    Array.from({ length: count }, (_, index) => sql`value ->> ${sql.raw(String(index))}`),
    sql`, `,
  );

/** The row of the domain. */
export type DomainRow = typeof domainServerInfo.$inferSelect;

/** The row of the progress. */
export type ProgressRow = typeof progress.$inferSelect;

export const READ_DOMAIN = new CompiledStatement<never, DomainRow>(sql`
  select domain, authentication_required as authenticationRequired, auth_namespace as authNamespace,
    max_membership as maxMembership, device_key_required as deviceKeyRequired,
    key_rollover_required as keyRolloverRequired, member_count as memberCount, key_version as keyVersion,
    retired_up_to as retiredUpTo, revision, head, created_at as createdAt, updated_at as updatedAt
  from ${domainServerInfo}`);

export const WRITE_DOMAIN = new CompiledStatement<keyof DomainRow>(sql`
  insert or replace into ${domainServerInfo} (domain, authentication_required, auth_namespace, max_membership,
    device_key_required, key_rollover_required, member_count, key_version, retired_up_to, revision, head, created_at,
    updated_at)
  values (${value("domain")}, ${value("authenticationRequired")}, ${value("authNamespace")}, ${value("maxMembership")},
    ${value("deviceKeyRequired")}, ${value("keyRolloverRequired")}, ${value("memberCount")}, ${value("keyVersion")},
    ${value("retiredUpTo")}, ${value("revision")}, ${value("head")}, ${value("createdAt")}, ${value("updatedAt")})`);

export const READ_PROGRESS = new CompiledStatement<never, ProgressRow>(sql`
  select id, copied_revision as copiedRevision, copied_head as copiedHead, stale_since as staleSince,
    rewrite_due as rewriteDue, compared_at as comparedAt, published_revision as publishedRevision,
    rewrapped_kid as rewrappedKid
  from ${progress}`);

export const WRITE_PROGRESS = new CompiledStatement<keyof ProgressRow>(sql`
  insert or replace into ${progress} (id, copied_revision, copied_head, stale_since, rewrite_due, compared_at,
    published_revision, rewrapped_kid)
  values (${value("id")}, ${value("copiedRevision")}, ${value("copiedHead")}, ${value("staleSince")},
    ${value("rewriteDue")}, ${value("comparedAt")}, ${value("publishedRevision")}, ${value("rewrappedKid")})`);

/** The members among the machine GUIDs given, a JSON array. */
export const READ_MEMBERS = new CompiledStatement<
  "machineGuids",
  {
    machineGuid: string;
    deviceKeyThumbprint: string | null;
    joinedAt: number;
    signedAt: number | null;
    lastRenewedOn: number;
  }
>(sql`
  select machine_guid as machineGuid, device_key_thumbprint as deviceKeyThumbprint, joined_at as joinedAt,
    signed_at as signedAt, last_renewed_on as lastRenewedOn
  from ${domainMembership} where ${domainMembership.machineGuid} in ${listed("machineGuids")}`);

/** New or changed members: an array of the columns of each. */
export const WRITE_MEMBERS = new CompiledStatement<"rows">(sql`
  insert into ${domainMembership} (machine_guid, device_key_thumbprint, joined_at, signed_at, last_renewed_on)
  select ${columns(5)} from json_each(${value("rows")}) where true
  on conflict do update set device_key_thumbprint = excluded.device_key_thumbprint, joined_at = excluded.joined_at,
    signed_at = excluded.signed_at, last_renewed_on = excluded.last_renewed_on`);

export const REMOVE_MEMBERS = new CompiledStatement<"machineGuids">(sql`
  delete from ${domainMembership} where ${domainMembership.machineGuid} in ${listed("machineGuids")}`);

/** The records among the ids given, a JSON array. */
export const READ_RECORDS = new CompiledStatement<
  "ids",
  { id: string; command: string; machineGuid: string | null; outcome: string }
>(sql`
  select id, command, machine_guid as machineGuid, outcome
  from ${domainRequests} where ${domainRequests.id} in ${listed("ids")}`);

/** New records: an array of id, command, machine GUID and outcome for each. */
export const WRITE_RECORDS = new CompiledStatement<"rows" | "recordedAt">(sql`
  insert or ignore into ${domainRequests} (id, command, machine_guid, outcome, recorded_at)
  select ${columns(4)}, ${value("recordedAt")} from json_each(${value("rows")})`);

export const READ_SIGNED_LEAVES = new CompiledStatement<"machineGuids", { machineGuid: string; signedAt: number }>(sql`
  select machine_guid as machineGuid, signed_at as signedAt
  from ${domainSignedLeaves} where ${domainSignedLeaves.machineGuid} in ${listed("machineGuids")}`);

/** Signed leaves: an array of machine GUID and time for each. */
export const WRITE_SIGNED_LEAVES = new CompiledStatement<"rows" | "recordedAt">(sql`
  insert into ${domainSignedLeaves} (machine_guid, signed_at, recorded_at)
  select ${columns(2)}, ${value("recordedAt")} from json_each(${value("rows")}) where true
  on conflict do update set signed_at = max(signed_at, excluded.signed_at), recorded_at = excluded.recorded_at`);

/** The bans that concern machine GUIDs or device keys, each found by an index. */
export const READ_BANS = new CompiledStatement<
  "machineGuids" | "thumbprints",
  { machineGuid: string; deviceKeyThumbprint: string | null; reason: string; by: string; bannedAt: number }
>(sql`
  select machine_guid as machineGuid, device_key_thumbprint as deviceKeyThumbprint, reason, banned_by as by,
    banned_at as bannedAt
  from ${domainBans} where ${domainBans.machineGuid} in ${listed("machineGuids")}
  union
  select machine_guid, device_key_thumbprint, reason, banned_by, banned_at
  from ${domainBans} where ${domainBans.deviceKeyThumbprint} in ${listed("thumbprints")}`);

/** New or changed bans: an array of the columns of each. */
export const WRITE_BANS = new CompiledStatement<"rows">(sql`
  insert or replace into ${domainBans} (machine_guid, device_key_thumbprint, reason, banned_by, banned_at)
  select ${columns(5)} from json_each(${value("rows")})`);

export const REMOVE_BANS = new CompiledStatement<"machineGuids">(sql`
  delete from ${domainBans} where ${domainBans.machineGuid} in ${listed("machineGuids")}`);

/** A domain key as it rests: its public JWK (JSON) and its private JWK, wrapped (compact JWE). */
export type StoredKey = typeof domainKeys.$inferSelect;

/** The keys above a version, up to another. */
export const READ_KEYS = new CompiledStatement<"after" | "upTo", StoredKey>(sql`
  select key_version as keyVersion, public_jwk as publicJwk, wrapped_private_jwk as wrappedPrivateJwk,
    key_encryption_kid as keyEncryptionKid, created_at as createdAt
  from ${domainKeys} where ${domainKeys.keyVersion} > ${value("after")} and ${domainKeys.keyVersion} <= ${value("upTo")}
  order by ${domainKeys.keyVersion}`);

/** New keys: an array of the columns of each. */
export const WRITE_KEYS = new CompiledStatement<"rows">(sql`
  insert into ${domainKeys} (key_version, public_jwk, wrapped_private_jwk, key_encryption_kid, created_at)
  select ${columns(5)} from json_each(${value("rows")})`);

export const APPEND_TO_LOG = new CompiledStatement<"revision" | "committedAt" | "changes" | "hash">(sql`
  insert into ${domainLog} (revision, committed_at, changes, hash)
  values (${value("revision")}, ${value("committedAt")}, ${value("changes")}, ${value("hash")})`);

export const APPEND_TO_OUTBOX = new CompiledStatement<"revision" | "members" | "keys" | "bans">(sql`
  insert into ${copyOutbox} (revision, members, keys, bans)
  values (${value("revision")}, ${value("members")}, ${value("keys")}, ${value("bans")})`);

/** Notes the day on which members renewed. */
export const NOTE_RENEWALS = new CompiledStatement<"day" | "machineGuids">(sql`
  update ${domainMembership} set last_renewed_on = ${value("day")}
  where ${domainMembership.machineGuid} in ${listed("machineGuids")} and last_renewed_on < ${value("day")}`);

/** Adds to the counts of refusals: an array of hour, error and count for each. */
export const COUNT_REFUSALS = new CompiledStatement<"rows">(sql`
  insert into ${domainRefusals} (hour, error, refusals)
  select ${columns(3)} from json_each(${value("rows")}) where true
  on conflict do update set refusals = refusals + excluded.refusals`);
