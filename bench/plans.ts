import type { Variant } from "./bench-server.ts";
import type { Comparison } from "./comparison.ts";
import type { Effort } from "./rounds.ts";
import type { WorkloadKey } from "./workloads.ts";

/** The delay of each D1 call over a network, in milliseconds. */
export const LATE = 25;

/** The parts of a run, and its precision. */
export type Plan = Readonly<{
  /** Parts that have not begun after this many seconds are left out: a busy machine makes a run poorer, not longer. */
  lastStartSeconds: number;
  /** Joins that each server is sent before anything counts. */
  warmUp: number;
  comparisons: readonly (Comparison & { effort: Effort })[];
  halfLoad: Effort;
  members: Growth;
  keyVersions: Growth;
  databases: Growth;
  certificates: Effort;
}>;

/** The numbers at which something is measured. */
export type Growth = Effort & Readonly<{ at: readonly number[] }>;

/** Everything, in some minutes. */
export const FULL: Plan = {
  lastStartSeconds: 600,
  warmUp: 3_000,
  comparisons: comparisons({ rounds: 7, seconds: 0.8 }, { rounds: 3, seconds: 0.8 }),
  halfLoad: { rounds: 5, seconds: 2 },
  members: { at: [0, 10_000, 100_000, 1_000_000], rounds: 5, seconds: 0.8 },
  keyVersions: { at: [1, 10, 100, 1_000], rounds: 4, seconds: 0.5 },
  databases: { at: [1, 2, 4], rounds: 4, seconds: 0.8 },
  certificates: { rounds: 3, seconds: 1 },
};

/** A rough look, in about a minute. */
export const QUICK: Plan = {
  lastStartSeconds: 100,
  warmUp: 1_500,
  comparisons: comparisons({ rounds: 3, seconds: 0.5 }, { rounds: 1, seconds: 0.4 }),
  halfLoad: { rounds: 3, seconds: 1 },
  members: { at: [0, 10_000], rounds: 2, seconds: 0.4 },
  keyVersions: { at: [1, 100], rounds: 1, seconds: 0.3 },
  databases: { at: [1, 2], rounds: 2, seconds: 0.4 },
  certificates: { rounds: 1, seconds: 0.5 },
};

/** First what ratios are made of, then the rest. */
function comparisons(effort: Effort, lesserEffort: Effort): Plan["comparisons"] {
  const compared = (
    effort: Effort,
    workload: WorkloadKey,
    variants: readonly Variant[],
    ...late: readonly Variant[]
  ) => ({
    ...{ effort, workload },
    variants: [...variants, ...late].map((variant, index) => {
      return { variant, delayMilliseconds: index < variants.length ? 0 : LATE };
    }),
  });
  return [
    compared(effort, "joins", ["ours", "empty", "bare"], "ours"),
    compared(effort, "renewals", ["ours", "empty"], "ours"),
    compared(effort, "loneJoins", ["empty"], "ours"),
    compared(effort, "loneRenewals", ["empty"], "ours"),
    compared(effort, "spread", ["ours", "empty", "literal"]),
    compared(lesserEffort, "joins", ["literal"], "literal"),
    compared(lesserEffort, "renewals", ["literal"]),
    compared(lesserEffort, "mix", ["ours"]),
    compared(lesserEffort, "newborn", ["ours", "empty"]),
    compared(lesserEffort, "signed", ["ours", "empty"]),
  ];
}
