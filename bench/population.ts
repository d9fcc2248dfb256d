import { memberGuid } from "./load/member-guids.ts";
import type { BenchServer } from "./server.ts";

/** How many rows one statement adds: its parameter stays well under D1's 2 MB. */
const CHUNK = 20_000;

/** Makes a domain with so many members, those of `member-guids.ts`: born of a registration, then filled by SQL. */
export async function populate({ origin, database }: BenchServer, domain: string, members: number): Promise<void> {
  await registerOnce(origin, domain, memberGuid(0));
  for (let from = 1; from < members; from += CHUNK) {
    const guids = Array.from({ length: Math.min(CHUNK, members - from) }, (_, index) => memberGuid(from + index));
    await database
      .prepare("insert into domain_membership (domain, machine_guid, joined_at) select ?, value, ? from json_each(?)")
      .bind(domain, Date.now(), JSON.stringify(guids))
      .run();
  }
  await database
    .prepare("update domain_server_info set member_count = ? where domain = ?")
    .bind(Math.max(1, members), domain)
    .run();
}

/** Registers a device. @returns the milliseconds that took, and the size of the answer's body */
export async function registerOnce(
  origin: string,
  domain: string,
  machineGuid: string,
  afterKeyVersion = 0,
): Promise<{ took: number; bytes: number }> {
  const start = performance.now();
  const response = await fetch(`${origin}/domains/${domain}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ machineGuid, afterKeyVersion }),
  });
  const body = await response.arrayBuffer();
  if (!response.ok) throw new Error(`a registration failed with status ${response.status}`);
  return { took: performance.now() - start, bytes: body.byteLength };
}
