import type { BenchServer } from "./bench-server.ts";
import type { LoadGenerator } from "./load/load-generator.ts";
import { CONNECTIONS, type Effort, measure, patience, type Round, type Summary, summary } from "./measuring.ts";
import { populate } from "./population.ts";
import type { Variant } from "./variants.ts";
import { WORKLOADS, type Workload, type WorkloadKey } from "./workloads.ts";

/** A variant whose D1 answers so many milliseconds late. */
export type Contestant = Readonly<{ variant: Variant; delayMilliseconds: number }>;

/** The result of one contestant under one workload. */
export type Row = Summary & Contestant & Readonly<{ workload: WorkloadKey }>;

/** Which contestants to measure under which workload. */
export type Comparison = Readonly<{ workload: WorkloadKey; contestants: readonly Contestant[] }>;

const WARM_UP = 2 * CONNECTIONS;
/** Where one request after the other waits for D1, rounds take long and differ little. */
const SLOW_ROUNDS = 2;

/**
 * Measures contestants under one workload, in rounds: each once in every round, so that whatever else the machine is up to
 * meets them all alike.
 */
export async function compare(
  generator: LoadGenerator,
  servers: Readonly<Record<Variant, BenchServer>>,
  { workload: key, contestants }: Comparison,
  effort: Effort,
): Promise<readonly Row[]> {
  const workload: Workload = WORKLOADS[key];
  const connections = workload.connections ?? CONNECTIONS;
  const entries = contestants.map((contestant) => ({
    ...contestant,
    slow: contestant.variant === "literal" && workload.oneDomain && contestant.delayMilliseconds > 0,
    done: [] as Round[],
    expected: 0,
  }));
  const outOfPatience = patience(effort, entries.length);
  for (let round = 0; round <= effort.rounds && !(round > 1 && outOfPatience()); round++) {
    for (const entry of entries) {
      const { variant, delayMilliseconds, slow, done, expected } = entry;
      const server = servers[variant];
      const warmUp = round === 0;
      // A warm-up would take longer than all the rest; its code is warm from the runs without delay.
      if (slow && (warmUp || round > SLOW_ROUNDS)) continue;
      const place = workload.placePerRound ? `${key}-${delayMilliseconds}-${round}` : key;
      await server.setDelay(0);
      await prepare(server, workload, place);
      if (workload.wakeUp) await measure(generator, server, workload.traffic(place), workload.wakeUp);
      const requests = slow
        ? CONNECTIONS
        : (workload.amount ?? (warmUp ? WARM_UP : Math.max(CONNECTIONS, Math.ceil(expected * effort.seconds))));
      await server.setDelay(delayMilliseconds);
      const measured = await measure(generator, server, workload.traffic(place), requests, { connections });
      entry.expected = measured.perSecond;
      if (!warmUp) done.push(measured);
    }
  }
  return entries.map(({ variant, delayMilliseconds, done }) => ({
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
