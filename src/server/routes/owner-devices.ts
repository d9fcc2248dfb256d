import { type Context, Hono } from "hono";
import { NO_MEMBER } from "../../domain/owner-commands.ts";
import type { AuthEvidence } from "../../domain/types.ts";
import type { ResponseBody } from "../../openapi/response-types.ts";
import { configOf } from "../config.ts";
import { sealDeviceName } from "../crypto/device-names.ts";
import { checked, jsonBody } from "../http/bodies.ts";
import { deviceOfHandle, type Identified, ownedDeviceShown } from "../http/devices-shown.ts";
import { execute, ownedDevices } from "../http/domain-objects.ts";
import { ownersToken } from "../http/owner-tokens.ts";
import { page, queryOf } from "../http/pages.ts";
import { invalidRequest, Problem } from "../http/problems.ts";
import { type AppEnv, domainName } from "../http/request-context.ts";
import { machineGuidHeader, pageQuery, removalQuery, renamingBody } from "../http/schemas.ts";
import { limitedByAddress } from "../middleware/rate-limit.ts";
import type { OwnedDeviceList } from "../object/owned-devices.ts";
import type { MemberRow } from "../object/storage/statements.ts";
import { newRequestId } from "../request-ids.ts";

/** The most devices that one commit removes. */
const DEVICES_AT_A_TIME = 250;
/** No machine GUID: it names no device. */
const NOBODY = "";

/**
 * Routes of a domain's owner, about its devices.
 *
 * The token is looked at before the domain, and the domain tells nobody but its owner anything of its devices.
 */
export const ownerDevices = new Hono<AppEnv>()
  .get("/domains/:domain/devices", limitedByAddress, async (c) => {
    const domain = domainName(c);
    const auth = await ownersToken(c);
    const query = queryOf(c, pageQuery);
    const asking = askingDevice(c);
    let found: OwnedDeviceList | undefined;
    const { rows, nextCursor } = await page<string, Identified<MemberRow>>(
      c,
      query,
      ["devices", domain],
      async (part) => {
        found = await ownedDevices(c, domain, auth, part);
        return found;
      },
      ({ machineGuid }) => machineGuid,
    );
    const { memberCount, maxMembership } = found as OwnedDeviceList;
    const { keyEncryptionKeys } = configOf(c.env);
    const devices = await Promise.all(rows.map((row) => ownedDeviceShown(domain, row, asking, keyEncryptionKeys)));
    return c.json({
      domain,
      memberCount,
      maxMembership,
      devices,
      nextCursor,
    } satisfies ResponseBody<"ownedDevicesResponse">);
  })
  .delete("/domains/:domain/devices", limitedByAddress, async (c) => {
    const domain = domainName(c);
    const auth = await ownersToken(c);
    const { except } = queryOf(c, removalQuery);
    const stays = except === undefined ? null : await deviceOfHandle(domain, except, configOf(c.env).keyEncryptionKeys);
    if (except !== undefined && stays === null) {
      throw invalidRequest({ field: "except", detail: "must be a handle from the list of this domain's devices" });
    }
    const removed = await removeAll(c, domain, auth, stays);
    return c.json({ domain, removed } satisfies ResponseBody<"removalResponse">);
  })
  .patch("/domains/:domain/devices/:handle", limitedByAddress, async (c) => {
    const domain = domainName(c);
    const auth = await ownersToken(c);
    const asking = askingDevice(c);
    const { name } = await jsonBody(c, renamingBody);
    const machineGuid = await namedByPath(c, domain);
    const { keyEncryptionKeys } = configOf(c.env);
    // Before it is renamed: what changed something is not refused after that.
    const [device] = (await ownedDevices(c, domain, auth, { machineGuid })).rows;
    if (!device) throw new Problem("NOT_FOUND", { detail: NO_MEMBER });
    const sealedName = name === null ? null : await sealDeviceName(name, { domain, machineGuid }, keyEncryptionKeys);
    await execute(c, domain, { type: "rename", requestId: c.get("requestId"), machineGuid, auth, sealedName });
    const renamed = await ownedDeviceShown(domain, { ...device, sealedName }, asking, keyEncryptionKeys);
    return c.json(renamed satisfies ResponseBody<"ownedDevice">);
  })
  .delete("/domains/:domain/devices/:handle", limitedByAddress, async (c) => {
    const domain = domainName(c);
    const auth = await ownersToken(c);
    const machineGuids = [await namedByPath(c, domain)];
    const requestId = c.get("requestId");
    const { removed } = await execute(c, domain, { type: "remove", requestId, machineGuids, auth });
    if (removed === 0) throw new Problem("NOT_FOUND", { detail: NO_MEMBER });
    return c.json({ domain, removed } satisfies ResponseBody<"removalResponse">);
  });

/** The machine GUID of the device that asks; null if it does not say. @throws Problem `INVALID_REQUEST` */
function askingDevice(c: Context<AppEnv>): string | null {
  return checked(machineGuidHeader, { "machine-guid": c.req.header("machine-guid") })["machine-guid"] ?? null;
}

/** The machine GUID of the device in the path. A handle that is none of this domain names no device of it. */
async function namedByPath(c: Context<AppEnv>, domain: string): Promise<string> {
  const { keyEncryptionKeys } = configOf(c.env);
  return (await deviceOfHandle(domain, c.req.param("handle") ?? "", keyEncryptionKeys)) ?? NOBODY;
}

/**
 * Removes all devices but one, in the order of their machine GUIDs. Done again after an interruption, it removes the rest.
 *
 * @returns how many were removed
 */
async function removeAll(
  c: Context<AppEnv>,
  domain: string,
  auth: AuthEvidence,
  except: string | null,
): Promise<number> {
  let removed = 0;
  let requestId = c.get("requestId");
  for (let after: string | null = null; ; requestId = newRequestId()) {
    const { rows }: OwnedDeviceList = await ownedDevices(c, domain, auth, { after, limit: DEVICES_AT_A_TIME });
    const machineGuids = rows.map(({ machineGuid }) => machineGuid).filter((machineGuid) => machineGuid !== except);
    if (machineGuids.length > 0) {
      removed += (await execute(c, domain, { type: "remove", requestId, machineGuids, auth })).removed;
    }
    const last = rows.at(-1);
    if (!last || rows.length < DEVICES_AT_A_TIME) return removed;
    after = last.machineGuid;
  }
}
