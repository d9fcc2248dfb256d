import type { Variant } from "./bench-server.ts";
import type { Row } from "./comparison.ts";
import type { DatabasePoint, KeyPoint, MemberPoint } from "./growth.ts";
import type { Origin } from "./report/files.ts";
import { atLeast, atMost, type Target } from "./report/markdown.ts";
import { ratioInTurn, type Summary } from "./rounds.ts";
import type { RequestCosts, RowCosts } from "./row-costs.ts";
import type { WorkloadKey } from "./workloads.ts";

/** Everything one run of the bench found out; null and empty is what it had no time for. */
export type Results = Origin &
  Readonly<{
    compressedBytes: number;
    /** Lines of code of the object and its database. */
    coreLines: number;
    rows: readonly Row[];
    halfLoad: Summary | null;
    costs: Readonly<{ ours: RequestCosts; literal: RequestCosts }> | null;
    memberGrowth: readonly MemberPoint[];
    keyGrowth: readonly KeyPoint[];
    databaseGrowth: readonly DatabasePoint[];
    /** The certificates that cfssl makes; null also if it is not installed. */
    certificates: Summary | null;
  }>;

/** The ratios to reach, in the order of the table. */
export function ratiosOf(results: Results): readonly Target[] {
  const { rows, memberGrowth, halfLoad, costs, compressedBytes, coreLines } = results;
  const of = (workload: WorkloadKey, variant: Variant, delay = 0) =>
    rows.find((row) => row.workload === workload && row.variant === variant && row.delayMilliseconds === delay);
  const cpuPerJoinAt = (members: number) =>
    memberGrowth.find((point) => point.members === members)?.joins.cpuMillisecondsPerRequest;
  const [joins, lateJoins] = [of("joins", "ours"), of("joins", "ours", 25)];
  const [renewals, lateRenewals] = [of("renewals", "ours"), of("renewals", "ours", 25)];
  const loneJoin = quotient(of("loneJoins", "ours", 25)?.p50, of("loneJoins", "empty")?.p50);
  const loneRenewal = quotient(of("loneRenewals", "ours", 25)?.p50, of("loneRenewals", "empty")?.p50);
  const literal = quotient(lateJoins?.perSecond, of("joins", "literal", 25)?.perSecond);
  const spread = of("spread", "ours");
  const joinCosts = costs?.ours.join;
  return [
    atLeast("new joins, one domain", 0.85, "×", inTurn(joins, of("joins", "empty")), "empty"),
    atLeast("new joins, one domain", 0.55, "×", inTurn(joins, of("joins", "bare")), "bare"),
    atLeast("renewals, one domain", 0.95, "×", inTurn(renewals, of("renewals", "empty")), "empty"),
    atLeast("new joins, D1 25 ms late", 0.95, "×", inTurn(lateJoins, joins), "at 0 ms"),
    atLeast("renewals, D1 25 ms late", 0.95, "×", inTurn(lateRenewals, renewals), "at 0 ms"),
    atLeast("new joins, D1 25 ms late", 300, "×", literal, "literal at 25 ms"),
    atMost("a lone renewal, D1 25 ms late, p50", 2, "×", loneRenewal, "an empty call"),
    atMost("a lone join, D1 25 ms late, p50", 5, "×", loneJoin, "an empty call"),
    atLeast("joins over 1,000 domains", 4, "×", inTurn(spread, of("spread", "literal")), "literal"),
    atMost("D1 calls per join over 1,000 domains", 0.05, "", spread?.d1CallsPerRequest ?? null),
    rowsWritten("per join in a burst of 64", 2.2, joinCosts?.inBurst),
    rowsWritten("per join alone", 3.5, joinCosts?.alone),
    atLeast(
      "joins at 1 million members, by CPU",
      0.95,
      "×",
      quotient(cpuPerJoinAt(0), cpuPerJoinAt(1_000_000)),
      "at none",
    ),
    atMost("p99 at half load, new joins", 4, "×", quotient(halfLoad?.p99, halfLoad?.p50), "its p50"),
    atMost("Worker bundle, compressed", 120, " KB", compressedBytes / 1024),
    atMost("lines in object and database", 2_000, "", coreLines),
  ];
}

function rowsWritten(what: string, target: number, costs: RowCosts | undefined): Target {
  const beside = costs ? `${costs.objectRowsWritten.toFixed(2)} in the object` : "";
  return atMost(`D1 rows written ${what}`, target, " rows", costs?.rowsWritten ?? null, beside);
}

/** The ratio of rates in the same rounds. */
function inTurn(measured: Summary | undefined, reference: Summary | undefined): number | null {
  if (!measured || !reference) return null;
  const isSame = measured.rates.length === reference.rates.length;
  return isSame ? ratioInTurn(measured.rates, reference.rates) : measured.perSecond / reference.perSecond;
}

function quotient(measured: number | undefined, reference: number | undefined): number | null {
  return measured === undefined || reference === undefined ? null : measured / reference;
}
