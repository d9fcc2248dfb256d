import { type Context, Hono } from "hono";
import type { SettingsChange } from "../../../domain/settings.ts";
import type { ResponseBody } from "../../../openapi/response-types.ts";
import { MERGE_PATCH_MEDIA_TYPE } from "../../../protocol/media-types.ts";
import { configOf } from "../../config.ts";
import type { Part } from "../../database/databases.ts";
import { listDomains } from "../../database/domain-lists.ts";
import { jsonBody } from "../../http/bodies.ts";
import { copy, executeAsOperator, read } from "../../http/domain-objects.ts";
import { page, pageOfAll, queryOf } from "../../http/pages.ts";
import { type AppEnv, domainName, isoTime } from "../../http/request-context.ts";
import {
  domainsQuery,
  pageQuery,
  retiredKeysBody,
  rolloverBody,
  settingsBody,
  settingsMergeBody,
} from "../../http/schemas.ts";
import { may } from "../../middleware/operator-scope.ts";

const MERGE_TYPES = [MERGE_PATCH_MEDIA_TYPE, "application/json"];

/** Domains, their settings and their keys. */
export const adminDomains = new Hono<AppEnv>()
  .get("/admin/domains", may("domains:read"), async (c) => {
    const { prefix, ...query } = queryOf(c, domainsQuery);
    const { rows, nextCursor } = await pageOfAll(
      c,
      query,
      ["domains", prefix],
      (database, part: Part<string>) => listDomains(database, prefix, part),
      ({ domain }) => domain,
    );
    return c.json({ domains: rows.map((row) => shown(c, row)), nextCursor } satisfies ResponseBody<"domainsResponse">);
  })
  .get("/admin/domains/:domain", may("domains:read"), async (c) => c.json(await overview(c, domainName(c))))
  .put("/admin/domains/:domain", may("domains:write"), async (c) => {
    const domain = domainName(c);
    const patch = await jsonBody(c, settingsBody);
    // RFC 9110, section 13.1.2. A domain has no entity tag that anything else could name.
    const mode = c.req.header("if-none-match") === "*" ? "create" : "replace";
    const { created } = await changeSettings(c, domain, mode, patch);
    return c.json(await overview(c, domain), created ? 201 : 200);
  })
  .patch("/admin/domains/:domain", may("domains:write"), async (c) => {
    const domain = domainName(c);
    const patch = await jsonBody(c, settingsMergeBody, MERGE_TYPES);
    await changeSettings(c, domain, "merge", patch);
    return c.json(await overview(c, domain));
  })
  .post("/admin/domains/:domain/rollover", may("domains:write"), async (c) => {
    const domain = domainName(c);
    const { when } = await jsonBody(c, rolloverBody);
    await executeAsOperator(c, domain, { type: "rollover", when });
    return c.json(await overview(c, domain));
  })
  .post("/admin/domains/:domain/copy", may("domains:write"), async (c) => {
    const domain = domainName(c);
    return c.json(shown(c, await copy(c, domain)) satisfies ResponseBody<"overviewResponse">);
  })
  .put("/admin/domains/:domain/retired-keys", may("domains:write"), async (c) => {
    const domain = domainName(c);
    const { upTo, olderThanDays = 0 } = await jsonBody(c, retiredKeysBody);
    const retirement =
      upTo === undefined ? { upTo: await supersededBefore(c, domain, olderThanDays), bringsNoneBack: true } : { upTo };
    await executeAsOperator(c, domain, { type: "retire", ...retirement });
    return c.json(await overview(c, domain));
  })
  .get("/admin/domains/:domain/key-versions", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const query = queryOf(c, pageQuery);
    const { rows, nextCursor } = await page(
      c,
      query,
      ["key-versions", domain],
      async (part: { after: number | null; limit: number }) => ({
        rows: await read(c, domain, "keyVersions", part),
      }),
      ({ keyVersion }) => keyVersion,
    );
    const keys = rows.map(({ createdAt, ...key }) => ({ ...key, createdAt: isoTime(createdAt) }));
    return c.json({ keys, nextCursor } satisfies ResponseBody<"keyVersionsResponse">);
  });

function changeSettings(
  c: Context<AppEnv>,
  domain: string,
  mode: SettingsChange["mode"],
  patch: SettingsChange["patch"],
) {
  return executeAsOperator(c, domain, { type: "settings", mode, patch });
}

/** The highest version whose successor is so many days old. */
function supersededBefore(c: Context<AppEnv>, domain: string, days: number): Promise<number> {
  return read(c, domain, "supersededBy", Date.now() - days * 24 * 60 * 60 * 1000);
}

async function overview(c: Context<AppEnv>, domain: string): Promise<ResponseBody<"overviewResponse">> {
  return shown(c, await read(c, domain, "overview"));
}

/** A domain as operators see it, with the server's default where it has no setting of its own. */
function shown<Row extends { createdAt: number; updatedAt: number; rolloverIntervalSeconds: number | null }>(
  c: Context<AppEnv>,
  domain: Row,
) {
  return {
    ...domain,
    rolloverIntervalSeconds: domain.rolloverIntervalSeconds ?? configOf(c.env).defaultRolloverIntervalSeconds,
    createdAt: isoTime(domain.createdAt),
    updatedAt: isoTime(domain.updatedAt),
  };
}
