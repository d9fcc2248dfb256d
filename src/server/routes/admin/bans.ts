import { Hono } from "hono";
import { configOf } from "../../config.ts";
import { type BanRow, listBans, readBan } from "../../database/domain-lists.ts";
import { jsonBody } from "../../http/bodies.ts";
import { type AppEnv, domainName, serverUrl } from "../../http/context.ts";
import { banShown, namedDevice } from "../../http/devices-shown.ts";
import { askCoordinator } from "../../http/domain-objects.ts";
import { page, queryOf } from "../../http/pages.ts";
import { Problem } from "../../http/problems.ts";
import { banBody, pageQuery } from "../../http/schemas.ts";
import { may } from "../../middleware/operator-scope.ts";
import { existing } from "./domains.ts";

/** Devices that may not come back. */
export const adminBans = new Hono<AppEnv>()
  .get("/admin/domains/:domain/bans", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const query = queryOf(c, pageQuery);
    await existing(c, domain);
    const { rows, nextCursor } = await page<string, BanRow>(
      c,
      query,
      ["bans", domain],
      async (part) => ({ rows: await listBans(c.env.DB, domain, part) }),
      ({ machineGuid }) => machineGuid,
    );
    const { keyEncryptionKeys } = configOf(c.env);
    return c.json({ bans: await Promise.all(rows.map((row) => banShown(domain, row, keyEncryptionKeys))), nextCursor });
  })
  .put("/admin/domains/:domain/bans/:device", may("domains:evict"), async (c) => {
    const domain = domainName(c);
    const { keyEncryptionKeys } = configOf(c.env);
    const machineGuid = await namedDevice(domain, c.req.param("device"), keyEncryptionKeys);
    const { reason } = await jsonBody(c, banBody);
    const [issuer, requestId, by] = [serverUrl(c), c.get("requestId"), c.get("operator").identity];
    const { created } = await askCoordinator(c.env, domain, (coordinator, repeated) =>
      coordinator.ban({ type: "ban", requestId, machineGuid, reason, by }, { issuer, repeated }),
    );
    const ban = await readBan(c.env.DB, domain, machineGuid);
    // Another operator may have lifted it already.
    if (!ban) throw new Problem("NOT_FOUND", { detail: "The ban was lifted in the meantime." });
    return c.json(await banShown(domain, ban, keyEncryptionKeys), created ? 201 : 200);
  })
  .delete("/admin/domains/:domain/bans/:device", may("domains:evict"), async (c) => {
    const domain = domainName(c);
    const machineGuid = await namedDevice(domain, c.req.param("device"), configOf(c.env).keyEncryptionKeys);
    const [issuer, requestId, by] = [serverUrl(c), c.get("requestId"), c.get("operator").identity];
    await askCoordinator(c.env, domain, (coordinator, repeated) =>
      coordinator.unban({ type: "unban", requestId, machineGuid, by }, { issuer, repeated }),
    );
    return c.json({ domain, banned: false });
  });
