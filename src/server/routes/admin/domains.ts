import { type Context, Hono } from "hono";
import type { SettingsChange } from "../../../domain/settings.ts";
import { listDomains, listKeyVersions } from "../../database/domain-lists.ts";
import { type DomainOverview, readDomain } from "../../database/domain-reader.ts";
import { jsonBody } from "../../http/bodies.ts";
import { type AppEnv, domainName, isoTime, serverUrl } from "../../http/context.ts";
import { askCoordinator } from "../../http/domain-objects.ts";
import { page, queryOf } from "../../http/pages.ts";
import { Problem } from "../../http/problems.ts";
import {
  domainsQuery,
  pageQuery,
  retiredKeysBody,
  rolloverBody,
  settingsBody,
  settingsMergeBody,
} from "../../http/schemas.ts";
import { may } from "../../middleware/operator-scope.ts";

const MERGE_TYPES = ["application/merge-patch+json", "application/json"];

/** Domains, their settings and their keys. */
export const adminDomains = new Hono<AppEnv>()
  .get("/admin/domains", may("domains:read"), async (c) => {
    const { prefix, ...query } = queryOf(c, domainsQuery);
    const { rows, nextCursor } = await page<string, DomainOverview>(
      c,
      query,
      ["domains", prefix],
      async (part) => ({ rows: await listDomains(c.env.DB, prefix, part) }),
      ({ domain }) => domain,
    );
    return c.json({ domains: rows.map(shown), nextCursor });
  })
  .get("/admin/domains/:domain", may("domains:read"), async (c) => c.json(await overview(c, domainName(c))))
  .put("/admin/domains/:domain", may("domains:write"), async (c) => {
    const domain = domainName(c);
    const patch = await jsonBody(c, settingsBody);
    const { created } = await changeSettings(c, domain, "replace", patch);
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
    const [issuer, requestId, by] = [serverUrl(c), c.get("requestId"), c.get("operator").identity];
    await askCoordinator(c.env, domain, (coordinator, repeated) =>
      coordinator.rollOver({ type: "rollover", requestId, by, when }, { issuer, repeated }),
    );
    return c.json(await overview(c, domain));
  })
  .put("/admin/domains/:domain/retired-keys", may("domains:write"), async (c) => {
    const domain = domainName(c);
    const { upTo } = await jsonBody(c, retiredKeysBody);
    const [issuer, requestId, by] = [serverUrl(c), c.get("requestId"), c.get("operator").identity];
    await askCoordinator(c.env, domain, (coordinator, repeated) =>
      coordinator.retireKeys({ type: "retire", requestId, by, upTo }, { issuer, repeated }),
    );
    return c.json(await overview(c, domain));
  })
  .get("/admin/domains/:domain/key-versions", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const query = queryOf(c, pageQuery);
    await existing(c, domain);
    const { rows, nextCursor } = await page(
      c,
      query,
      ["key-versions", domain],
      async (part: { after: number | null; limit: number }) => ({
        rows: await listKeyVersions(c.env.DB, domain, part),
      }),
      ({ keyVersion }) => keyVersion,
    );
    const keys = rows.map(({ keyVersion, createdAt }) => ({
      keyVersion,
      kid: `${domain}/${keyVersion}`,
      createdAt: isoTime(createdAt),
    }));
    return c.json({ keys, nextCursor });
  });

function changeSettings(
  c: Context<AppEnv>,
  domain: string,
  mode: SettingsChange["mode"],
  patch: SettingsChange["patch"],
) {
  const issuer = serverUrl(c);
  const by = c.get("operator").identity;
  const change: SettingsChange = { type: "settings", requestId: c.get("requestId"), by, mode, patch };
  return askCoordinator(c.env, domain, (coordinator, repeated) =>
    coordinator.changeSettings(change, { issuer, repeated }),
  );
}

async function overview(c: Context<AppEnv>, domain: string) {
  return shown(await existing(c, domain));
}

/** A domain that exists. @throws Problem `DOMAIN_NOT_FOUND` */
export async function existing(c: Context<AppEnv>, domain: string): Promise<DomainOverview> {
  const found = await readDomain(c.env.DB, domain);
  if (!found) throw new Problem("DOMAIN_NOT_FOUND");
  return found;
}

function shown(domain: DomainOverview) {
  return { ...domain, createdAt: isoTime(domain.createdAt), updatedAt: isoTime(domain.updatedAt) };
}
