import { DeviceDomain } from "../../src/client/index.ts";
import type { TestDomain } from "./test-domain.ts";

/** A device elsewhere that has joined a domain. */
export async function joinedDevice(domain: TestDomain): Promise<DeviceDomain> {
  const device = await DeviceDomain.open(domain.url);
  await device.join();
  return device;
}

/** As many devices as are asked for, without keys of their own. */
export async function joinUnsigned(domain: TestDomain, count: number): Promise<void> {
  const joins = Array.from({ length: count }, () =>
    fetch(`${domain.url}/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ machineGuid: crypto.randomUUID() }),
    }),
  );
  for (const response of await Promise.all(joins)) {
    if (response.status !== 201) throw new Error(`A device could not join: ${await response.text()}`);
  }
}
