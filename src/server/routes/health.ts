import { Hono } from "hono";
import { type Config, configOf } from "../config.ts";
import { signLogHead } from "../crypto/log-statements.ts";
import { openText, sealText } from "../crypto/sealed-texts.ts";
import { d1Advice, d1Failure, inTime } from "../database/d1-errors.ts";
import type { CopyLag } from "../database/database-writer.ts";
import { checkDatabase } from "../database/health.ts";
import { readKeyEncryptionKids } from "../database/key-encryption.ts";
import type { AppEnv } from "../http/context.ts";
import { errorFields, log } from "../log.ts";

/** Whether the server is well. */
export const health = new Hono<AppEnv>().get("/health", async (c) => {
  const config = configOf(c.env);
  const [database, copy] = await Promise.all([databaseHealth(c.env.DB), copyLag(c.env)]);
  const secrets = await secretsHealth(config, database === "ok" ? c.env.DB : null);
  const well = database === "ok" && secrets === "ok";
  return c.json({ status: well ? "ok" : "failing", database, secrets, copy }, well ? 200 : 503);
});

/** Whether the database answers and has its tables. */
async function databaseHealth(database: D1Database): Promise<"ok" | "unmigrated" | "failing"> {
  try {
    await inTime(checkDatabase(database));
    return "ok";
  } catch (error) {
    log("error", "the database is not well", { ...errorFields(error), ...d1Advice(error) });
    return d1Failure(error) === "unmigrated" ? "unmigrated" : "failing";
  }
}

/** How far the database is behind the domains' objects; null if its writer cannot be asked. */
async function copyLag(env: Env): Promise<CopyLag | null> {
  try {
    const { domains, seconds } = await env.DATABASE_WRITER.getByName("DB").lag();
    return { domains, seconds };
  } catch (error) {
    log("error", "the database writer is not well", errorFields(error));
    return null;
  }
}

/** Whether the keys among the secrets do what they are for, and none is missing that domain keys are wrapped with. */
async function secretsHealth(config: Config, database: D1Database | null): Promise<"ok" | "failing"> {
  const { keyEncryptionKeys, domainAuthorityKeys } = config;
  try {
    const [opened, kids] = await Promise.all([
      Promise.all(
        keyEncryptionKeys.map(async (key) => openText(await sealText("health", "health", [key]), "health", [key])),
      ),
      database ? readKeyEncryptionKids(database) : [],
      signLogHead({ domain: "health", revision: 0, hash: null }, "health", 0, domainAuthorityKeys[0]),
    ]);
    if (opened.some((text) => text !== "health")) throw new Error("a key of KEY_ENCRYPTION_KEYS does not open its own");
    const missing = kids.filter((kid) => !keyEncryptionKeys.some((key) => key.kid === kid));
    if (missing.length === 0) return "ok";
    throw new Error(`KEY_ENCRYPTION_KEYS lacks keys that wrap domain keys: put back ${missing.join(", ")}`);
  } catch (error) {
    log("error", "the secrets are not well", errorFields(error));
    return "failing";
  }
}
