import { type Context, Hono } from "hono";
import { configOf } from "../../config.ts";
import { hasUnclassifiedKeys, readKeyEncryptionUses } from "../../database/key-encryption.ts";
import type { AppEnv } from "../../http/context.ts";
import { may } from "../../middleware/operator-scope.ts";
import { rewrapKeys } from "../../object/key-rewrapping.ts";

/** As many keys as are wrapped anew within seconds; whoever has more asks again. */
const BATCHES = 8;

/** Which key-encryption keys wrap the domain keys, and how to have the first one wrap them all. */
export const adminKeyEncryption = new Hono<AppEnv>()
  .get("/admin/key-encryption", may("domains:read"), async (c) => c.json(await progress(c)))
  .post("/admin/key-encryption/rewrap", may("domains:write"), async (c) => {
    const run = await rewrapKeys(c.env.DB, configOf(c.env).keyEncryptionKeys, BATCHES);
    return c.json({ ...run, ...(await progress(c)) });
  });

async function progress(c: Context<AppEnv>) {
  const { keyEncryptionKeys } = configOf(c.env);
  const [uses, unclassified] = await Promise.all([readKeyEncryptionUses(c.env.DB), hasUnclassifiedKeys(c.env.DB)]);
  const currentKid = keyEncryptionKeys[0]?.kid as string;
  const done = !unclassified && uses.every(({ kid }) => kid === currentKid);
  return { currentKid, kids: uses, unclassified, done };
}
