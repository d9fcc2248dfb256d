import type { Row } from "./comparison.ts";
import type { Results } from "./results.ts";
import type { Variant } from "./variants.ts";
import type { WorkloadKey } from "./workloads.ts";

/** A ratio (or figure) to reach, and what was measured; null where this run did not measure it. */
export type Ratio = Readonly<{
  what: string;
  against: string;
  bound: "at least" | "at most" | "below";
  target: number;
  unit: string;
  measured: number | null;
}>;

/** The ratios to reach, in the order of the table. */
export function ratiosOf(results: Results): readonly Ratio[] {
  const { memberGrowth, keyGrowth, halfLoad, joinCosts, compressedBytes } = results;
  const rate = (workload: WorkloadKey, variant: Variant, delay = 0) =>
    results.rows.find(
      (row: Row) => row.workload === workload && row.variant === variant && row.delayMilliseconds === delay,
    )?.perSecond;
  const joinsAt = (members: number) => memberGrowth.find((point) => point.members === members)?.joins.perSecond;
  const holdingAt = (versions: number) =>
    keyGrowth.find(({ keyVersions }) => keyVersions === versions)?.holding.load.perSecond;
  const atLeast = (what: string, against: string, target: number, measured: number | null) =>
    ({ what, against, bound: "at least", target, unit: "×", measured }) as const;
  return [
    atLeast("new joins, one domain, D1 at 0 ms", "empty", 0.75, over(rate("joins", "ours"), rate("joins", "empty"))),
    atLeast(
      "renewals, one domain, D1 at 0 ms",
      "empty",
      0.9,
      over(rate("renewals", "ours"), rate("renewals", "empty")),
    ),
    atLeast("new joins, one domain, D1 at 0 ms", "literal", 10, over(rate("joins", "ours"), rate("joins", "literal"))),
    atLeast(
      "new joins, one domain, D1 at 25 ms",
      "literal at 25 ms",
      100,
      over(rate("joins", "ours", 25), rate("joins", "literal", 25)),
    ),
    atLeast(
      "new joins, one domain, D1 at 25 ms",
      "itself at 0 ms",
      0.6,
      over(rate("joins", "ours", 25), rate("joins", "ours")),
    ),
    atLeast("joins over 1,000 domains", "literal", 3, over(rate("spread", "ours"), rate("spread", "literal"))),
    atLeast("joins at 1 million members", "at none", 0.95, over(joinsAt(1_000_000), joinsAt(0))),
    atLeast("renewals at 1,000 key versions, holding them", "at 1 version", 0.9, over(holdingAt(1_000), holdingAt(1))),
    atLeast("signed and sealed joins", "plain joins", 0.6, over(rate("signed", "ours"), rate("joins", "ours"))),
    {
      what: "p99 at half load, new joins",
      against: "its p50",
      bound: "at most",
      target: 4,
      unit: "×",
      measured: halfLoad.p99 / halfLoad.p50,
    },
    {
      what: "D1 rows written by a join alone",
      against: "",
      bound: "at most",
      target: 4,
      unit: " rows",
      measured: joinCosts.ours.alone.rowsWritten,
    },
    {
      what: "D1 rows written by a join in a burst of 64",
      against: "",
      bound: "below",
      target: 2.2,
      unit: " rows",
      measured: joinCosts.ours.inBurst.rowsWritten,
    },
    {
      what: "Worker bundle, compressed",
      against: "",
      bound: "at most",
      target: 120,
      unit: " KB",
      measured: compressedBytes / 1024,
    },
  ];
}

/** Whether a ratio is reached; null if it was not measured. */
export function isReached({ bound, target, measured }: Ratio): boolean | null {
  if (measured === null) return null;
  if (bound === "at least") return measured >= target;
  return bound === "at most" ? measured <= target : measured < target;
}

function over(measured: number | undefined, reference: number | undefined): number | null {
  return measured === undefined || reference === undefined ? null : measured / reference;
}
