import { type Context, Hono } from "hono";
import type { ResponseBody } from "../../../openapi/response-types.ts";
import type { Part } from "../../database/databases.ts";
import { type DeletedDomain, listDeletions } from "../../database/deletions.ts";
import { listIdleDomains } from "../../database/domain-lists.ts";
import { jsonBody } from "../../http/bodies.ts";
import { deleteDomain, deleteIfIdle } from "../../http/domain-objects.ts";
import { pageOfAll, queryOf } from "../../http/pages.ts";
import { invalidRequest } from "../../http/problems.ts";
import { type AppEnv, domainName, isoTime } from "../../http/request-context.ts";
import { deletionQuery, idleDomainsBody, pageQuery } from "../../http/schemas.ts";
import { may } from "../../middleware/operator-scope.ts";
import type { IdleRule } from "../../object/deletion.ts";
import { errorFields, log } from "../../worker-log.ts";

/** Domains that go: one by one, those that are idle, and which went. */
export const adminDeletions = new Hono<AppEnv>()
  .delete("/admin/domains/:domain", may("domains:write"), async (c) => {
    const domain = domainName(c);
    const { confirm } = queryOf(c, deletionQuery);
    if (confirm !== domain) throw invalidRequest({ field: "confirm", detail: "must be the name of the domain" });
    const { copied } = await deleteDomain(c, domain);
    return c.json({ domain, deleted: true, copied } satisfies ResponseBody<"deletionResponse">);
  })
  .post("/admin/domains/delete-idle", may("domains:write"), async (c) => {
    const { idleSince, maxMembers, dryRun, ...query } = await jsonBody(c, idleDomainsBody);
    const idle = { since: Date.parse(idleSince), maxMembers };
    if (idle.since > Date.now()) throw invalidRequest({ field: "idleSince", detail: "must be in the past" });
    const { rows, nextCursor } = await pageOfAll(
      c,
      query,
      ["idle-domains", String(idle.since), String(maxMembers)],
      (database, part: Part<string>) => listIdleDomains(database, idle, part),
      ({ domain }) => domain,
    );
    const candidates = rows.flatMap(({ domain, isIdle }) => (isIdle === 1 ? [domain] : []));
    const domains = await deleteIdle(c, candidates, idle, dryRun);
    return c.json({ dryRun, domains, nextCursor } satisfies ResponseBody<"idleDomainsResponse">);
  })
  .get("/admin/deletions", may("domains:write"), async (c) => {
    const query = queryOf(c, pageQuery);
    const { rows, nextCursor } = await pageOfAll(
      c,
      query,
      ["deletions"],
      (database, part: Part<string>) => listDeletions(database, part),
      ({ domain }) => domain,
    );
    return c.json({ deletions: rows.map(shown), nextCursor } satisfies ResponseBody<"deletionsResponse">);
  });

/** The domains that are idle by the word of their own objects; deleted, unless it is a dry run. */
async function deleteIdle(
  c: Context<AppEnv>,
  candidates: readonly string[],
  idle: IdleRule,
  dryRun: boolean,
): Promise<readonly string[]> {
  const results = await Promise.allSettled(candidates.map((domain) => deleteIfIdle(c, domain, idle, dryRun)));
  for (const [index, result] of results.entries()) {
    // One that fails must not stop the others: asked again, it is still there.
    if (result.status === "rejected") {
      log("error", "an idle domain was not deleted", { domain: candidates[index], ...errorFields(result.reason) });
    }
  }
  return candidates.filter((_, index) => {
    const result = results[index];
    return result?.status === "fulfilled" && result.value;
  });
}

function shown({ deletedAt, revision, ...deletion }: DeletedDomain) {
  return { ...deletion, deletedAt: isoTime(deletedAt) };
}
