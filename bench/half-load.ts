import type { BenchServer } from "./bench-server.ts";
import type { LoadGenerator } from "./load/load-generator.ts";
import { type Effort, measure } from "./measuring.ts";
import { median } from "./statistics.ts";

/** How long joins take, in milliseconds, when half as many come as could. */
export type HalfLoad = Readonly<{ perSecond: number; p50: number; p99: number; generatorBusy: number }>;

/** Sends new joins into one domain evenly at half of a rate, in rounds; each figure is the median of theirs. */
export async function halfLoad(
  generator: LoadGenerator,
  server: BenchServer,
  peakPerSecond: number,
  { rounds, seconds }: Effort,
): Promise<HalfLoad> {
  await server.setDelay(0);
  const perSecond = peakPerSecond / 2;
  const done = [];
  for (let round = 0; round <= rounds; round++) {
    const traffic = { kind: "joins", domain: `half-${round}` } as const;
    const measured = await measure(generator, server, traffic, Math.ceil(perSecond * seconds), { perSecond });
    if (round > 0) done.push(measured);
  }
  return {
    perSecond,
    p50: median(done.map(({ p50 }) => p50)),
    p99: median(done.map(({ p99 }) => p99)),
    generatorBusy: median(done.map(({ generatorBusy }) => generatorBusy)),
  };
}
