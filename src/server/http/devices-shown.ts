import type { JWK } from "jose";
import { openDeviceName } from "../crypto/device-names.ts";
import { openText, sealText } from "../crypto/sealed-texts.ts";
import type { BanRow, MemberRow } from "../object/storage/statements.ts";
import { invalidRequest } from "./problems.ts";
import { isoTime } from "./request-context.ts";
import { machineGuid as machineGuidSchema } from "./schemas.ts";

const PURPOSE = "device-handle";
const SHOWN_CHARACTERS = 8;

/** A member as operators see it: its machine GUID is a secret, so that they get the beginning of it, and a handle. */
export async function memberShown(domain: string, row: Identified<MemberRow>, keys: readonly JWK[]) {
  return {
    ...(await deviceShown(domain, row.machineGuid, keys)),
    deviceId: row.deviceId,
    joinedAt: isoTime(row.joinedAt),
    hasDeviceKey: row.deviceKeyThumbprint !== null,
    lastRenewedOn: dayShown(row.lastRenewedOn),
    name: await openDeviceName(row.sealedName, { domain, machineGuid: row.machineGuid }, keys),
  };
}

/**
 * A device as the owner of its domain sees it: nothing of its machine GUID, which is a secret.
 *
 * @param asking the machine GUID of the device that asks; null if it is not known
 */
export async function ownedDeviceShown(
  domain: string,
  { machineGuid, deviceId, sealedName, joinedAt, lastRenewedOn }: Identified<MemberRow>,
  asking: string | null,
  keys: readonly JWK[],
) {
  return {
    handle: (await deviceShown(domain, machineGuid, keys)).handle,
    deviceId,
    name: await openDeviceName(sealedName, { domain, machineGuid }, keys),
    joinedAt: isoTime(joinedAt),
    lastRenewedOn: dayShown(lastRenewedOn),
    thisDevice: machineGuid === asking,
  };
}

/** A day since the Unix epoch as the contract writes days. */
function dayShown(day: number): string {
  return isoTime(day * 86_400_000).slice(0, 10);
}

/** A ban as operators see it. */
export async function banShown(domain: string, row: Identified<BanRow>, keys: readonly JWK[]) {
  return {
    ...(await deviceShown(domain, row.machineGuid, keys)),
    deviceId: row.deviceId,
    hasDeviceKey: row.deviceKeyThumbprint !== null,
    reason: row.reason,
    bannedAt: isoTime(row.bannedAt),
    bannedBy: row.bannedBy,
  };
}

/** A row with the id that the log calls its device by. */
export type Identified<Row> = Row & Readonly<{ deviceId: string }>;

/**
 * A device as operators see it.
 *
 * @param domain the domain that the handle is good for; null for all
 */
export async function deviceShown(domain: string | null, machineGuid: string, keys: readonly JWK[]) {
  return {
    handle: await sealText(JSON.stringify([domain, machineGuid]), PURPOSE, keys),
    machineGuid: `${machineGuid.slice(0, SHOWN_CHARACTERS)}…`,
  };
}

/**
 * The machine GUID that a path names: in whole, or by a handle from a list of the same domain, or from one across domains.
 *
 * @param domain null if the path is about all domains: then any handle will do
 * @throws Problem `INVALID_REQUEST`
 */
export async function namedDevice(domain: string | null, name: string, keys: readonly JWK[]): Promise<string> {
  const guid = machineGuidSchema.safeParse(name);
  if (guid.success) return guid.data;
  const { home, machineGuid } = await openHandle(name, keys);
  if (machineGuid !== null && (domain === null || home === null || home === domain)) return machineGuid;
  const lists = domain === null ? "a list" : "a list of this domain";
  throw invalidRequest({ field: "machineGuid", detail: `must be a UUID, or a handle from ${lists}` });
}

/** The machine GUID that a handle from a list of a domain stands for; null if it is none. */
export async function deviceOfHandle(domain: string, handle: string, keys: readonly JWK[]): Promise<string | null> {
  const { home, machineGuid } = await openHandle(handle, keys);
  return home === domain ? machineGuid : null;
}

/** The domain that a handle is good for, null for all, and its machine GUID, null if it is no handle. */
async function openHandle(handle: string, keys: readonly JWK[]) {
  const opened = await openText(handle, PURPOSE, keys);
  const [home, machineGuid] = opened === null ? [null, null] : (JSON.parse(opened) as [string | null, string]);
  return { home, machineGuid };
}
