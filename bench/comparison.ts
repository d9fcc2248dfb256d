import type { BenchServer, Variant } from "./bench-server.ts";
import { populate } from "./population.ts";
import { CONNECTIONS, type Effort, inRounds, type Summary } from "./rounds.ts";
import { WORKLOADS, type Workload, type WorkloadKey } from "./workloads.ts";
import type { Workshop } from "./workshop.ts";

/** A variant whose D1 answers so many milliseconds late. */
export type LateVariant = Readonly<{ variant: Variant; delayMilliseconds: number }>;

/** The result of one of them under one workload. */
export type Row = Summary & LateVariant & Readonly<{ workload: WorkloadKey }>;

/** A workload, and the variants that are measured under it. */
export type Comparison = Readonly<{ workload: WorkloadKey; variants: readonly LateVariant[] }>;

/** Measures variants under one workload. */
export async function compare(
  workshop: Workshop,
  servers: Readonly<Record<Variant, BenchServer>>,
  { workload: key, variants }: Comparison,
  effort: Effort,
): Promise<readonly Row[]> {
  const { traffic, placePerRound, members, wakeUp, amount, connections = CONNECTIONS }: Workload = WORKLOADS[key];
  const contestants = variants.map(({ variant, delayMilliseconds }) => ({
    server: servers[variant],
    prepare: async (round: number) => {
      const server = servers[variant];
      const place = placePerRound ? `${key}-${delayMilliseconds}-${round}` : key;
      await server.setDelay(0);
      if (members !== undefined) await populate(server, place, members);
      if (wakeUp !== undefined) await workshop.measure(server, traffic(place), wakeUp);
      await server.setDelay(delayMilliseconds);
      return traffic(place);
    },
    ...(amount === undefined ? {} : { amount }),
    pace: { connections },
    // One request after the other waits for D1.
    slow: variant === "literal" && delayMilliseconds > 0,
  }));
  const summaries = await inRounds(workshop, contestants, effort);
  return summaries.map((summary, index) => ({ workload: key, ...(variants[index] as LateVariant), ...summary }));
}

/** Measures new joins into one domain that come evenly, at half of the highest rate. */
export async function halfLoad(
  workshop: Workshop,
  server: BenchServer,
  peakPerSecond: number,
  effort: Effort,
): Promise<Summary> {
  await server.setDelay(0);
  const perSecond = peakPerSecond / 2;
  const prepare = async (round: number) => ({ kind: "joins", domain: `half-${round}` }) as const;
  const amount = Math.ceil(perSecond * effort.seconds);
  const [summary] = await inRounds(workshop, [{ server, prepare, amount, pace: { perSecond } }], effort);
  return { ...(summary as Summary), perSecond };
}
