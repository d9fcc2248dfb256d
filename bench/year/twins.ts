import { Connection } from "../../test/support/node/connection.ts";
import type { BenchServer } from "../bench-server.ts";
import { memberGuid } from "../load/jobs.ts";
import { send } from "../population.ts";
import { CONNECTIONS, coldTime, type Effort, inRounds, ratioInTurn, type Summary } from "../rounds.ts";
import { median } from "../statistics.ts";
import type { Workshop } from "../workshop.ts";
import { join } from "./newcomers.ts";

/** The result of one of two domains; times in milliseconds. */
type Twin = Readonly<{ joins: Summary; coldJoin: number; coldRenewal: number }>;

/** Two domains with the same members, and what the first makes of the second, in the same rounds. */
export type TwinComparison = Readonly<{
  twins: readonly [Twin, Twin];
  /** Joins a second. */
  byRate: number;
  /** The processor time of the second's joins by that of the first's. */
  byCpu: number;
  /** The first responses of an object, the first's by the second's. */
  coldJoins: number;
  coldRenewals: number;
}>;

/**
 * Compares two domains on one server, each in turn in every round: joins by newcomers that ask for the newest key, and the
 * first responses of evicted objects, to a newcomer and to a member that asks for the newest key.
 *
 * @param member one that both have, by its index
 */
export async function compareTwins(
  workshop: Workshop,
  server: BenchServer,
  domains: readonly [string, string],
  member: number,
  { coldTries, ...effort }: Effort & Readonly<{ coldTries: number }>,
): Promise<TwinComparison> {
  const contestants = domains.map((domain) => ({
    server,
    prepare: async () => ({ kind: "joins", domain, credentials: "newest" }) as const,
    warmUp: CONNECTIONS,
  }));
  const [first, second] = (await inRounds(workshop, contestants, effort)) as [Summary, Summary];
  const connection = new Connection(server.origin);
  const cold = domains.map((domain) => ({ domain, joins: [] as number[], renewals: [] as number[] }));
  for (let attempt = 0; attempt < coldTries; attempt++) {
    for (const { domain, joins, renewals } of attempt % 2 === 0 ? cold : cold.toReversed()) {
      const device = { machineGuid: memberGuid(member), credentials: "newest" };
      const renew = () => send(connection, domain, "register", device);
      renewals.push(await coldTime(server, domain, renew));
      joins.push(await coldTime(server, domain, renew, () => join(connection, domain, "newest")));
    }
  }
  connection.close();
  const [coldJoin, twinColdJoin] = cold.map(({ joins }) => median(joins)) as [number, number];
  const [coldRenewal, twinColdRenewal] = cold.map(({ renewals }) => median(renewals)) as [number, number];
  return {
    twins: [
      { joins: first, coldJoin, coldRenewal },
      { joins: second, coldJoin: twinColdJoin, coldRenewal: twinColdRenewal },
    ],
    byRate: ratioInTurn(first.rates, second.rates),
    byCpu: ratioInTurn(second.cpuTimes, first.cpuTimes),
    coldJoins: coldJoin / twinColdJoin,
    coldRenewals: coldRenewal / twinColdRenewal,
  };
}
