import { type Context, Hono } from "hono";
import type { ResponseBody } from "../../../openapi/response-types.ts";
import { configOf } from "../../config.ts";
import { databasesOf } from "../../database/databases.ts";
import { readKeyEncryptionUses } from "../../database/key-encryption.ts";
import type { AppEnv } from "../../http/request-context.ts";
import { rewrapDomains } from "../../maintenance.ts";
import { may } from "../../middleware/operator-scope.ts";

/** The most domains of one request: they take some seconds. */
const MAX_DOMAINS = 200;

/** Which key-encryption keys wrap the domain keys, and how to have the first one wrap them all. */
export const adminKeyEncryption = new Hono<AppEnv>()
  .get("/admin/key-encryption", may("domains:read"), async (c) => c.json(await progress(c)))
  .post("/admin/key-encryption/rewrap", may("domains:write"), async (c) => {
    const run = await rewrapDomains(c.env, MAX_DOMAINS);
    return c.json({ ...run, ...(await progress(c)) } satisfies ResponseBody<"rewrapResponse">);
  });

async function progress(c: Context<AppEnv>): Promise<ResponseBody<"keyEncryptionResponse">> {
  const currentKid = configOf(c.env).keyEncryptionKeys[0].kid as string;
  const uses = await Promise.all([...databasesOf(c.env).values()].map(readKeyEncryptionUses));
  const sums = new Map<string, number>();
  for (const { kid, domainKeys } of uses.flat()) sums.set(kid, (sums.get(kid) ?? 0) + domainKeys);
  const kids = [...sums].sort().map(([kid, domainKeys]) => ({ kid, domainKeys }));
  return { currentKid, kids, done: kids.every(({ kid }) => kid === currentKid) };
}
