import { setTimeout as delay } from "node:timers/promises";
import { Connection } from "../support/node/connection.ts";
import { isCopied, uncopied } from "./copies.ts";
import { setDatabase } from "./database-faults.ts";
import { contradictions } from "./invariants.ts";
import type { Outcome } from "./outcome.ts";
import type { ModelServer } from "./server.ts";

const DOMAINS = 5;
const DEVICES = 3;
/** More than it takes from an acknowledged commit until the copy begins. */
const BEGUN_MILLISECONDS = 20;

/**
 * Kills the server again and again after its objects have committed and before D1 has it: joins, and the deletion of a
 * domain. Once it runs again, and though nobody asks for anything, D1 must come to have what was acknowledged.
 *
 * @param server one with a faulty database, which begins well each time it starts
 */
export async function tryInterruptedCopies(server: ModelServer, kills: number, seed: number): Promise<Outcome> {
  const broke: string[] = [];
  let tried = 0;
  for (; tried < kills && broke.length === 0; tried++) {
    const domains = Array.from({ length: DOMAINS }, (_, index) => `interrupted-${seed}-${tried}-${index}`);
    // In every other round D1 has the domain as it was before.
    const first = tried % 2 === 0 ? 1 : DEVICES;
    for (const domain of domains) await join(server, domain, first);
    broke.push(...(await uncopied(server)));
    // A hand-over that is not answered, with D1 having it or not.
    const mode = tried % 4 < 2 ? "hanging" : "failing-after";
    await setDatabase(server, mode);
    await Promise.all(domains.map((domain) => join(server, domain, DEVICES)));
    const deleted = domains[0] as string;
    await remove(server, deleted);
    await delay(tried % 8 < 4 ? 0 : BEGUN_MILLISECONDS);
    const early = mode === "hanging" ? domains.filter((domain) => isCopied(server, domain)) : [];
    broke.push(...early.map((domain) => `${domain}: D1 has it though it hangs`));
    server.kill();
    await server.restart();
    broke.push(...(await uncopied(server)));
    for (const domain of domains) {
      const { members, ...rows } = server.objects.domain(domain);
      broke.push(...contradictions({ members, ...rows }).map((each) => `${domain}: ${each}`));
      if (members.length !== (domain === deleted ? 0 : first + DEVICES))
        broke.push(`${domain}: ${members.length} members are left`);
    }
  }
  return { tried, broke, figures: `${tried * DOMAINS} domains, seed ${seed}` };
}

/** Has so many devices join a domain, one after the other. */
async function join({ origin }: ModelServer, domain: string, devices: number): Promise<void> {
  const connection = new Connection(origin);
  for (let device = 0; device < devices; device++) {
    const body = JSON.stringify({ machineGuid: crypto.randomUUID() });
    const headers = { "content-type": "application/json" };
    const { status } = await connection.ask("POST", `/domains/${domain}/register`, headers, body);
    if (status !== 201) throw new Error(`${status} for a device that joins ${domain}`);
  }
  connection.close();
}

/** Deletes a domain, without waiting for D1: its answer does. */
async function remove(server: ModelServer, domain: string): Promise<void> {
  const connection = new Connection(server.origin);
  const headers = { authorization: `Bearer ${server.adminToken}` };
  const answer = connection.ask("DELETE", `/admin/domains/${domain}?confirm=${domain}`, headers).catch(() => {});
  while (server.objects.domain(domain).info) await delay(1);
  // Its connection ends with the server.
  answer.finally(() => connection.close());
}
