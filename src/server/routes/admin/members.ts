import { Hono } from "hono";
import { configOf } from "../../config.ts";
import { type AppEnv, domainName } from "../../http/context.ts";
import { type Identified, memberShown, namedDevice } from "../../http/devices-shown.ts";
import { executeAsOperator, read } from "../../http/domain-objects.ts";
import { page, queryOf } from "../../http/pages.ts";
import { Problem } from "../../http/problems.ts";
import { pageQuery } from "../../http/schemas.ts";
import { may } from "../../middleware/operator-scope.ts";
import type { MemberRow } from "../../object/storage/statements.ts";

/** The members of a domain. */
export const adminMembers = new Hono<AppEnv>()
  .get("/admin/domains/:domain/members", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const query = queryOf(c, pageQuery);
    const { rows, nextCursor } = await page<string, Identified<MemberRow>>(
      c,
      query,
      ["members", domain],
      async (part) => ({ rows: await read(c, domain, "members", part) }),
      ({ machineGuid }) => machineGuid,
    );
    const { keyEncryptionKeys } = configOf(c.env);
    const members = await Promise.all(rows.map((row) => memberShown(domain, row, keyEncryptionKeys)));
    return c.json({ members, nextCursor });
  })
  .get("/admin/domains/:domain/members/:device", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const { keyEncryptionKeys } = configOf(c.env);
    const asked = c.req.param("device");
    const machineGuid = await namedDevice(domain, asked, keyEncryptionKeys);
    const member = await read(c, domain, "member", machineGuid);
    if (!member) throw new Problem("NOT_FOUND", { detail: "The device is not a member of the domain." });
    const shown = await memberShown(domain, member, keyEncryptionKeys);
    // Whoever asks by the whole GUID knows it already.
    return c.json(asked.toLowerCase() === machineGuid ? { ...shown, machineGuid } : shown);
  })
  .delete("/admin/domains/:domain/members/:device", may("domains:evict"), async (c) => {
    const domain = domainName(c);
    const machineGuid = await namedDevice(domain, c.req.param("device"), configOf(c.env).keyEncryptionKeys);
    const { copied } = await executeAsOperator(c, domain, { type: "evict", machineGuid });
    return c.json({ domain, evicted: true, copied });
  });
