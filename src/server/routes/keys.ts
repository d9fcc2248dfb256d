import { Hono } from "hono";
import type { ResponseBody } from "../../openapi/response-types.ts";
import { execute, history, keySet } from "../http/domain-objects.ts";
import { queryOf } from "../http/pages.ts";
import { invalidRequest, Problem } from "../http/problems.ts";
import { type AppEnv, domainName } from "../http/request-context.ts";
import { historyQuery, keysQuery, rolloverQuery } from "../http/schemas.ts";
import { entityTags } from "../middleware/cross-origin.ts";
import { limitedReads } from "../middleware/rate-limit.ts";

/** A domain's keys as anybody may have them: the public ones, and sealed ones for those who hold a newer one. */
export const keys = new Hono<AppEnv>()
  .get("/domains/:domain/keys", limitedReads, entityTags, async (c) => {
    const { before = null, version, kid } = queryOf(c, keysQuery);
    const one = version === undefined ? (kid === undefined ? null : { kid }) : { version };
    const { keys, lostUpTo, currentKeyVersion, statement } = await keySet(c, domainName(c), one ?? { before });
    if (one && keys.length === 0) throw new Problem("NOT_FOUND", { detail: "The domain has no such key." });
    const older = { from: lostUpTo + 1, to: (keys[0]?.keyVersion ?? 0) - 1 };
    // May be kept, but not used without asking: a leave must show at once.
    c.header("cache-control", "no-cache");
    return c.json({
      keys: keys.map(({ publicJwk }) => JSON.parse(publicJwk)),
      currentKeyVersion,
      statement,
      ...(!one && older.from <= older.to ? { olderKeyVersions: older } : {}),
    } satisfies ResponseBody<"keySetResponse">);
  })
  .get("/domains/:domain/keys/:keyVersion/history", limitedReads, async (c) => {
    const domain = domainName(c);
    const path = { keyVersion: c.req.param("keyVersion") };
    const { keyVersion, before = keyVersion } = queryOf(c, historyQuery, path);
    if (before > keyVersion) throw invalidRequest({ field: "before", detail: "must not be above the key version" });
    const page = await history(c, domain, { keyVersion, before }, c.req.header("if-none-match") ?? null);
    if (!page) throw new Problem("NOT_FOUND", { detail: "The domain has no such key." });
    const headers = { etag: page.etag, "cache-control": `public, max-age=${page.maxAgeSeconds}` };
    if (page.body === null) return c.body(null, 304, headers);
    return c.body(page.body, 200, { ...headers, "content-type": "application/json" });
  })
  .post("/domains/:domain/rollover", limitedReads, async (c) => {
    const domain = domainName(c);
    const query = queryOf(c, rolloverQuery);
    const command = { type: "due-rollover", requestId: c.get("requestId") } as const;
    const { keyVersion, statement } = await execute(c, domain, command);
    const answer = { domain, keyVersion, ...(query.statement === "true" ? { statement } : {}) };
    return c.json(answer satisfies ResponseBody<"rolloverResponse">);
  });
