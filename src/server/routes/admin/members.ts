import { type Context, Hono } from "hono";
import type { ResponseBody } from "../../../openapi/response-types.ts";
import { configOf } from "../../config.ts";
import { type Identified, memberShown, namedDevice } from "../../http/devices-shown.ts";
import { executeAsOperator, read } from "../../http/domain-objects.ts";
import { page, queryOf } from "../../http/pages.ts";
import { Problem } from "../../http/problems.ts";
import { type AppEnv, domainName } from "../../http/request-context.ts";
import { deviceId, pageQuery } from "../../http/schemas.ts";
import { may } from "../../middleware/operator-scope.ts";
import type { ReadResult } from "../../object/storage/reads.ts";
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
    return c.json({ members, nextCursor } satisfies ResponseBody<"membersResponse">);
  })
  .get("/admin/domains/:domain/members/:device", may("domains:read"), async (c) => {
    const domain = domainName(c);
    const { keyEncryptionKeys } = configOf(c.env);
    const asked = c.req.param("device");
    const machineGuid = deviceId.safeParse(asked).success
      ? await memberInLog(c, domain, asked)
      : await namedDevice(domain, asked, keyEncryptionKeys);
    const member = machineGuid === null ? null : await read(c, domain, "member", machineGuid);
    if (!member) throw new Problem("NOT_FOUND", { detail: "The device is not a member of the domain." });
    const shown = await memberShown(domain, member, keyEncryptionKeys);
    // A caller that sends the whole GUID knows it already.
    return c.json(
      (asked.toLowerCase() === machineGuid
        ? { ...shown, machineGuid }
        : shown) satisfies ResponseBody<"memberResponse">,
    );
  })
  .delete("/admin/domains/:domain/members/:device", may("domains:evict"), async (c) => {
    const domain = domainName(c);
    const machineGuid = await namedDevice(domain, c.req.param("device"), configOf(c.env).keyEncryptionKeys);
    const { copied } = await executeAsOperator(c, domain, { type: "evict", machineGuid });
    return c.json({ domain, evicted: true, copied } satisfies ResponseBody<"evictionResponse">);
  });

/** The members that one call compares, for meanwhile the object does nothing else. */
const MEMBERS_AT_A_TIME = 5_000;

/**
 * The machine GUID of the member that the log has under this id; null if there is none. The GUID cannot be computed
 * from the id, so members are compared in turn.
 */
async function memberInLog(c: Context<AppEnv>, domain: string, id: string): Promise<string | null> {
  for (let after: string | null = null; ; ) {
    const part: { after: string | null; limit: number } = { after, limit: MEMBERS_AT_A_TIME };
    const { machineGuid, last }: ReadResult<"memberInLog"> = await read(c, domain, "memberInLog", id, part);
    if (machineGuid !== null || last === null) return machineGuid;
    after = last;
  }
}
