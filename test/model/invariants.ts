import { createHash } from "node:crypto";
import type { JWK } from "jose";
import { replayed, stateAfterCut } from "../../src/domain/log-replay.ts";
import type { Row } from "../support/node/sqlite-file.ts";
import type { Call, History } from "./history.ts";
import type { DomainRows, LogRow, ObjectFiles } from "./object-files.ts";
import type { Answer, Change } from "./requests.ts";
import { RolloverRules } from "./rollover-rules.ts";

/** The contradictions among a domain's rows: none may have any, whatever was asked of it. */
export function contradictions(rows: DomainRows): readonly string[] {
  const { info, members, keys, log, deletion } = rows;
  if (!info) {
    const left = members.length + keys.length + log.length + rows.bans.length;
    return left === 0 ? [] : ["rows of a domain that is not there"];
  }
  const found: string[] = [];
  const demand = (holds: boolean, otherwise: string) => holds || found.push(otherwise);
  // A domain goes on above the key versions and revisions of one of its name that was deleted.
  const lost = Number(deletion?.key_version ?? 0);
  const before = Number(deletion?.revision ?? 0);
  demand(
    isDense(
      keys.map((key) => Number(key.key_version)),
      lost,
    ),
    `key versions are not those above ${lost}`,
  );
  demand(
    isDense(
      log.map(({ revision }) => revision),
      before,
    ),
    `revisions are not those above ${before}`,
  );
  demand(info.lost_up_to === lost, `keys are lost up to ${info.lost_up_to}, and deleted up to ${lost}`);
  demand(Number(info.created_at) > Number(deletion?.deleted_at ?? 0), "created before the domain was that was deleted");
  const entries = Number(info.revision) - before;
  demand(entries === log.length, `revision ${info.revision}, and ${log.length} entries of the log above ${before}`);
  demand(info.head === log.at(-1)?.hash, `the head ${info.head}, and ${log.at(-1)?.hash} at the end of the log`);
  demand(info.key_version === lost + keys.length, `key version ${info.key_version}, and ${keys.length} keys`);
  const misnamed = keys.filter((key) => !isNamedRightly(key)).map((key) => key.key_version);
  demand(misnamed.length === 0, `the public keys ${misnamed} have another version or thumbprint than they say`);
  demand(info.member_count === members.length, `${info.member_count} members counted, and ${members.length} rows`);

  const present = {
    settings: settingsOf(info),
    keyVersion: lost + keys.length,
    retiredUpTo: info.retired_up_to,
    keyRolloverRequired: info.key_rollover_required === 1,
    memberCount: members.length,
  };
  const told = log.reduce(replayed, stateAfterCut(null));
  demand(sorted(told) === sorted(present), `the log comes to ${sorted(told)}, the rows say ${sorted(present)}`);
  const rollover = new RolloverRules();
  found.push(...misdeeds(log, rollover));
  const { keyMadeAt, isRequired, notBefore } = rollover;
  demand(info.key_made_at === keyMadeAt, `the newest key was made at ${keyMadeAt}, not ${info.key_made_at}`);
  const isInTime = !isRequired || info.rollover_not_before === notBefore;
  demand(isInTime, `a rollover is due at ${notBefore}, not ${info.rollover_not_before}`);
  return found;
}

