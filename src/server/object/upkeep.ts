import type { Config } from "../config.ts";
import { newRequestId, REQUEST_MILLISECONDS } from "../request-ids.ts";
import { errorFields, log } from "../worker-log.ts";
import type { Copy } from "./copy.ts";
import { type DeletionRequest, emptyUntil, isEmptyForLong } from "./deletion.ts";
import type { DomainCommands } from "./domain-commands.ts";
import type { EventFeed } from "./event-feed.ts";
import { removeIdleMembers } from "./idle-members.ts";
import { rewrapKeys } from "./key-rewrapping.ts";
import { cutLog } from "./log-retention.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";
import { oldestEntryTime } from "./storage/log.ts";
import { READS } from "./storage/reads.ts";
import type { UsageStatistics } from "./usage-statistics.ts";

const MINUTE_MILLISECONDS = 60 * 1_000;
const DAY_MILLISECONDS = 24 * 60 * MINUTE_MILLISECONDS;
/** How long the outcome of a device's own idempotency key is kept: the contract promises 7 days. */
/** Longer than a signed request can be replayed: its `iat` is within 300 seconds of now. */
const REPLAY_MILLISECONDS = 10 * MINUTE_MILLISECONDS;
const IDEMPOTENCY_MILLISECONDS = 8 * DAY_MILLISECONDS;
/** The most such outcomes kept: the oldest go before their time, if a domain has more. */
const MAX_IDEMPOTENCY_RECORDS = 100_000;
/** How long refusals are counted back. */
const REFUSAL_HOURS = 90 * 24;
const COMPARE_MILLISECONDS = 7 * DAY_MILLISECONDS;

/** The parts of an object that its alarm looks after. */
export type Parts = Readonly<{
  storage: DomainStorage;
  config: Config;
  copy: Copy;
  feed: EventFeed | null;
  statistics: UsageStatistics;
  commands: DomainCommands;
  committed: (now: number) => void;
  /** Deletes the domain. */
  remove: (request: DeletionRequest, now: number) => void;
}>;

type Task = readonly [name: string, run: (parts: Parts, now: number) => unknown];

const TASKS: readonly Task[] = [
  ["writing the usage statistics", ({ statistics }) => statistics.write()],
  ["sending events", ({ feed }) => feed?.announce()],
  ["removing expired records", removeExpired],
  ["cutting the log", cutOldLog],
  ["retiring old keys", retireOldKeys],
  ["wrapping keys anew", rewrapFormerKeys],
  [
    "removing idle members",
    ({ storage, statistics, committed }, now) => removeIdleMembers(storage, statistics, now, committed),
  ],
  ["deleting the domain that was empty for long", deleteIfEmpty],
  // Last: the others may have committed something.
  ["copying to the database", copyOrCompare],
];

/**
 * Does what the alarm of a domain's object is for: each task whatever becomes of the others.
 *
 * @returns when the alarm has to go off next, in milliseconds since the Unix epoch
 */
export async function lookAfter(parts: Parts, now: number): Promise<number> {
  for (const [name, run] of TASKS) {
    try {
      await run(parts, now);
    } catch (error) {
      log("error", `${name} failed`, { domain: parts.storage.name, ...errorFields(error) });
    }
  }
  return nextTime(parts, now);
}

function nextTime({ storage, config }: Parts, now: number): number {
  const { retireAfterDays, memberIdleDays } = storage.domainState.settings;
  const emptyEnd = storage.row && emptyUntil(storage.row);
  const [request] = storage.sql.exec("select 1 from domain_requests where length(id) = 36 limit 1");
  const oldest = config.logRetentionDays === null ? null : oldestEntryTime(storage);
  const times = [
    storage.progress.comparedAt + COMPARE_MILLISECONDS,
    ...(retireAfterDays === null && memberIdleDays === null ? [] : [now + DAY_MILLISECONDS]),
    ...(emptyEnd === null ? [] : [emptyEnd]),
    ...(request ? [now + REQUEST_MILLISECONDS] : []),
    ...(oldest === null
      ? []
      : [Math.max(oldest + (config.logRetentionDays ?? 0) * DAY_MILLISECONDS, now + DAY_MILLISECONDS)]),
  ];
  return Math.max(now + MINUTE_MILLISECONDS, Math.min(...times));
}

function removeExpired({ storage }: Parts, now: number): void {
  const { sql } = storage;
  // A UUID of version 7 begins with its time.
  const time = Math.max(0, now - REQUEST_MILLISECONDS)
    .toString(16)
    .padStart(12, "0");
  sql.exec("delete from domain_requests where id < ? and length(id) = 36", `${time.slice(0, 8)}-${time.slice(8)}`);
  const condition = "length(id) > 36";
  sql.exec(`delete from domain_requests where ${condition} and recorded_at < ?`, now - IDEMPOTENCY_MILLISECONDS);
  const replayable = now - REPLAY_MILLISECONDS;
  sql.exec(`delete from domain_requests where ${condition} and command = 'register' and recorded_at < ?`, replayable);
  sql.exec(
    `delete from domain_requests where ${condition} and recorded_at < ? and recorded_at <= (
      select recorded_at from domain_requests where ${condition} order by recorded_at desc limit 1 offset ?)`,
    replayable,
    MAX_IDEMPOTENCY_RECORDS,
  );
  sql.exec("delete from domain_signed_leaves where recorded_at < ?", now - IDEMPOTENCY_MILLISECONDS);
  sql.exec("delete from domain_refusals where hour < ?", Math.floor(now / 3_600_000) - REFUSAL_HOURS);
}

function cutOldLog({ storage, config }: Parts, now: number): Promise<void> | undefined {
  const { logRetentionDays, serverUrl, domainAuthorityKeys } = config;
  if (logRetentionDays === null || serverUrl === null) return;
  const authority = { issuer: serverUrl, key: domainAuthorityKeys[0] };
  return cutLog(storage, now - logRetentionDays * DAY_MILLISECONDS, now, authority);
}

/** Retires the keys whose successor is older than the domain's `retireAfterDays`. */
async function retireOldKeys({ storage, commands }: Parts, now: number): Promise<void> {
  const { retireAfterDays } = storage.domainState.settings;
  if (retireAfterDays === null) return;
  const upTo = READS.supersededBy(storage, now - retireAfterDays * DAY_MILLISECONDS);
  const request = { requestId: newRequestId(), by: "retireAfterDays" };
  await commands.execute({ type: "retire", ...request, upTo, bringsNoneBack: true });
}

function deleteIfEmpty({ storage, remove }: Parts, now: number): void {
  if (isEmptyForLong(storage, now)) remove({ requestId: newRequestId(), by: "deleteAfterEmptyDays" }, now);
}

async function rewrapFormerKeys({ storage, config, committed }: Parts): Promise<void> {
  if (storage.progress.rewrappedKid === config.keyEncryptionKeys[0].kid) return;
  await rewrapKeys(storage, config.keyEncryptionKeys, committed);
}

async function copyOrCompare({ storage, copy }: Parts, now: number): Promise<void> {
  // A failure is logged where it happens, and sets the alarm.
  if (storage.progress.comparedAt + COMPARE_MILLISECONDS <= now) await copy.compare().catch(() => {});
  else await copy.run().catch(() => {});
}
