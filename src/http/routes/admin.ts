import { type Context, Hono } from "hono";
import { createMiddleware } from "hono/factory";
import { isAdmin } from "../../auth/admin.ts";
import { configOf } from "../../config.ts";
import type { SettingsChange } from "../../domain/settings.ts";
import { readDomain } from "../../storage/domain-reader.ts";
import { jsonBody } from "../bodies.ts";
import { type AppEnv, domainName, isoTime, serverUrl } from "../context.ts";
import { askCoordinator } from "../coordinator-client.ts";
import { Problem } from "../problems.ts";
import { rolloverBody, settingsBody, settingsMergeBody } from "../schemas.ts";

const MERGE_TYPES = ["application/merge-patch+json", "application/json"];

/** Lets nobody past without the admin token, whatever they asked for. */
const requireAdmin = createMiddleware<AppEnv>(async (c, next) => {
  if (!(await isAdmin(c.req.header("authorization"), configOf(c.env).adminToken))) {
    throw new Problem("ADMIN_AUTHENTICATION_REQUIRED");
  }
  await next();
});

/** What operators ask for. */
export const admin = new Hono<AppEnv>()
  .use("/admin/*", requireAdmin)
  .get("/admin/domains/:domain", async (c) => c.json(await overview(c, domainName(c))))
  .put("/admin/domains/:domain", async (c) => {
    const domain = domainName(c);
    const patch = await jsonBody(c, settingsBody);
    const { created } = await changeSettings(c, domain, "replace", patch);
    return c.json(await overview(c, domain), created ? 201 : 200);
  })
  .patch("/admin/domains/:domain", async (c) => {
    const domain = domainName(c);
    const patch = await jsonBody(c, settingsMergeBody, MERGE_TYPES);
    await changeSettings(c, domain, "merge", patch);
    return c.json(await overview(c, domain));
  })
  .post("/admin/domains/:domain/rollover", async (c) => {
    const domain = domainName(c);
    const { when } = await jsonBody(c, rolloverBody);
    const issuer = serverUrl(c);
    const requestId = c.get("requestId");
    await askCoordinator(c.env, domain, (coordinator, repeated) =>
      coordinator.rollOver({ type: "rollover", requestId, when }, { issuer, repeated }),
    );
    return c.json(await overview(c, domain));
  });

function changeSettings(
  c: Context<AppEnv>,
  domain: string,
  mode: SettingsChange["mode"],
  patch: SettingsChange["patch"],
) {
  const issuer = serverUrl(c);
  const change: SettingsChange = { type: "settings", requestId: c.get("requestId"), mode, patch };
  return askCoordinator(c.env, domain, (coordinator, repeated) =>
    coordinator.changeSettings(change, { issuer, repeated }),
  );
}

async function overview(c: Context<AppEnv>, domain: string) {
  const found = await readDomain(c.env.DB, domain);
  if (!found) throw new Problem("DOMAIN_NOT_FOUND");
  return { ...found, createdAt: isoTime(found.createdAt), updatedAt: isoTime(found.updatedAt) };
}
