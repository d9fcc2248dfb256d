import { type Placeholder, type SQL, sql } from "drizzle-orm";
import {
  domainBans,
  domainKeys,
  domainLog,
  domainMembership,
  domainRefusals,
  domainRequests,
  domainServerInfo,
} from "../../database/schema.ts";
import { CompiledStatement } from "./compiled-statement.ts";

// The statements of every group, made once: building them anew would cost more than running them. Lists go into one
// parameter as JSON, because D1 allows no more than 100 parameters, and so that their text is always the same.

const value = <Name extends string>(name: Name): Placeholder<Name> => sql.placeholder(name);
const listed = (name: string): SQL => sql`(select value from json_each(${value(name)}))`;

const info = domainServerInfo;

/** Every machine GUID given, and those that are banned together with a device key given: each found by an index. */
function bannedAmong(domain: SQL, machineGuids: SQL, thumbprints: SQL): SQL {
  return sql`select value from ${machineGuids} union select keyed.machine_guid from ${domainBans} as keyed
    where keyed.domain = ${domain} and keyed.device_key_thumbprint in ${thumbprints}`;
}

/** The columns that say in which state a domain is; `devices` and the like are JSON arrays of arrays. */
const PRESENT = sql`
  ${info.revision}, ${info.authenticationRequired}, ${info.authNamespace}, ${info.maxMembership},
  ${info.deviceKeyRequired}, ${info.keyRolloverRequired}, ${info.memberCount}, ${info.retiredUpTo},
  (select coalesce(max(${domainKeys.keyVersion}), 0) from ${domainKeys}
    where ${domainKeys.domain} = asked.domain) as key_version,
  exists (select 1 from ${domainKeys} where ${domainKeys.domain} = asked.domain
    and ${domainKeys.keyVersion} = ${value("heldVersion")}
    and ${domainKeys.publicJwk} = ${value("heldPublicJwk")}) as held_key_is_there,
  (select ${domainLog.hash} from ${domainLog} where ${domainLog.domain} = asked.domain
    and ${domainLog.revision} = ${info.revision}) as head,
  (select json_group_array(json_array(${domainMembership.machineGuid}, ${domainMembership.deviceKeyThumbprint},
      ${domainMembership.joinedAt}, ${domainMembership.signedAt}, ${domainMembership.lastRenewedOn}))
    from ${domainMembership} where ${domainMembership.domain} = asked.domain
    and ${domainMembership.machineGuid} in ${listed("machineGuids")}) as members,
  (select json_group_array(json_array(${domainBans.machineGuid}, ${domainBans.deviceKeyThumbprint},
      ${domainBans.reason}, ${domainBans.bannedBy}, ${domainBans.bannedAt}))
    from ${domainBans} where ${domainBans.domain} = asked.domain
    and ${domainBans.machineGuid} in (${bannedAmong(sql`asked.domain`, listed("machineGuids"), listed("thumbprints"))}))
    as bans`;

/** What is on record of requests that have a key of their own. */
const PAST = sql`
  (select json_group_array(json_array(${domainRequests.requestKey}, ${domainRequests.action},
      ${domainRequests.domain} = asked.domain, ${domainRequests.machineGuid}))
    from ${domainRequests} where ${domainRequests.requestKey} in ${listed("requestKeys")}) as records,
  (select json_group_array(json_array(${domainRequests.machineGuid}, ${domainRequests.signedAt}))
    from ${domainRequests} where ${domainRequests.domain} = asked.domain
    and ${domainRequests.machineGuid} in ${listed("machineGuids")}
    and ${domainRequests.action} = 'deregister' and ${domainRequests.signedAt} is not null) as signed_leaves`;

const FROM_ASKED = sql`from (select ${value("domain")} as domain) as asked
  left join ${info} on ${info.domain} = asked.domain`;

type LoadValue = "domain" | "heldVersion" | "heldPublicJwk" | "machineGuids" | "thumbprints";

/** One row with the state of a domain; its columns are null if there is no such domain. */
export const LOAD = new CompiledStatement<LoadValue>(sql`select ${PRESENT} ${FROM_ASKED}`);

/** The same with `records` and `signed_leaves`. */
export const LOAD_WITH_PAST = new CompiledStatement<LoadValue | "requestKeys">(
  sql`select ${PRESENT}, ${PAST} ${FROM_ASKED}`,
);

/** The row that `LOAD` and `LOAD_WITH_PAST` give. */
export type LoadedRow = {
  revision: number | null;
  authentication_required: number;
  auth_namespace: string | null;
  max_membership: number | null;
  device_key_required: number;
  key_rollover_required: number;
  member_count: number;
  retired_up_to: number;
  key_version: number;
  held_key_is_there: number;
  head: string | null;
  members: string;
  bans: string;
  records?: string;
  signed_leaves?: string;
};

