import type { Summary } from "./measuring.ts";
import type { Results } from "./results.ts";
import type { RowCosts } from "./row-costs.ts";
import { median } from "./statistics.ts";
import type { Variant } from "./variants.ts";
import type { WorkloadKey } from "./workloads.ts";

/** A ratio (or figure) to reach, and what was measured; null where this run did not measure it. */
export type Ratio = Readonly<{
  what: string;
  against: string;
  bound: "at least" | "at most";
  target: number;
  unit: string;
  measured: number | null;
}>;

/** The ratios to reach, in the order of the table. */
export function ratiosOf(results: Results): readonly Ratio[] {
  const { rows, memberGrowth, halfLoad, costs, compressedBytes, coreLines } = results;
  const of = (workload: WorkloadKey, variant: Variant, delay = 0) =>
    rows.find((row) => row.workload === workload && row.variant === variant && row.delayMilliseconds === delay);
  const cpuPerJoinAt = (members: number) =>
    memberGrowth.find((point) => point.members === members)?.joins.cpuMillisecondsPerRequest;
  const joins = of("joins", "ours");
  const lateJoins = of("joins", "ours", 25);
  const [renewals, lateRenewals] = [of("renewals", "ours"), of("renewals", "ours", 25)];
  const [loneJoin, emptyJoin] = [of("loneJoins", "ours", 25), of("loneJoins", "empty")];
  const [loneRenewal, emptyRenewal] = [of("loneRenewals", "ours", 25), of("loneRenewals", "empty")];
  const joinCosts = costs?.ours.join;
  return [
    times("new joins, one domain", "empty", 0.85, inTurn(joins, of("joins", "empty"))),
    times("new joins, one domain", "bare", 0.55, inTurn(joins, of("joins", "bare"))),
    times("renewals, one domain", "empty", 0.95, inTurn(renewals, of("renewals", "empty"))),
    times("new joins, D1 25 ms late", "at 0 ms", 0.95, inTurn(lateJoins, joins)),
    times("renewals, D1 25 ms late", "at 0 ms", 0.95, inTurn(lateRenewals, renewals)),
    times("new joins, D1 25 ms late", "literal at 25 ms", 300, over(lateJoins, of("joins", "literal", 25))),
    atMost(
      "a lone renewal, D1 25 ms late, p50",
      "an empty call",
      2,
      "×",
      quotient(loneRenewal?.p50, emptyRenewal?.p50),
    ),
    atMost("a lone join, D1 25 ms late, p50", "an empty call", 5, "×", quotient(loneJoin?.p50, emptyJoin?.p50)),
    times("joins over 1,000 domains", "literal", 4, inTurn(of("spread", "ours"), of("spread", "literal"))),
    atMost("D1 calls per join over 1,000 domains", "", 0.05, "", of("spread", "ours")?.d1CallsPerRequest ?? null),
    rowsWritten("per join in a burst of 64", 2.2, joinCosts?.inBurst),
    rowsWritten("per join alone", 3.5, joinCosts?.alone),
    times("joins at 1 million members, by CPU", "at none", 0.95, quotient(cpuPerJoinAt(0), cpuPerJoinAt(1_000_000))),
    atMost("p99 at half load, new joins", "its p50", 4, "×", quotient(halfLoad?.p99, halfLoad?.p50)),
    atMost("Worker bundle, compressed", "", 120, " KB", compressedBytes / 1024),
    atMost("lines in object and database", "", 2_000, "", coreLines),
  ];
}

/** Whether a ratio is reached; null if it was not measured. */
export function isReached({ bound, target, measured }: Ratio): boolean | null {
  if (measured === null) return null;
  return bound === "at least" ? measured >= target : measured <= target;
}

function times(what: string, against: string, target: number, measured: number | null): Ratio {
  return { what, against, bound: "at least", target, unit: "×", measured };
}

function atMost(what: string, against: string, target: number, unit: string, measured: number | null): Ratio {
  return { what, against, bound: "at most", target, unit, measured };
}

function rowsWritten(what: string, target: number, costs: RowCosts | undefined): Ratio {
  const beside = costs ? `${costs.objectRowsWritten.toFixed(2)} in the object` : "";
  return atMost(`D1 rows written ${what}`, beside, target, " rows", costs?.rowsWritten ?? null);
}

/** The ratio of one series to another of the same rounds: each figure is compared with its neighbour in time. */
function inTurn(measured: Summary | undefined, reference: Summary | undefined): number | null {
  if (!measured || !reference || measured.rates.length !== reference.rates.length) return over(measured, reference);
  return median(measured.rates.map((rate, round) => rate / (reference.rates[round] as number)));
}

function over(measured: Summary | undefined, reference: Summary | undefined): number | null {
  return quotient(measured?.perSecond, reference?.perSecond);
}

function quotient(measured: number | undefined, reference: number | undefined): number | null {
  return measured === undefined || reference === undefined ? null : measured / reference;
}
