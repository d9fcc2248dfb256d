import { type Context, Hono } from "hono";
import type { BanGrant } from "../../../domain/ban.ts";
import type { AnyGrant } from "../../../domain/commands.ts";
import type { ResponseBody } from "../../../openapi/response-types.ts";
import type { ErrorName } from "../../../protocol/error-names.ts";
import { configOf } from "../../config.ts";
import { listOfAll } from "../../database/databases.ts";
import { type DomainOfDevice, listDomainsOfDevice } from "../../database/device-lists.ts";
import { jsonBody } from "../../http/bodies.ts";
import { deviceShown, namedDevice } from "../../http/devices-shown.ts";
import { executeAsOperator } from "../../http/domain-objects.ts";
import { page, pageOfAll, queryOf } from "../../http/pages.ts";
import { invalidRequest, Problem } from "../../http/problems.ts";
import { type AppEnv, isoTime } from "../../http/request-context.ts";
import { banBody, pageQuery } from "../../http/schemas.ts";
import { banTerms, callBans, knownBans, serverWideBanShown } from "../../http/server-wide-bans.ts";
import { may } from "../../middleware/operator-scope.ts";
import { MAX_BANS, type ServerWideBan } from "../../object/device-bans.ts";
import { errorFields, log } from "../../worker-log.ts";

/** The most domains that one request changes. */
const MAX_DOMAINS = 100;

/** Errors of a domain that has nothing left to do. */
const DONE: readonly ErrorName[] = ["NOT_FOUND", "DOMAIN_NOT_FOUND"];

/** Devices across domains: where they are members, and which are banned server-wide. */
export const adminDevices = new Hono<AppEnv>()
  .get("/admin/devices/:device", may("domains:read"), async (c) => {
    const machineGuid = await deviceOf(c);
    const query = queryOf(c, pageQuery);
    const [{ rows, nextCursor }, ban] = await Promise.all([
      pageOfAll<string, DomainOfDevice>(
        c,
        query,
        ["device", machineGuid],
        (database, part) => listDomainsOfDevice(database, machineGuid, part),
        ({ domain }) => domain,
      ),
      callBans(c.env, (bans) => bans.find(machineGuid)),
    ]);
    return c.json({
      ...(await deviceShown(null, machineGuid, configOf(c.env).keyEncryptionKeys)),
      ban: ban && banTerms(ban),
      domains: rows.map(({ domain, joinedAt, deviceKeyThumbprint }) => {
        return { domain, joinedAt: isoTime(joinedAt), hasDeviceKey: deviceKeyThumbprint !== null };
      }),
      nextCursor,
    } satisfies ResponseBody<"deviceResponse">);
  })
  .delete("/admin/devices/:device/domains", may("domains:evict"), async (c) => {
    const machineGuid = await deviceOf(c);
    const { domains, more } = cut(await domainsOf(c, machineGuid));
    const names = domains.map(({ domain }) => domain);
    const { done, failed } = await inEach(c, names, { type: "evict", machineGuid });
    return c.json({ evicted: done, failed, more } satisfies ResponseBody<"evictionsResponse">);
  })
  .put("/admin/devices/:device/ban", may("domains:evict"), async (c) => {
    const machineGuid = await deviceOf(c);
    const { reason } = await jsonBody(c, banBody);
    // The ban holds from now on, even if D1 cannot say where the device is.
    const [found] = await Promise.allSettled([domainsOf(c, machineGuid)]);
    const { domains, more } = cut(found.status === "fulfilled" ? found.value : []);
    const { created, ban, added } = await banEverywhere(c, machineGuid, reason, domains);
    if (found.status === "rejected") throw found.reason;
    const names = domains.map(({ domain }) => domain);
    const { done, failed, grants } = await inEach(c, names, { type: "ban", machineGuid, reason });
    const bannedBefore = added.filter((domain) => (grants.get(domain) as BanGrant | undefined)?.created === false);
    if (bannedBefore.length > 0) await callBans(c.env, (bans) => bans.leaveOut(machineGuid, bannedBefore));
    const shown = await serverWideBanShown(ban, configOf(c.env).keyEncryptionKeys);
    return c.json(
      { ...shown, domains: { banned: done, failed, more } } satisfies ResponseBody<"newServerWideBanResponse">,
      created ? 201 : 200,
    );
  })
  .delete("/admin/devices/:device/ban", may("domains:evict"), async (c) => {
    const machineGuid = await deviceOf(c);
    const requestId = c.get("requestId");
    const { lifted, domains: left } = await callBans(c.env, (bans) => {
      return bans.lift(machineGuid, requestId, MAX_DOMAINS + 1);
    });
    if (!lifted && left.length === 0) throw new Problem("NOT_FOUND", { detail: "There is no server-wide ban of it." });
    await knownBans(c.env).changed();
    const { domains, more } = cut(left);
    const { done, failed } = await inEach(c, domains, { type: "unban", machineGuid });
    await callBans(c.env, (bans) => bans.forgetDomains(machineGuid, done));
    const shown = await deviceShown(null, machineGuid, configOf(c.env).keyEncryptionKeys);
    return c.json({
      ...shown,
      banned: false,
      domains: { lifted: done, failed, more },
    } satisfies ResponseBody<"liftedServerWideBanResponse">);
  })
  .get("/admin/device-bans", may("domains:read"), async (c) => {
    const query = queryOf(c, pageQuery);
    const { rows, nextCursor } = await page<string, ServerWideBan>(
      c,
      query,
      ["device-bans"],
      async (part) => ({ rows: await callBans(c.env, (bans) => bans.list(part)) }),
      ({ machineGuid }) => machineGuid,
    );
    const { keyEncryptionKeys } = configOf(c.env);
    return c.json({
      bans: await Promise.all(rows.map((ban) => serverWideBanShown(ban, keyEncryptionKeys))),
      nextCursor,
    } satisfies ResponseBody<"serverWideBansResponse">);
  });

