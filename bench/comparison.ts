import type { LoadGenerator } from "./load/load-generator.ts";
import { CONNECTIONS, type Effort, measure, patience, type Round, type Summary, summary } from "./measuring.ts";
import { populate } from "./population.ts";
import type { BenchServer } from "./server.ts";
import type { Variant } from "./variants.ts";
import { WORKLOADS, type Workload, type WorkloadKey } from "./workloads.ts";

/** What one variant did under one workload. */
export type Row = Summary & Readonly<{ workload: WorkloadKey; variant: Variant; delayMilliseconds: number }>;

/** Which variants to measure under which workload, and how late D1 is to answer. */
export type Comparison = Readonly<{ workload: WorkloadKey; delayMilliseconds: number; variants: readonly Variant[] }>;

const WARM_UP = 2 * CONNECTIONS;
/** Where one request after the other waits for D1, rounds take long and differ little. */
const SLOW_ROUNDS = 2;

/**
 * Measures variants under one workload, in rounds: each variant once in every round, so that whatever else the machine
 * is up to meets them all alike.
 */
export async function compare(
  generator: LoadGenerator,
  servers: Readonly<Record<Variant, BenchServer>>,
  comparison: Comparison,
  effort: Effort,
): Promise<readonly Row[]> {
  const { delayMilliseconds, workload: key, variants } = comparison;
  const workload: Workload = WORKLOADS[key];
  const contestants = variants.map((variant) => ({
    variant,
    server: servers[variant],
    slow: variant === "literal" && workload.oneDomain && delayMilliseconds > 0,
    done: [] as Round[],
    expected: 0,
  }));
  for (const { server } of contestants) await server.setDelay(delayMilliseconds);
  const outOfPatience = patience(effort, contestants.length);
  for (let round = 0; round <= effort.rounds && !(round > 1 && outOfPatience()); round++) {
    for (const contestant of contestants) {
      const { server, slow, done, expected } = contestant;
      const warmUp = round === 0;
      // A warm-up would take longer than all the rest; its code is warm from the runs without delay.
      if (slow && (warmUp || round > SLOW_ROUNDS)) continue;
      const place = workload.placePerRound ? `${key}-${delayMilliseconds}-${round}` : key;
      await prepare(server, workload, place);
      if (workload.wakeUp) await measure(generator, server, workload.traffic(place), workload.wakeUp);
      const requests = warmUp
        ? WARM_UP
        : slow
          ? CONNECTIONS
          : (workload.amount ?? Math.max(CONNECTIONS, Math.ceil(expected * effort.seconds)));
      const measured = await measure(generator, server, workload.traffic(place), requests);
      contestant.expected = measured.perSecond;
      if (!warmUp) done.push(measured);
    }
  }
  return contestants.map(({ variant, done }) => ({
    workload: key,
    variant,
    delayMilliseconds,
    ...summary(done),
  }));
}

const prepared = new WeakMap<BenchServer, Set<string>>();

/** Makes the domain of a round, if that takes more than traffic. */
async function prepare(server: BenchServer, { members }: Workload, place: string): Promise<void> {
  const known = prepared.get(server) ?? new Set();
  prepared.set(server, known);
  if (known.has(place)) return;
  known.add(place);
  if (members !== undefined) await populate(server, place, members);
}