/** The events in an order they must not happen in. */
function misdeeds(log: readonly LogRow[], rollover: RolloverRules): readonly string[] {
  const found: string[] = [];
  const members = new Set<unknown>();
  const banned = new Set<unknown>();
  let maximum = Number.POSITIVE_INFINITY;
  let keyVersion = 0;
  /** A device joined while a rollover was due: the key must be the next thing that happens. */
  let owed = false;
  const timed = log.flatMap(({ changes, committedAt }) => changes.map((change) => ({ change, committedAt })));
  for (const { change, committedAt } of timed) {
    const { type, deviceId } = change;
    if (owed && type !== "key-made" && type !== "request-used") found.push(`a join without its key, then ${type}`);
    owed = owed && type === "request-used";
    switch (type) {
      case "domain-created":
        keyVersion = Number(change.keyVersion ?? 0);
        break;
      case "device-joined":
        if (members.has(deviceId)) found.push("a member joined once more");
        if (banned.has(deviceId)) found.push("a banned device joined");
        if (members.size >= maximum) found.push(`a device joined ${members.size} others, with a maximum of ${maximum}`);
        members.add(deviceId);
        owed = rollover.isDue(committedAt);
        break;
      case "device-left":
      case "device-evicted":
        if (!members.delete(deviceId)) found.push("a device left that was not a member");
        break;
      case "device-banned":
        banned.add(deviceId);
        break;
      case "device-unbanned":
        banned.delete(deviceId);
        break;
      case "key-made":
        if (change.keyVersion !== ++keyVersion) found.push(`key ${change.keyVersion} was made as number ${keyVersion}`);
        // Only an operator has a key made that is not due.
        if (change.by === undefined && !rollover.isDue(committedAt)) found.push(`key ${keyVersion} was made early`);
        break;
      case "settings-changed":
        maximum = (change.settings as { maxMembership: number | null }).maxMembership ?? Number.POSITIVE_INFINITY;
    }
    rollover.take(change, committedAt);
  }
  if (owed) found.push("a join without its key, at the end");
  return found;
}

/** Whether a key's JWK names its version and, as `kid`, its thumbprint (RFC 7638). */
function isNamedRightly({ key_version, public_jwk }: Row): boolean {
  const { kty, crv, x, y, kid, key_version: named } = JSON.parse(String(public_jwk)) as JWK & { key_version?: number };
  const thumbprint = createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
  return kid === thumbprint && named === key_version;
}

/** The contradictions between a domain's rows and its answers. */
export function broken({ client, calls }: History, objects: ObjectFiles): readonly string[] {
  const rows = objects.domain(client.domain);
  return [...contradictions(rows), ...unasked(calls, rows), ...stale(calls)].map((each) => `${client.domain}: ${each}`);
}

/** The changes in the log of requests that changed nothing, and second changes of one that did. */
function unasked(calls: readonly Call[], { log }: DomainRows): readonly string[] {
  const changes = log.flatMap((row) => row.changes);
  const typesOf = new Map<string, string[]>();
  for (const { requestId, type } of changes) {
    if (typeof requestId === "string") typesOf.set(requestId, [...(typesOf.get(requestId) ?? []), type]);
  }
  // A request that is repeated is several calls with one id: what it did must be right for one of them.
  const known = new Map<string, Call[]>();
  for (const call of calls) {
    if (call.requestId) known.set(call.requestId, [...(known.get(call.requestId) ?? []), call]);
  }
  const erasedAt = lastDeletion(calls);
  const found: string[] = [];
  for (const [requestId, same] of known) {
    const did = typesOf.get(requestId)?.join() ?? "";
    const isErased = same.some(({ calledAt }) => calledAt < erasedAt);
    const might = [...(isErased ? [""] : []), ...same.flatMap(({ ask, answer }) => rightfulChanges(ask, answer))];
    const told = same.map(({ ask, answer }) => `${JSON.stringify(ask)} -> ${JSON.stringify(answer)}`);
    if (!might.includes(did)) found.push(`${told} did "${did}"`);
  }
  const strangers = [...typesOf.keys()].filter((requestId) => !known.has(requestId)).length;
  const unknown = calls.filter(({ requestId }) => requestId === null).length;
  if (strangers > unknown) found.push(`${strangers} requests in the log that nobody sent`);
  const leaves = new Map<string, Set<string>>();
  for (const { ask, requestId } of calls) {
    const change = changeOf(ask);
    if (change?.ask !== "deregister" || change.key === null || requestId === null) continue;
    if (!typesOf.get(requestId)?.includes("device-left")) continue;
    const scope = `${change.key} of device ${change.device}`;
    leaves.set(scope, (leaves.get(scope) ?? new Set()).add(requestId));
  }
  for (const [scope, { size }] of leaves) if (size > 1) found.push(`${size} leaves under the idempotency key ${scope}`);
  return found;
}

/** Until when the domain may have been deleted, with what the log says of the requests before; -1 if it was not. */
function lastDeletion(calls: readonly Call[]): number {
  const deletions = calls.filter(({ ask, answer }) => {
    return changeOf(ask)?.ask === "delete" && (answer === null || answer.deleted);
  });
  return Math.max(-1, ...deletions.map(({ answeredAt }) => answeredAt ?? Number.POSITIVE_INFINITY));
}

