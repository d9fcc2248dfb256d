import { Connection } from "../../test/model/connection.ts";
import type { BenchServer } from "../bench-server.ts";
import type { LoadGenerator } from "../load/load-generator.ts";
import { memberGuid } from "../load/member-guids.ts";
import { CONNECTIONS, type Effort, measure, type Round, type Summary, summary } from "../measuring.ts";
import { median } from "../statistics.ts";
import { join, send } from "./newcomers.ts";

/** The result of one of two domains; times in milliseconds. */
type Twin = Readonly<{ joins: Summary; coldJoin: number; coldRenewal: number }>;

/** Two domains with the same members, and what the first makes of the second, in the same rounds. */
export type Comparison = Readonly<{
  twins: readonly [Twin, Twin];
  /** Joins a second. */
  byRate: number;
  /** The processor time of the second's joins by that of the first's. */
  byCpu: number;
  /** The first responses of an object, the first's by the second's. */
  coldJoins: number;
  coldRenewals: number;
}>;

/** How long a first response takes, try by try, in milliseconds. */
type ColdTimes = Readonly<{ join: number[]; renewal: number[] }>;

/** Compares two domains on one server, each in turn in every round. @param member one that both have, by its index */
export async function compareTwins(
  generator: LoadGenerator,
  server: BenchServer,
  domains: readonly [string, string],
  member: number,
  effort: Effort & Readonly<{ coldTries: number }>,
): Promise<Comparison> {
  const [first, second] = await joinRounds(generator, server, domains, effort);
  const cold = await coldTimes(server, domains, member, effort.coldTries);
  const twin = (rounds: readonly Round[], { join, renewal }: ColdTimes): Twin => ({
    joins: summary(rounds),
    coldJoin: median(join),
    coldRenewal: median(renewal),
  });
  const twins = [twin(first, cold[0]), twin(second, cold[1])] as const;
  const inRounds = (of: (round: Round) => number) =>
    median(first.map((round, index) => of(round) / of(second[index] as Round)));
  return {
    twins,
    byRate: inRounds(({ perSecond }) => perSecond),
    byCpu: 1 / inRounds(({ cpuSeconds, requests }) => cpuSeconds / requests),
    coldJoins: twins[0].coldJoin / twins[1].coldJoin,
    coldRenewals: twins[0].coldRenewal / twins[1].coldRenewal,
  };
}

/** Joins by newcomers that ask for the newest key. */
async function joinRounds(
  generator: LoadGenerator,
  server: BenchServer,
  domains: readonly [string, string],
  { rounds, seconds }: Effort,
): Promise<readonly [Round[], Round[]]> {
  const done: readonly [Round[], Round[]] = [[], []];
  let amount: number = CONNECTIONS;
  // The first round is the warm-up.
  for (let round = 0; round <= rounds; round++) {
    for (const turn of inTurn(round)) {
      const traffic = { kind: "joins", domain: domains[turn], credentials: "newest" } as const;
      const measured = await measure(generator, server, traffic, amount);
      if (round > 0) done[turn].push(measured);
      else amount = Math.max(CONNECTIONS, Math.ceil(measured.perSecond * seconds));
    }
  }
  return done;
}

/** The first responses of objects that were evicted: to a newcomer, and to a member that asks for the newest key. */
async function coldTimes(
  server: BenchServer,
  domains: readonly [string, string],
  member: number,
  tries: number,
): Promise<readonly [ColdTimes, ColdTimes]> {
  const connection = new Connection(server.origin);
  const renew = (domain: string) =>
    send(connection, `/domains/${domain}/register`, { machineGuid: memberGuid(member), credentials: "newest" });
  const times: readonly [ColdTimes, ColdTimes] = [
    { join: [], renewal: [] },
    { join: [], renewal: [] },
  ];
  for (let attempt = 0; attempt < tries; attempt++) {
    for (const turn of inTurn(attempt)) {
      const domain = domains[turn];
      times[turn].renewal.push(await coldTime(server, domain, renew, renew));
      times[turn].join.push(await coldTime(server, domain, renew, () => join(connection, domain, "newest")));
    }
  }
  connection.close();
  return times;
}

async function coldTime(
  server: BenchServer,
  domain: string,
  wake: (domain: string) => Promise<unknown>,
  ask: (domain: string) => Promise<unknown>,
): Promise<number> {
  // Only what runs can be evicted.
  await wake(domain);
  await server.readMeter();
  await server.evict(domain);
  const start = performance.now();
  await ask(domain);
  return performance.now() - start;
}

/** Who goes first changes from round to round. */
function inTurn(round: number): readonly (0 | 1)[] {
  return round % 2 === 0 ? [0, 1] : [1, 0];
}
