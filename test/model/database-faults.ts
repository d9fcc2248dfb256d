import fc from "fast-check";
import { Connection } from "../support/node/connection.ts";
import { connect } from "./client-connection.ts";
import { uncopied } from "./copies.ts";
import { DomainClient, newTokens } from "./domain-client.ts";
import type { DatabaseMode } from "./door-requests.ts";
import { inexplicable, record } from "./history.ts";
import { broken } from "./invariants.ts";
import type { Outcome } from "./outcome.ts";
import { CLIENTS, lastingPlans } from "./plans.ts";
import type { ModelServer } from "./server.ts";

/** The faults that D1 has for the time of a run. */
export const DATABASE_FAULTS = ["slow", "failing", "failing-after", "hanging"] as const satisfies DatabaseMode[];

/** More than the longest pause of an object after a failure, and than it waits for a D1 that hangs. */
const PATIENCE_MILLISECONDS = 120_000;

/**
 * Sends random requests for several domains while something is wrong with D1. None of them may notice it: all must be
 * answered, as ever. Only a domain that does not exist yet is refused for now. When D1 is well again, it must come to
 * have what the objects have, without anybody asking for it.
 *
 * @param server one with a faulty database
 */
export async function tryDatabaseFault(
  server: ModelServer,
  fault: (typeof DATABASE_FAULTS)[number],
  histories: number,
  seed: number,
): Promise<Outcome> {
  const tokens = await newTokens(server);
  const broke: string[] = [];
  let [waiting, asked] = [histories, 0];
  const allThere = Promise.withResolvers<void>();
  /** Domains are created while D1 is well; then the fault begins for all. */
  const begun = async () => {
    if (--waiting === 0) await setDatabase(server, fault).then(allThere.resolve, allThere.reject);
    await allThere.promise;
  };
  const newborn = await Promise.all([
    ...fc.sample(lastingPlans, { numRuns: histories, seed }).map(async (plan, index) => {
      const connections = connect(server, CLIENTS);
      const client = new DomainClient(`${fault}-${index}-${seed}`, server, tokens);
      const history = await record(client, plan, connections, {
        first: [{ ask: "replace-settings", settings: {} }],
        begun,
      });
      for (const connection of connections) connection.close();
      asked += history.calls.length;
      const unanswered = history.calls.filter(({ answer }) => answer === null);
      // A repeat is refused if its device was removed since.
      const refused = unanswered.filter(({ ask }) => ask.ask !== "repeat" || ask.of.ask !== "register");
      for (const { ask } of refused) broke.push(`${client.domain}: ${JSON.stringify(ask)} was not answered`);
      broke.push(...broken(history, server.objects), ...[inexplicable(history) ?? []].flat());
      return [];
    }),
    allThere.promise.then(() => unborn(server, fault, `newborn-${fault}-${seed}`)),
  ]);
  broke.push(...newborn.flat());
  await setDatabase(server, "well");
  if (broke.length === 0) broke.push(...(await uncopied(server, PATIENCE_MILLISECONDS)));
  broke.push(...(await unborn(server, "well", `newborn-${fault}-${seed}`)));
  return { tried: histories, broke, figures: `${asked} requests, D1 ${fault}, seed ${seed}` };
}

/** Has D1 do something else. */
export async function setDatabase({ door }: ModelServer, database: DatabaseMode): Promise<void> {
  const connection = new Connection(door);
  await connection.ask("POST", "/", { "content-type": "application/json" }, JSON.stringify({ database }));
  connection.close();
}

/** The faults of the answer to the first device of a domain: D1 has to say that there is none. */
async function unborn(server: ModelServer, mode: DatabaseMode, domain: string): Promise<readonly string[]> {
  const response = await fetch(`${server.origin}/domains/${domain}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ machineGuid: crypto.randomUUID() }),
  });
  const { error } = (await response.json()) as { error?: string };
  const answers = mode === "well" || mode === "slow";
  const right = answers ? response.ok : response.status === 503 && error === "TEMPORARILY_UNAVAILABLE";
  return right ? [] : [`${domain}: ${response.status} ${error} for a newborn domain while D1 is ${mode}`];
}