/** The change that a call may ask for; null for one that changes nothing. */
function changeOf(ask: Call["ask"]): Change | null {
  switch (ask.ask) {
    case "repeat":
      return ask.of;
    case "overview":
    case "members":
    case "devices":
    case "keys":
    case "key":
    case "history":
    case "lose":
      return null;
    default:
      return ask;
  }
}

/** The change, as the log puts it, that a request with this answer may have made; "" for none. */
function rightfulChanges(ask: Call["ask"], answer: Answer | null): readonly string[] {
  const change = changeOf(ask);
  if (change === null) return [""];
  if (answer === null) return [...rightfulChanges(ask, { status: 200, newMember: true }), ""];
  const { status, error, newMember } = answer;
  const lifted = ask.ask === "ban" && error === "NOT_FOUND";
  if (status >= 300 && !lifted) return [""];
  switch (change.ask) {
    case "register":
      return newMember ? ["device-joined"] : [""];
    case "deregister":
      if (change.preview) return [""];
      // Without a key nothing is a repetition.
      return change.key === null ? ["device-left"] : ["device-left", ""];
    case "replace-settings":
    case "merge-settings":
      return ["settings-changed", ""];
    case "rollover":
      return change.when === "now" ? ["key-made"] : ["rollover-required", ""];
    // Its key names no request: any other might have brought it about.
    case "due-rollover":
    // The log goes with the domain.
    case "delete":
      return [""];
    case "retire":
      return ["keys-retired", ""];
    case "evict":
    case "remove":
      return ["device-evicted"];
    case "ban":
      return ["device-evicted,device-banned", "device-banned", ""];
    case "unban":
      return ["device-unbanned"];
  }
}

/**
 * The registrations, asked for after a leave was over, that were granted no newer key than the device left with. None can
 * be told from what is right if somebody asked for an interval, which postpones the newer key.
 */
function stale(calls: readonly Call[]): readonly string[] {
  if (calls.some(({ ask }) => asksForInterval(changeOf(ask)))) return [];
  const granted = calls.filter(({ ask, answer }) => ask.ask === "register" && answer?.keyVersion !== undefined);
  const leaves = calls.filter(
    ({ ask, answer }) => ask.ask === "deregister" && ask.key === null && answer?.deregistered === true,
  );
  return leaves.flatMap((leave) => {
    const held = granted.filter(
      ({ ask, answeredAt }) => deviceOf(ask) === deviceOf(leave.ask) && Number(answeredAt) < leave.calledAt,
    );
    const newest = Math.max(0, ...held.map(({ answer }) => answer?.keyVersion ?? 0));
    const later = granted.filter(({ calledAt }) => calledAt > Number(leave.answeredAt));
    return later
      .filter(({ answer }) => Number(answer?.keyVersion) <= newest)
      .map(({ answer }) => `key ${answer?.keyVersion} was granted after a device left with key ${newest}`);
  });
}

function asksForInterval(change: Change | null): boolean {
  return change !== null && "settings" in change && Boolean(change.settings.rolloverIntervalSeconds);
}

function deviceOf(ask: Call["ask"]): number | null {
  return "device" in ask ? ask.device : null;
}

function settingsOf(info: Row) {
  return {
    authenticationRequired: info.authentication_required === 1,
    authNamespace: info.auth_namespace,
    maxMembership: info.max_membership,
    deviceKeyRequired: info.device_key_required === 1,
    rolloverIntervalSeconds: info.rollover_interval_seconds,
    retireAfterDays: info.retire_after_days,
    maxMembershipPerSubject: info.max_membership_per_subject,
    ownerSubject: info.owner_subject,
    whenFull: info.when_full,
    minIdleDays: info.min_idle_days,
    memberIdleDays: info.member_idle_days,
    deleteAfterEmptyDays: info.delete_after_empty_days,
  };
}

/** Whether numbers are those that follow on one, without a gap. */
function isDense(numbers: readonly number[], after: number): boolean {
  return numbers.every((number, index) => number === after + index + 1);
}

/** A text that is the same for the same state, whatever order it is in. */
function sorted(state: object): string {
  return JSON.stringify(state, (_, value) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
