import { setTimeout as delay } from "node:timers/promises";
import { Connection } from "../test/support/node/connection.ts";
import type { BenchServer } from "./bench-server.ts";
import { memberGuid } from "./load/jobs.ts";

/** How many rows one statement adds: its parameter stays well under D1's 2 MB. */
const CHUNK = 20_000;
/** A request that is refused for the moment is sent again after this, so many times at the most. */
const RETRY_MILLISECONDS = 250;
const RETRIES = 20;

const populated = new WeakMap<BenchServer, Set<string>>();

/**
 * Makes a domain with so many members, those of `memberGuid`, and one key, if it is not there: D1 is loaded, as by a
 * service that brings its domains along, and the domain's object takes it over from there. A variant that has no members is
 * left as it is.
 */
export async function populate(server: BenchServer, domain: string, members: number): Promise<void> {
  const domains = populated.get(server) ?? new Set();
  if (server.variant === "empty" || server.variant === "bare" || domains.has(domain)) return;
  populated.set(server, domains.add(domain));
  const { database, origin } = server;
  const now = Date.now();
  for (let from = 0; from < members; from += CHUNK) {
    const guids = Array.from({ length: Math.min(CHUNK, members - from) }, (_, index) => memberGuid(from + index));
    await database
      .prepare("insert into domain_membership (domain, machine_guid, joined_at) select ?, value, ? from json_each(?)")
      .bind(domain, now, JSON.stringify(guids))
      .run();
  }
  await database
    .prepare(
      "insert into domain_server_info (domain, member_count, revision, created_at, updated_at) values (?, ?, 1, ?, ?)",
    )
    .bind(domain, members, now, now)
    .run();
  const connection = new Connection(origin);
  const body = await send(connection, domain, "register", { machineGuid: memberGuid(0) }, Number.POSITIVE_INFINITY);
  connection.close();
  const { newMember } = JSON.parse(body) as { newMember: boolean };
  if (newMember) throw new Error("the domain does not have the members it was made with");
}

/**
 * Sends a request of a device until it is granted.
 *
 * @param retries how often it is sent again when it is refused for the moment
 * @returns the body of the response
 */
export async function send(
  connection: Connection,
  domain: string,
  action: "register" | "deregister",
  members: object,
  retries = RETRIES,
): Promise<string> {
  const path = `/domains/${domain}/${action}`;
  const body = JSON.stringify(members);
  for (let retry = 0; ; retry++) {
    const response = await connection.ask("POST", path, { "content-type": "application/json" }, body);
    if (response.status < 300) return response.body;
    if (response.status !== 503 || retry >= retries) throw new Error(`${path}: ${response.status} ${response.body}`);
    await delay(RETRY_MILLISECONDS);
  }
}
