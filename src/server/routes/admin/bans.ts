import { Hono } from "hono";
import type { ResponseBody } from "../../../openapi/response-types.ts";
import { configOf } from "../../config.ts";
import { jsonBody } from "../../http/bodies.ts";
import { banShown, type Identified, namedDevice } from "../../http/devices-shown.ts";
import { executeAsOperator, read } from "../../http/domain-objects.ts";
import { page, queryOf } from "../../http/pages.ts";
import { Problem } from "../../http/problems.ts";
import { type AppEnv, domainName } from "../../http/request-context.ts";
import { banBody, pageQuery } from "../../http/schemas.ts";
import { may } from "../../middleware/operator-scope.ts";
import type { BanRow } from "../../object/storage/statements.ts";

/** Devices that may not come back. */
export const adminBans = new Hono<AppEnv>()
  .get("/admin/domains/:domain/bans", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const query = queryOf(c, pageQuery);
    const { rows, nextCursor } = await page<string, Identified<BanRow>>(
      c,
      query,
      ["bans", domain],
      async (part) => ({ rows: await read(c, domain, "bans", part) }),
      ({ machineGuid }) => machineGuid,
    );
    const { keyEncryptionKeys } = configOf(c.env);
    const bans = await Promise.all(rows.map((row) => banShown(domain, row, keyEncryptionKeys)));
    return c.json({ bans, nextCursor } satisfies ResponseBody<"bansResponse">);
  })
  .put("/admin/domains/:domain/bans/:device", may("domains:evict"), async (c) => {
    const domain = domainName(c);
    const { keyEncryptionKeys } = configOf(c.env);
    const machineGuid = await namedDevice(domain, c.req.param("device"), keyEncryptionKeys);
    const { reason } = await jsonBody(c, banBody);
    const { created, copied } = await executeAsOperator(c, domain, { type: "ban", machineGuid, reason });
    const ban = await read(c, domain, "ban", machineGuid);
    // Another operator may have lifted it already.
    if (!ban) throw new Problem("NOT_FOUND", { detail: "The ban was lifted in the meantime." });
    const shown = await banShown(domain, ban, keyEncryptionKeys);
    return c.json({ ...shown, copied } satisfies ResponseBody<"banResponse">, created ? 201 : 200);
  })
  .delete("/admin/domains/:domain/bans/:device", may("domains:evict"), async (c) => {
    const domain = domainName(c);
    const machineGuid = await namedDevice(domain, c.req.param("device"), configOf(c.env).keyEncryptionKeys);
    const { copied } = await executeAsOperator(c, domain, { type: "unban", machineGuid });
    return c.json({ domain, banned: false, copied } satisfies ResponseBody<"unbanResponse">);
  });
