import type { Comparison, Contestant } from "./comparison.ts";
import type { Effort } from "./measuring.ts";
import type { Variant } from "./variants.ts";
import type { WorkloadKey } from "./workloads.ts";

/** The parts of a run, and its precision. */
export type Plan = Readonly<{
  /** Parts that have not begun after this many seconds are left out: a busy machine makes a run poorer, not longer. */
  lastStartSeconds: number;
  /** Joins that each server is sent before anything counts: workerd compiles what is hot on the way. */
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
  const late: readonly Contestant[] = [{ variant: "ours", delayMilliseconds: LATE }];
  const compared = (workload: WorkloadKey, variants: readonly Variant[], others: readonly Contestant[] = []) => ({
    workload,
    contestants: [...variants.map((variant) => ({ variant, delayMilliseconds: 0 })), ...others],
  });
  const literalLate: Contestant = { variant: "literal", delayMilliseconds: LATE };
  return [
    ...[
      compared("joins", ["ours", "empty", "bare"], late),
      compared("renewals", ["ours", "empty"], late),
      compared("loneJoins", ["empty"], late),
      compared("loneRenewals", ["empty"], late),
      compared("spread", ["ours", "empty", "literal"]),
    ].map((comparison) => ({ ...comparison, effort })),
    ...[
      compared("joins", ["literal"], [literalLate]),
      compared("renewals", ["literal"]),
      compared("mix", ["ours"]),
      compared("newborn", ["ours", "empty"]),
      compared("signed", ["ours", "empty"]),
    ].map((comparison) => ({ ...comparison, effort: lesserEffort })),
  ];
}
