import { configOf } from "./config.ts";
import { listOfAll, type Part } from "./database/databases.ts";
import { domainsToRewrap } from "./database/key-encryption.ts";
import { callObject } from "./http/domain-objects.ts";
import type { RewrapRun } from "./object/key-rewrapping.ts";
import { newRequestId } from "./request-ids.ts";
import { errorFields, log } from "./worker-log.ts";

const DOMAINS_AT_A_TIME = 50;
/** The most domains that are looked at: those whose keys do not open must not keep the others waiting. */
const MAX_LOOKED_AT = 20_000;
/** The most domains of one hour; the next one goes on with those that are left. */
const MAX_DOMAINS = 5_000;

/** Wakes the objects that the database says have work to do: keys to wrap anew after a rotation. */
export async function maintain(env: Env): Promise<void> {
  const { rewrapped, locked } = await rewrapDomains(env, MAX_DOMAINS);
  if (rewrapped + locked > 0)
    log(locked > 0 ? "error" : "info", "domain keys were wrapped anew", { rewrapped, locked });
}

/**
 * Has domains wrap their keys with the present key-encryption key, whatever becomes of each.
 *
 * @param maxDomains ends the run once so many of them have wrapped something
 */
export async function rewrapDomains(env: Env, maxDomains: number): Promise<RewrapRun> {
  const requestId = newRequestId();
  const kid = configOf(env).keyEncryptionKeys[0].kid as string;
  let [rewrapped, locked, after, done] = [0, 0, "", 0];
  for (let lookedAt = 0; done < maxDomains && lookedAt < MAX_LOOKED_AT; lookedAt += DOMAINS_AT_A_TIME) {
    const limit = Math.min(DOMAINS_AT_A_TIME, maxDomains - done);
    const { rows: domains } = await listOfAll(
      env,
      { after, limit },
      (database, part: Part<string>) => domainsToRewrap(database, kid, part),
      (domain) => domain,
    );
    const runs = await Promise.allSettled(
      domains.map((domain) => callObject(env, domain, (object) => object.rewrapKeys(requestId))),
    );
    for (const [index, run] of runs.entries()) {
      const failure =
        run.status === "rejected" ? errorFields(run.reason) : run.value.granted ? null : run.value.refusal;
      if (failure) log("error", "wrapping keys anew failed", { domain: domains[index], ...failure });
      if (run.status === "rejected" || !run.value.granted) continue;
      const result = run.value.grant?.value ?? { rewrapped: 0, locked: 0 };
      rewrapped += result.rewrapped;
      locked += result.locked;
      if (result.rewrapped > 0) done++;
    }
    after = domains.at(-1) ?? after;
    if (domains.length < limit) break;
  }
  return { rewrapped, locked };
}
