import { env } from "cloudflare:workers";
import { DEVICE_NAME_SIGN } from "../../model/log-scan.ts";
import { mintToken, type TestNamespace, type TokenTwist } from "../issuers.ts";
import { configure, newDomain, newGuid, type Reply, register, reply } from "./client.ts";

/** The headers of who has a token of a subject. */
export async function bearer(sub: string, namespace: TestNamespace = "studio", twist: TokenTwist = {}) {
  const claims = { sub, ...twist.claims };
  const token = await mintToken(namespace, env.TEST_ISSUER_KEYS[namespace], { ...twist, claims });
  return { authorization: `Bearer ${token}` };
}

/** A device name that no log line may hold: whatever a test logs is searched for what it begins with. */
export function nameOf(device: string): string {
  return `${DEVICE_NAME_SIGN} ${device}`;
}

/** A new domain that belongs to a subject, and the headers of its owner. */
export async function ownedDomain(subject = "alice", settings: object = {}) {
  const domain = newDomain();
  const owned = { authenticationRequired: true, authNamespace: "studio", ownerSubject: subject };
  await configure(domain, { ...owned, ...settings });
  return { domain, owner: await bearer(subject) };
}

/** Has devices with these names join, one after the other. @returns their machine GUIDs */
export async function joinedAs(domain: string, owner: Record<string, string>, ...names: readonly (string | null)[]) {
  const guids: string[] = [];
  for (const name of names) {
    const guid = newGuid();
    const { status } = await register(domain, guid, name === null ? {} : { deviceName: name }, owner);
    if (status !== 201) throw new Error(`a device could not join: ${status}`);
    guids.push(guid);
  }
  return guids as [string, ...string[]];
}

/** Asks for something of a domain's devices. */
export function askDevices(
  method: string,
  domain: string,
  rest: string,
  headers: Record<string, string>,
  body?: unknown,
): Promise<Reply> {
  return reply(method, `/domains/${domain}/devices${rest}`, body, headers);
}

/** A device as its owner sees it. */
export type OwnedDevice = Readonly<{
  handle: string;
  deviceId: string;
  name: string | null;
  joinedAt: string;
  lastRenewedOn: string;
  thisDevice: boolean;
}>;

/** All devices of a domain, page by page. */
export async function devicesOf(
  domain: string,
  owner: Record<string, string>,
  limit = 200,
): Promise<readonly OwnedDevice[]> {
  const found: OwnedDevice[] = [];
  for (let cursor = ""; ; ) {
    const { status, body } = await askDevices("GET", domain, `?limit=${limit}${cursor}`, owner);
    if (status !== 200) throw new Error(`the devices were not listed: ${JSON.stringify(body)}`);
    found.push(...body.devices);
    if (body.nextCursor === null) return found;
    cursor = `&cursor=${body.nextCursor}`;
  }
}

/** The handle of the device with a machine GUID. */
export async function handleOf(domain: string, owner: Record<string, string>, machineGuid: string): Promise<string> {
  const { body } = await askDevices("GET", domain, "?limit=200", { ...owner, "machine-guid": machineGuid });
  return body.devices.find(({ thisDevice }: OwnedDevice) => thisDevice).handle;
}
