import { type Config, configOf } from "./config.ts";
import { errorFields, log } from "./log.ts";
import { rewrapKeys } from "./object/key-rewrapping.ts";
import { cutLogs } from "./object/log-retention.ts";

const DAY_MILLISECONDS = 24 * 60 * 60 * 1_000;
/** How much of one invocation's share of D1 wrapping keys anew may take. */
const REWRAP_BATCHES = 40;

/** What is done from time to time, whether or not anybody asks; each thing whatever becomes of the others. */
export async function maintain(env: Env, now: number): Promise<void> {
  const config = configOf(env);
  const failures: unknown[] = [];
  for (const [name, work] of WORKS) {
    try {
      await work(env.DB, config, now);
    } catch (error) {
      log("error", `${name} failed`, errorFields(error));
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, "maintenance failed");
}

type Work = (database: D1Database, config: Config, now: number) => Promise<void>;

const WORKS: readonly (readonly [string, Work])[] = [
  ["cutting logs", cutOldLogs],
  ["wrapping keys anew", rewrapFormerKeys],
];

async function cutOldLogs(database: D1Database, config: Config, now: number): Promise<void> {
  const { logRetentionDays, serverUrl, domainAuthorityKeys } = config;
  const [key] = domainAuthorityKeys;
  if (logRetentionDays === null || serverUrl === null || !key) return;
  const until = now - logRetentionDays * DAY_MILLISECONDS;
  const entries = await cutLogs(database, until, now, { issuer: serverUrl, key });
  log("info", "old log entries were cut off", { entries });
}

async function rewrapFormerKeys(database: D1Database, { keyEncryptionKeys }: Config): Promise<void> {
  const { rewrapped, locked } = await rewrapKeys(database, keyEncryptionKeys, REWRAP_BATCHES);
  if (rewrapped + locked === 0) return;
  log(locked > 0 ? "error" : "info", "domain keys were wrapped anew", { rewrapped, locked });
}
