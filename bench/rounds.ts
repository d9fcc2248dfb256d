import type { BenchServer } from "./bench-server.ts";
import type { Job, Measurement, Traffic } from "./load/jobs.ts";
import type { MeterReading } from "./meter.ts";
import { median } from "./statistics.ts";
import type { Workshop } from "./workshop.ts";

/** Requests in flight, unless a measurement says otherwise. */
export const CONNECTIONS = 64;

/** A server under load; one without D1 has no meter. */
export type Measured = Pick<BenchServer, "origin" | "pid"> & { readonly readMeter?: BenchServer["readMeter"] };

/** One round of load on one server. */
export type Round = Measurement &
  Readonly<{
    requests: number;
    /** The calls to D1 and the rows; null without a meter. */
    costs: MeterReading | null;
    /** The time from the last response until D1 had every change. */
    catchUpMilliseconds: number;
    /** The processor time of the round, and of that time after it. */
    cpuSeconds: number;
    peakMemoryBytes: number;
  }>;

/** The result of several rounds; times in milliseconds. */
export type Summary = Readonly<{
  /** The median of the rounds, and the least and most of them. */
  perSecond: number;
  least: number;
  most: number;
  /** The requests a second of each round, and the processor time of a request in it. */
  rates: readonly number[];
  cpuTimes: readonly number[];
  p50: number;
  p99: number;
  cpuMillisecondsPerRequest: number;
  /** Round trips to D1; far below 1 where many requests share them. */
  d1CallsPerRequest: number;
  catchUpMilliseconds: number;
  /** The most memory the server held at once. */
  peakMemoryBytes: number;
  /** The share of a processor that the load generator was busy with: near 1, it is the generator that was measured. */
  generatorBusy: number;
}>;

/** The number of rounds, and the length of each. */
export type Effort = Readonly<{ rounds: number; seconds: number }>;

/** A server that takes part in rounds. */
export type Contestant = Readonly<{
  server: Measured;
  /** Makes ready what a round needs, and says what the round's requests are. The first round, 0, is the warm-up. */
  prepare: (round: number) => Promise<Traffic>;
  /** The requests of a round; if left out, as many as fit its time. */
  amount?: number;
  /** The requests of the warm-up. */
  warmUp?: number;
  pace?: Job["pace"];
  /** A slow contestant has few rounds and no warm-up: its rounds take long, and differ little. */
  slow?: boolean;
}>;

const SLOW_ROUNDS = 2;

/**
 * Measures contestants in rounds, each once in every round, so that whatever else the machine is up to meets them all alike.
 * Who goes first changes from round to round. A machine that is busy with other things has fewer rounds, not a longer bench.
 *
 * @returns the result of each contestant
 */
export async function inRounds(
  workshop: Workshop,
  contestants: readonly Contestant[],
  { rounds, seconds }: Effort,
): Promise<readonly Summary[]> {
  const end = performance.now() + 2_000 * rounds * seconds * contestants.length;
  const entries = contestants.map((contestant) => ({ ...contestant, done: [] as Round[], expected: 0 }));
  for (let round = 0; round <= rounds && !(round > 1 && performance.now() > end); round++) {
    for (const entry of round % 2 === 0 ? entries : entries.toReversed()) {
      const { server, prepare, amount, warmUp = 2 * CONNECTIONS, pace, slow, done, expected } = entry;
      if (slow && (round === 0 || round > SLOW_ROUNDS)) continue;
      const traffic = await prepare(round);
      const fitting = round === 0 ? warmUp : Math.max(CONNECTIONS, Math.ceil(expected * seconds));
      const measured = await workshop.measure(server, traffic, slow ? CONNECTIONS : (amount ?? fitting), pace);
      entry.expected = measured.perSecond;
      if (round > 0) done.push(measured);
    }
  }
  return entries.map(({ done }) => summary(done));
}

/** Puts rounds together. */
function summary(rounds: readonly Round[]): Summary {
  const all = (of: (round: Round) => number) => rounds.map(of);
  const middle = (of: (round: Round) => number) => median(all(of));
  const sum = (of: (round: Round) => number) => all(of).reduce((total, each) => total + each, 0);
  const requests = sum((round) => round.requests);
  const rates = all(({ perSecond }) => perSecond);
  return {
    perSecond: median(rates),
    least: Math.min(...rates),
    most: Math.max(...rates),
    rates,
    cpuTimes: all(({ cpuSeconds, requests }) => (1000 * cpuSeconds) / requests),
    p50: middle(({ p50 }) => p50),
    p99: middle(({ p99 }) => p99),
    cpuMillisecondsPerRequest: (1000 * sum(({ cpuSeconds }) => cpuSeconds)) / requests,
    d1CallsPerRequest: sum(({ costs }) => costs?.calls ?? 0) / requests,
    catchUpMilliseconds: middle(({ catchUpMilliseconds }) => catchUpMilliseconds),
    peakMemoryBytes: Math.max(...all(({ peakMemoryBytes }) => peakMemoryBytes)),
    generatorBusy: middle(({ generatorBusy }) => generatorBusy),
  };
}

/** The median of the ratios of one series to another: each figure is compared with its neighbour in time. */
export function ratioInTurn(series: readonly number[], reference: readonly number[]): number {
  return median(series.map((value, round) => value / (reference[round] as number)));
}

/** The time that something takes, in milliseconds. */
export async function timeOf(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/**
 * The time of the first response of a domain's object that holds nothing in memory.
 *
 * @param wake runs it before: only what runs can be evicted
 */
export async function coldTime(
  server: BenchServer,
  domain: string,
  wake: () => Promise<unknown>,
  ask = wake,
): Promise<number> {
  await wake();
  await server.readMeter();
  await server.evict(domain);
  return timeOf(ask);
}
