import { configOf } from "./config.ts";
import { errorFields, log } from "./log.ts";
import { cutLogs } from "./storage/log-retention.ts";

const DAY_MILLISECONDS = 24 * 60 * 60 * 1_000;

/** What is done from time to time, whether or not anybody asks: old log entries are cut off. */
export async function maintain(env: Env, now: number): Promise<void> {
  const { logRetentionDays, serverUrl, domainAuthorityKeys } = configOf(env);
  const [key] = domainAuthorityKeys;
  if (logRetentionDays === null || serverUrl === null || !key) return;
  try {
    const until = now - logRetentionDays * DAY_MILLISECONDS;
    const entries = await cutLogs(env.DB, until, now, { issuer: serverUrl, key });
    log("info", "old log entries were cut off", { entries });
  } catch (error) {
    log("error", "the logs could not be cut", errorFields(error));
    throw error;
  }
}