/** The machine GUID that the path names. @throws Problem `INVALID_REQUEST` */
function deviceOf(c: Context<AppEnv>): Promise<string> {
  return namedDevice(null, c.req.param("device") ?? "", configOf(c.env).keyEncryptionKeys);
}

/** The domains that D1 knows a device in: one more than a request changes tells whether there are more. */
async function domainsOf(c: Context<AppEnv>, machineGuid: string): Promise<readonly DomainOfDevice[]> {
  const part = { after: null, limit: MAX_DOMAINS + 1 };
  const read = (database: D1Database) => listDomainsOfDevice(database, machineGuid, part);
  return (await listOfAll(c.env, part, read, ({ domain }) => domain)).rows;
}

function cut<T>(domains: readonly T[]): Readonly<{ domains: readonly T[]; more: boolean }> {
  return { domains: domains.slice(0, MAX_DOMAINS), more: domains.length > MAX_DOMAINS };
}

/** Writes the server-wide ban of a device, with its keys. @throws Problem if there are too many bans */
async function banEverywhere(
  c: Context<AppEnv>,
  machineGuid: string,
  reason: string,
  domains: readonly DomainOfDevice[],
) {
  const ban = {
    machineGuid,
    reason,
    bannedBy: c.get("operator").identity,
    requestId: c.get("requestId"),
    deviceKeys: domains.flatMap(({ deviceKeyThumbprint }) => deviceKeyThumbprint ?? []),
    domains: domains.map(({ domain }) => domain),
  };
  const put = await callBans(c.env, (bans) => bans.ban(ban));
  if (!put) {
    const detail = `is one too many: at most ${MAX_BANS} devices may be banned server-wide`;
    throw invalidRequest({ field: "machineGuid", detail });
  }
  await knownBans(c.env).changed();
  return put;
}

/** Gives each of some domains a command. One that fails does not stop the others. */
async function inEach(
  c: Context<AppEnv>,
  domains: readonly string[],
  command: Parameters<typeof executeAsOperator>[2],
) {
  const grants = new Map<string, AnyGrant>();
  const results = await Promise.allSettled(
    domains.map(async (domain) => grants.set(domain, await executeAsOperator(c, domain, command))),
  );
  const failed = domains.flatMap((domain, index) => {
    const result = results[index];
    if (result?.status !== "rejected") return [];
    const error = result.reason instanceof Problem ? result.reason.problem : "INTERNAL_ERROR";
    if (DONE.includes(error)) return [];
    const requestId = c.get("requestId");
    log("warn", "a domain did not carry out a command", { requestId, domain, error, ...errorFields(result.reason) });
    return [{ domain, error }];
  });
  const failedDomains = new Set(failed.map(({ domain }) => domain));
  return { done: domains.filter((domain) => !failedDomains.has(domain)), failed, grants };
}
