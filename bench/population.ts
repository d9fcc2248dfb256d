import { setTimeout as delay } from "node:timers/promises";
import type { BenchServer } from "./bench-server.ts";
import { memberGuid } from "./load/member-guids.ts";
import { hasMembers } from "./variants.ts";

/** How many rows one statement adds: its parameter stays well under D1's 2 MB. */
const CHUNK = 20_000;
/** A domain that is being taken over is asked again after this. */
const RETRY_MILLISECONDS = 200;

/**
 * Makes a domain with so many members, those of `member-guids.ts`, and one key: D1 is loaded, as by a service that brings
 * its domains along, and the domain's object takes it over from there. A variant without members is left as it is.
 *
 * @param loadMore loads more of the domain into D1
 */
export async function populate(
  { variant, origin, database }: BenchServer,
  domain: string,
  members: number,
  loadMore: () => Promise<void> = async () => {},
): Promise<void> {
  if (!hasMembers(variant)) return;
  const now = Date.now();
  for (let from = 0; from < members; from += CHUNK) {
    const guids = Array.from({ length: Math.min(CHUNK, members - from) }, (_, index) => memberGuid(from + index));
    await database
      .prepare("insert into domain_membership (domain, machine_guid, joined_at) select ?, value, ? from json_each(?)")
      .bind(domain, now, JSON.stringify(guids))
      .run();
  }
  await loadMore();
  await database
    .prepare(
      "insert into domain_server_info (domain, member_count, revision, created_at, updated_at) values (?, ?, 1, ?, ?)",
    )
    .bind(domain, members, now, now)
    .run();
  let registered = await tryToRegister(origin, domain, memberGuid(0), 0);
  while (registered === null) {
    await delay(RETRY_MILLISECONDS);
    registered = await tryToRegister(origin, domain, memberGuid(0), 0);
  }
  if (members > 0 && registered.newMember) throw new Error("the domain does not have the members it was made with");
}

/** Registers a device. @returns the milliseconds that took, and the size of the answer's body */
export async function registerOnce(
  origin: string,
  domain: string,
  machineGuid: string,
  afterKeyVersion: number,
): Promise<{ took: number; bytes: number }> {
  const start = performance.now();
  const registered = await tryToRegister(origin, domain, machineGuid, afterKeyVersion);
  if (registered === null) throw new Error("a registration was put off");
  return { took: performance.now() - start, bytes: registered.bytes };
}

/** Asks for a registration. @returns null if the domain cannot be served yet */
async function tryToRegister(
  origin: string,
  domain: string,
  machineGuid: string,
  afterKeyVersion: number,
): Promise<{ newMember: boolean; bytes: number } | null> {
  const response = await fetch(`${origin}/domains/${domain}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ machineGuid, afterKeyVersion }),
  });
  const body = await response.arrayBuffer();
  if (response.ok) return { newMember: response.status === 201, bytes: body.byteLength };
  if (response.status === 503) return null;
  throw new Error(`a registration failed with status ${response.status}`);
}
