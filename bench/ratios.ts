import type { Summary } from "./measuring.ts";
import type { Results } from "./results.ts";
import { median } from "./statistics.ts";
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
  const { rows, memberGrowth, keyGrowth, halfLoad, costs, compressedBytes } = results;
  const of = (workload: WorkloadKey, variant: Variant, delay = 0) =>
    rows.find((row) => row.workload === workload && row.variant === variant && row.delayMilliseconds === delay);
  const joinsAt = (members: number) => memberGrowth.find((point) => point.members === members)?.joins;
  const holdingAt = (versions: number) => keyGrowth.find((point) => point.keyVersions === versions)?.holding.load;
  const joins = of("joins", "ours");
  const lateJoins = of("joins", "ours", 25);
  return [
    times("new joins, one domain, D1 at 0 ms", "empty", 0.75, inTurn(joins, of("joins", "empty"))),
    times("renewals, one domain, D1 at 0 ms", "empty", 0.9, inTurn(of("renewals", "ours"), of("renewals", "empty"))),
    times("new joins, one domain, D1 at 0 ms", "literal", 10, inTurn(joins, of("joins", "literal"))),
    times("new joins, one domain, D1 at 25 ms", "literal at 25 ms", 100, over(lateJoins, of("joins", "literal", 25))),
    times("new joins, one domain, D1 at 25 ms", "itself at 0 ms", 0.6, over(lateJoins, joins)),
    times("joins over 1,000 domains", "literal", 3, inTurn(of("spread", "ours"), of("spread", "literal"))),
    times("joins at 1 million members", "at none", 0.95, inTurn(joinsAt(1_000_000), joinsAt(0))),
    times("renewals at 1,000 key versions, holding them", "at 1 version", 0.9, inTurn(holdingAt(1_000), holdingAt(1))),
    times("signed and sealed joins", "plain joins", 0.6, over(of("signed", "ours"), joins)),
    {
      what: "p99 at half load, new joins",
      against: "its p50",
      bound: "at most",
      target: 4,
      unit: "×",
      measured: halfLoad && halfLoad.p99 / halfLoad.p50,
    },
    {
      what: "D1 rows written by a join alone",
      against: "",
      bound: "at most",
      target: 4,
      unit: " rows",
      measured: costs?.ours.join.alone.rowsWritten ?? null,
    },
    {
      what: "D1 rows written by a join in a burst of 64",
      against: "",
      bound: "below",
      target: 2.2,
      unit: " rows",
      measured: costs?.ours.join.inBurst.rowsWritten ?? null,
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

function times(what: string, against: string, target: number, measured: number | null): Ratio {
  return { what, against, bound: "at least", target, unit: "×", measured };
}

/** What one makes of another that took part in the same rounds: each is held against its neighbour in time. */
function inTurn(measured: Summary | undefined, reference: Summary | undefined): number | null {
  if (!measured || !reference || measured.rates.length !== reference.rates.length) return over(measured, reference);
  return median(measured.rates.map((rate, round) => rate / (reference.rates[round] as number)));
}

function over(measured: Summary | undefined, reference: Summary | undefined): number | null {
  return measured && reference ? measured.perSecond / reference.perSecond : null;
}
