import { DeviceDomain } from "../../../src/client/index.ts";
import type { TestDomain } from "./test-domain.ts";

/** A device elsewhere that has joined a domain. */
export async function joinedDevice(domain: TestDomain): Promise<DeviceDomain> {
  const device = await DeviceDomain.open(domain.url);
  await device.join();
  return device;
}

/** As many devices as are asked for, without keys of their own: their machine GUIDs. */
export async function joinUnsigned(domain: TestDomain, count: number): Promise<string[]> {
  const guids = Array.from({ length: count }, () => crypto.randomUUID());
  const answers = await Promise.all(guids.map((machineGuid) => send(domain, "register", machineGuid)));
  for (const { status, body } of answers) {
    if (status !== 201) throw new Error(`A device could not join: ${JSON.stringify(body)}`);
  }
  return guids;
}

/** Has a device without a key of its own leave. */
export async function leaveUnsigned(domain: TestDomain, machineGuid: string): Promise<void> {
  const { status, body } = await send(domain, "deregister", machineGuid);
  if (status !== 200) throw new Error(`A device could not leave: ${JSON.stringify(body)}`);
}

/** The key versions that a new device gets. */
export async function newcomersKeys(domain: TestDomain): Promise<number[]> {
  const { body } = await send(domain, "register", crypto.randomUUID());
  return (body.credentials as { keyVersion: number }[]).map(({ keyVersion }) => keyVersion);
}

async function send(domain: TestDomain, action: "register" | "deregister", machineGuid: string) {
  const response = await fetch(`${domain.url}/${action}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ machineGuid }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
