import { Hono } from "hono";
import type { ResponseBody } from "../../openapi/response-types.ts";
import { type Config, configOf } from "../config.ts";
import { signLogHead } from "../crypto/log-statements.ts";
import { openText, sealText } from "../crypto/sealed-texts.ts";
import { d1Advice, d1Failure, inTime } from "../database/d1-errors.ts";
import type { CopyLag } from "../database/database-writer.ts";
import { databasesOf } from "../database/databases.ts";
import { checkDatabase } from "../database/health.ts";
import { readKeyEncryptionKids } from "../database/key-encryption.ts";
import { type AppEnv, serverUrl } from "../http/request-context.ts";
import { OneAtATime } from "../one-at-a-time.ts";
import { isInJurisdiction, objectNamed } from "../placement.ts";
import { errorFields, log } from "../worker-log.ts";

type Health = ResponseBody<"healthResponse">;

/** For how long an answer is given again: nothing limits who asks, and each check costs the database a query. */
const FRESH_MILLISECONDS = 1_000;

/** Longer than a check takes of a database that does not answer. */
const CHECK_MILLISECONDS = 15_000;

/** Whether the server is well. */
export const health = new Hono<AppEnv>().get("/health", async (c) => {
  const config = configOf(c.env);
  serverUrl(c); // A server that does not know its address cannot serve devices.
  const latest = checks.get(config) ?? new LatestHealth();
  checks.set(config, latest);
  const found = await latest.of(() => check(config, c.env));
  return c.json(found, found.status === "ok" ? 200 : 503);
});

const checks = new WeakMap<Config, LatestHealth>();

/** The newest answer of this isolate, whether it is a good one or not. */
class LatestHealth {
  readonly #checks = new OneAtATime(CHECK_MILLISECONDS);
  #found: Health | null = null;
  #foundAt = Number.NEGATIVE_INFINITY;

  async of(check: () => Promise<Health>): Promise<Health> {
    const before = this.#found;
    if (before && Math.abs(Date.now() - this.#foundAt) < FRESH_MILLISECONDS) return before;
    // A check that another request lost is made by this one, or by a third.
    while (this.#found === before) {
      await this.#checks.run(async () => {
        this.#found = await check();
        this.#foundAt = Date.now();
      });
    }
    return this.#found as Health;
  }
}

async function check(config: Config, env: Env): Promise<Health> {
  const databases = databasesOf(env);
  const [found, copy] = await Promise.all([
    Promise.all([...databases].map((each) => databaseHealth(each, config))),
    copyLag(env, [...databases.keys()]),
  ]);
  const database = found.find((each) => each !== "ok") ?? "ok";
  const secrets = await secretsHealth(config, database === "ok" ? [...databases.values()] : []);
  return { status: database === "ok" && secrets === "ok" ? "ok" : "failing", database, secrets, copy };
}

/** Whether the database answers, has its tables, and is where it has to be. */
async function databaseHealth(
  [name, database]: readonly [string, D1Database],
  { jurisdiction }: Config,
): Promise<Health["database"]> {
  try {
    const region = await inTime(checkDatabase(database));
    if (isInJurisdiction(jurisdiction, region)) return "ok";
    throw new Error(`it runs in ${region}, outside JURISDICTION: make it anew in there, and have domains taken over`);
  } catch (error) {
    log("error", "the database is not well", { database: name, ...errorFields(error), ...d1Advice(error) });
    return d1Failure(error) === "unmigrated" ? "unmigrated" : "failing";
  }
}

/** How far the databases are behind the domains' objects, all together; null if a writer cannot be asked. */
async function copyLag(env: Env, names: readonly string[]): Promise<CopyLag | null> {
  try {
    const lags = await Promise.all(names.map((name) => objectNamed(env, env.DATABASE_WRITER, name).lag()));
    return {
      domains: lags.reduce((sum, { domains }) => sum + domains, 0),
      seconds: Math.max(...lags.map(({ seconds }) => seconds)),
    };
  } catch (error) {
    log("error", "the database writer is not well", errorFields(error));
    return null;
  }
}

/** Whether the keys among the secrets do what they are for, and none is missing that domain keys are wrapped with. */
async function secretsHealth(config: Config, databases: readonly D1Database[]): Promise<Health["secrets"]> {
  const { keyEncryptionKeys, domainAuthorityKeys } = config;
  try {
    const [opened, kidsOfEach] = await Promise.all([
      Promise.all(
        keyEncryptionKeys.map(async (key) => openText(await sealText("health", "health", [key]), "health", [key])),
      ),
      Promise.all(databases.map(readKeyEncryptionKids)),
      signLogHead({ domain: "health", revision: 0, hash: null }, "health", 0, domainAuthorityKeys[0]),
    ]);
    if (opened.some((text) => text !== "health")) throw new Error("a key of KEY_ENCRYPTION_KEYS does not open its own");
    const kids = new Set(kidsOfEach.flat());
    const missing = [...kids].filter((kid) => !keyEncryptionKeys.some((key) => key.kid === kid));
    if (missing.length === 0) return "ok";
    throw new Error(`KEY_ENCRYPTION_KEYS lacks keys that wrap domain keys: put back ${missing.join(", ")}`);
  } catch (error) {
    log("error", "the secrets are not well", errorFields(error));
    return "failing";
  }
}
