import type { JWK } from "jose";
import { isSealedWithFirst, openText, sealText } from "./sealed-texts.ts";

const PURPOSE = "device-name";

/** The membership that a name belongs to; part of what is sealed. */
type NamePlace = Readonly<{ domain: string; machineGuid: string }>;

/** Seals the name of a device as it is stored. */
export function sealDeviceName(
  name: string,
  { domain, machineGuid }: NamePlace,
  keys: readonly JWK[],
): Promise<string> {
  return sealText(JSON.stringify([domain, machineGuid, name]), PURPOSE, keys);
}

/**
 * The name of a device; null if it has none, or one that does not open: its key is gone, or the row was given another's.
 */
export async function openDeviceName(
  sealedName: string | null,
  { domain, machineGuid }: NamePlace,
  keys: readonly JWK[],
): Promise<string | null> {
  const opened = sealedName === null ? null : await openText(sealedName, PURPOSE, keys);
  if (opened === null) return null;
  const [home, device, name] = JSON.parse(opened) as string[];
  return home === domain && device === machineGuid && name !== undefined ? name : null;
}

/** Whether a name is sealed with the present key-encryption key. */
export function isSealedAnew(sealedName: string, keys: readonly [JWK, ...JWK[]]): boolean {
  return isSealedWithFirst(sealedName, PURPOSE, keys);
}
