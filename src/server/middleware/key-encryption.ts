import { createMiddleware } from "hono/factory";
import { type Config, ConfigError, configOf } from "../config.ts";
import { readKeyEncryptionUses } from "../database/key-encryption.ts";
import type { AppEnv } from "../http/context.ts";

const complete = new WeakSet<Config>();

/**
 * Lets requests past once it is known that every key-encryption key is there that domain keys are wrapped with. Asked
 * once in the life of an isolate: what is configured when it starts stays so.
 */
export const keysInPlace = createMiddleware<AppEnv>(async (c, next) => {
  const config = configOf(c.env);
  if (!complete.has(config)) {
    await checkKeyEncryption(c.env.DB, config);
    complete.add(config);
  }
  await next();
});

/** @throws ConfigError if a key-encryption key is missing that domain keys are still wrapped with */
export async function checkKeyEncryption(
  database: D1Database,
  { keyEncryptionKeys }: Pick<Config, "keyEncryptionKeys">,
): Promise<void> {
  const uses = await readKeyEncryptionUses(database);
  const missing = uses.filter((use) => !keyEncryptionKeys.some(({ kid }) => kid === use.kid));
  if (missing.length === 0) return;
  const kids = missing.map(({ kid, domainKeys }) => `"${kid}" (wraps ${domainKeys})`).join(", ");
  throw new ConfigError("KEY_ENCRYPTION_KEYS", `lacks what domain keys are still wrapped with: put back ${kids}`);
}