/** The keys of a domain from a version on, oldest first. */
export const KEYS_FROM = new CompiledStatement<"domain" | "keysFrom">(sql`
  select ${domainKeys.keyVersion} as keyVersion, ${domainKeys.publicJwk} as publicJwk,
    ${domainKeys.wrappedPrivateJwk} as wrappedPrivateJwk
  from ${domainKeys}
  where ${domainKeys.domain} = ${value("domain")} and ${domainKeys.keyVersion} >= ${value("keysFrom")}
  order by ${domainKeys.keyVersion}`);

/** Whether nothing is on record of the leave of a device that is assumed to have none. */
const STAYED = sql`not exists (select 1 from ${domainRequests}
  where ${domainRequests.domain} = ${value("domain")}
  and ${domainRequests.machineGuid} in ${listed("assumedStayed")} and ${domainRequests.action} = 'deregister')`;

/** Whether no ban is on record of a device, by its machine GUID or its key, that is assumed to have none. */
const WELCOME = sql`not exists (select 1 from ${domainBans} where ${domainBans.domain} = ${value("domain")}
  and ${domainBans.machineGuid} in (${bannedAmong(
    sql`${value("domain")}`,
    listed("assumedWelcome"),
    listed("assumedWelcomeKeys"),
  )}))`;

/**
 * Takes the next revision, if the domain is in the state that the commit was decided on: else the revision is NULL,
 * which no row of the log may have, and the whole batch is undone.
 */
export const TAKE_REVISION = new CompiledStatement<
  | "domain"
  | "commitId"
  | "committedAt"
  | "changes"
  | "revision"
  | "authenticationRequired"
  | "authNamespace"
  | "maxMembership"
  | "deviceKeyRequired"
  | "keyRolloverRequired"
  | "memberCount"
  | "retiredUpTo"
  | "keyVersion"
  | "assumedStayed"
  | "assumedWelcome"
  | "assumedWelcomeKeys"
  | "previous"
  | "hash"
>(sql`
  insert into ${domainLog} (domain, revision, commit_id, committed_at, changes, hash) values (${value("domain")}, (
    select ${info.revision} + 1 from ${info}
    where ${info.domain} = ${value("domain")} and ${info.revision} = ${value("revision")}
      and ${info.authenticationRequired} = ${value("authenticationRequired")}
      and ${info.authNamespace} is ${value("authNamespace")} and ${info.maxMembership} is ${value("maxMembership")}
      and ${info.deviceKeyRequired} = ${value("deviceKeyRequired")}
      and ${info.keyRolloverRequired} = ${value("keyRolloverRequired")}
      and ${info.memberCount} = ${value("memberCount")} and ${info.retiredUpTo} = ${value("retiredUpTo")}
      and ${value("keyVersion")} = (select coalesce(max(${domainKeys.keyVersion}), 0) from ${domainKeys}
        where ${domainKeys.domain} = ${value("domain")})
      and ${value("previous")} is (select ${domainLog.hash} from ${domainLog}
        where ${domainLog.domain} = ${value("domain")} and ${domainLog.revision} = ${value("revision")})
      and ${STAYED} and ${WELCOME}),
    ${value("commitId")}, ${value("committedAt")}, ${value("changes")}, ${value("hash")})`);

/** Takes revision 1 of a domain that does not exist yet. */
export const TAKE_FIRST_REVISION = new CompiledStatement<
  "domain" | "commitId" | "committedAt" | "changes" | "hash"
>(sql`
  insert into ${domainLog} (domain, revision, commit_id, committed_at, changes, hash) values
    (${value("domain")}, 1, ${value("commitId")}, ${value("committedAt")}, ${value("changes")}, ${value("hash")})`);

/** What a join changes of a domain. */
export const COUNT_MEMBERS = new CompiledStatement<"domain" | "memberCount" | "revision" | "committedAt">(sql`
  update ${info} set member_count = ${value("memberCount")}, revision = ${value("revision")},
    updated_at = ${value("committedAt")}
  where ${info.domain} = ${value("domain")}`);

/** New memberships: an array of a row's values for each. One that is there already is an error. */
export const ADD_MEMBERS = new CompiledStatement<"domain" | "rows">(sql`
  insert into ${domainMembership} (domain, machine_guid, device_key_thumbprint, joined_at, signed_at, last_renewed_on)
  select ${value("domain")}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
  from json_each(${value("rows")})`);

/** Notes the day on which members renewed. */
export const NOTE_RENEWALS = new CompiledStatement<"domain" | "day" | "machineGuids">(sql`
  update ${domainMembership} set last_renewed_on = ${value("day")}
  where ${domainMembership.domain} = ${value("domain")} and ${domainMembership.machineGuid} in ${listed("machineGuids")}
    and coalesce(${domainMembership.lastRenewedOn}, 0) < ${value("day")}`);

/** Adds to the counts of refusals, an array of hour, error and count for each; not for a domain that does not exist. */
export const COUNT_REFUSALS = new CompiledStatement<"domain" | "rows">(sql`
  insert into ${domainRefusals} (domain, hour, error, refusals)
  select ${value("domain")}, value ->> 0, value ->> 1, value ->> 2 from json_each(${value("rows")})
  where exists (select 1 from ${info} where ${info.domain} = ${value("domain")})
  on conflict do update set refusals = refusals + excluded.refusals`);
