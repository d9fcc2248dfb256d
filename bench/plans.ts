import type { Variant } from "./bench-server.ts";
import type { Comparison, LateVariant } from "./comparison.ts";
import type { Effort } from "./rounds.ts";
import type { WorkloadKey } from "./workloads.ts";

/** The parts of a run, and its precision. */
export type Plan = Readonly<{
  /** Parts that have not begun after this many seconds are left out: a busy machine makes a run poorer, not longer. */
  lastStartSeconds: number;
  /** Joins that each server is sent before anything counts. */
  warmUp: number;
  comparisons: readonly (Comparison & { effort: Effort })[];
  halfLoad: Effort;
  members: readonly number[];
  memberEffort: Effort;
  keyVersions: readonly number[];
  keyEffort: Effort;
  databases: readonly number[];
  databaseEffort: Effort;
  certificates: Effort;
}>;

/** How late D1 is where it is a network away, in milliseconds. */
const LATE = 25;

/** Everything, in some minutes. */
export const FULL: Plan = {
  lastStartSeconds: 600,
  warmUp: 3_000,
  comparisons: comparisons({ rounds: 7, seconds: 0.8 }, { rounds: 3, seconds: 0.8 }),
  halfLoad: { rounds: 5, seconds: 2 },
  members: [0, 10_000, 100_000, 1_000_000],
  memberEffort: { rounds: 5, seconds: 0.8 },
  keyVersions: [1, 10, 100, 1_000],
  keyEffort: { rounds: 4, seconds: 0.5 },
  databases: [1, 2, 4],
  databaseEffort: { rounds: 4, seconds: 0.8 },
  certificates: { rounds: 3, seconds: 1 },
};

/** A rough look, in about a minute. */
export const QUICK: Plan = {
  lastStartSeconds: 100,
  warmUp: 1_500,
  comparisons: comparisons({ rounds: 3, seconds: 0.5 }, { rounds: 1, seconds: 0.4 }),
  halfLoad: { rounds: 3, seconds: 1 },
  members: [0, 10_000],
  memberEffort: { rounds: 2, seconds: 0.4 },
  keyVersions: [1, 100],
  keyEffort: { rounds: 1, seconds: 0.3 },
  databases: [1, 2],
  databaseEffort: { rounds: 2, seconds: 0.4 },
  certificates: { rounds: 1, seconds: 0.5 },
};

/** First what ratios are made of, then the rest. */
function comparisons(effort: Effort, lesserEffort: Effort): Plan["comparisons"] {
  const compared = (
    workload: WorkloadKey,
    effort: Effort,
    variants: readonly Variant[],
    late: readonly Variant[] = [],
  ) => ({
    workload,
    effort,
    variants: [
      ...variants.map((variant): LateVariant => ({ variant, delayMilliseconds: 0 })),
      ...late.map((variant): LateVariant => ({ variant, delayMilliseconds: LATE })),
    ],
  });
  return [
    compared("joins", effort, ["ours", "empty", "bare"], ["ours"]),
    compared("renewals", effort, ["ours", "empty"], ["ours"]),
    compared("loneJoins", effort, ["empty"], ["ours"]),
    compared("loneRenewals", effort, ["empty"], ["ours"]),
    compared("spread", effort, ["ours", "empty", "literal"]),
    compared("joins", lesserEffort, ["literal"], ["literal"]),
    compared("renewals", lesserEffort, ["literal"]),
    compared("mix", lesserEffort, ["ours"]),
    compared("newborn", lesserEffort, ["ours", "empty"]),
    compared("signed", lesserEffort, ["ours", "empty"]),
  ];
}
