import type { BenchServer } from "./bench-server.ts";
import type { Job, Measurement, Traffic } from "./load/jobs.ts";
import type { LoadGenerator } from "./load/load-generator.ts";
import { cpuSeconds, peakMemoryBytes, resetPeakMemory } from "./processes.ts";
import { median } from "./statistics.ts";

/** Requests in flight, unless a measurement says otherwise. */
export const CONNECTIONS = 64;

/** A server under load; one without D1 has no meter. */
export type Measured = Pick<BenchServer, "origin" | "pid"> & { readonly readMeter?: BenchServer["readMeter"] };

/** One round of load on one server. */
export type Round = Measurement &
  Readonly<{
    requests: number;
    /** With what the server did after its last answer, until D1 had everything. */
    cpuSeconds: number;
    peakMemoryBytes: number;
    d1Calls: number;
  }>;

/** The result of several rounds; times in milliseconds. */
export type Summary = Readonly<{
  rounds: number;
  /** The median of the rounds, and the least and most of them. */
  perSecond: number;
  least: number;
  most: number;
  /** That of each round. */
  rates: readonly number[];
  p50: number;
  p99: number;
  answerBytes: number;
  cpuMillisecondsPerRequest: number;
  /** Round trips to D1; far below 1 where many requests share them. */
  d1CallsPerRequest: number;
  /** The most memory the server held at once. */
  peakMemoryBytes: number;
  /** The share of a processor that the load generator was busy with: near 1, it is the generator that was measured. */
  generatorBusy: number;
}>;

/** Puts a server under load once, and reads what that cost it. */
export async function measure(
  generator: LoadGenerator,
  server: Measured,
  traffic: Traffic,
  requests: number,
  pace: Job["pace"] = { connections: CONNECTIONS },
): Promise<Round> {
  await server.readMeter?.();
  resetPeakMemory(server.pid);
  const before = cpuSeconds(server.pid);
  const measurement = await generator.run({ origin: server.origin, traffic, amount: requests, pace });
  const d1Calls = (await server.readMeter?.())?.calls ?? 0;
  return {
    ...measurement,
    requests,
    cpuSeconds: cpuSeconds(server.pid) - before,
    peakMemoryBytes: peakMemoryBytes(server.pid),
    d1Calls,
  };
}

/** How often and how long to measure. */
export type Effort = Readonly<{ rounds: number; seconds: number }>;

/**
 * Tells whether rounds have taken so much longer than meant that those done must do: a machine that is busy with
 * other things makes the bench rougher, not longer.
 *
 * @param contestants how many take part in each round
 */
export function patience({ rounds, seconds }: Effort, contestants: number): () => boolean {
  const end = performance.now() + 2_000 * rounds * seconds * contestants;
  return () => performance.now() > end;
}

/** Puts rounds together. */
export function summary(rounds: readonly Round[]): Summary {
  const all = (of: (round: Round) => number) => rounds.map(of);
  const sum = (of: (round: Round) => number) => all(of).reduce((total, each) => total + each, 0);
  const perSecond = all((round) => round.perSecond);
  return {
    rounds: rounds.length,
    perSecond: median(perSecond),
    least: Math.min(...perSecond),
    most: Math.max(...perSecond),
    rates: perSecond,
    p50: median(all(({ p50 }) => p50)),
    p99: median(all(({ p99 }) => p99)),
    answerBytes: median(all(({ answerBytes }) => answerBytes)),
    cpuMillisecondsPerRequest: (1000 * sum((round) => round.cpuSeconds)) / sum(({ requests }) => requests),
    d1CallsPerRequest: sum(({ d1Calls }) => d1Calls) / sum(({ requests }) => requests),
    peakMemoryBytes: Math.max(...all((round) => round.peakMemoryBytes)),
    generatorBusy: median(all(({ generatorBusy }) => generatorBusy)),
  };
}
