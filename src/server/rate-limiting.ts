import { errorFields, log } from "./worker-log.ts";

/** Whether a limit leaves room for one more under a key. Without either it does, and also if it cannot be asked. */
export async function isWithin(limit: RateLimit | undefined, key: string | null): Promise<boolean> {
  if (limit === undefined || key === null) return true;
  try {
    return (await limit.limit({ key })).success;
  } catch (error) {
    log("warn", "a rate limit could not be asked", errorFields(error));
    return true;
  }
}
