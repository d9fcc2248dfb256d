import type { Comparison } from "./comparison.ts";
import type { Effort } from "./measuring.ts";
import { VARIANTS } from "./variants.ts";
import { WORKLOADS, type WorkloadKey } from "./workloads.ts";

/** What a run measures, and how thoroughly. */
export type Plan = Readonly<{
  /** What has not begun after this many seconds is left out: a busy machine makes a run poorer, not longer. */
  lastStartSeconds: number;
  /** Joins that each server is sent before anything counts: workerd compiles what is hot on the way. */
  warmUp: number;
  comparisons: readonly (Comparison & { effort: Effort })[];
  halfLoad: Effort;
  members: readonly number[];
  memberEffort: Effort;
  keyVersions: readonly number[];
  keyEffort: Effort;
  certificates: Effort;
}>;

const ALL = (Object.keys(WORKLOADS) as WorkloadKey[]).filter((key) => key !== "spreadThin");
/** A thousand domains take longer to make than a quick run has. */
const QUICK_ONES = (Object.keys(WORKLOADS) as WorkloadKey[]).filter((key) => key !== "spread");
/** The object that does nothing asks nothing of D1 either: how late that answers is all the same to it. */
const ON_D1 = ["ours", "literal"] as const;

/** Everything, in some minutes. */
export const FULL: Plan = {
  lastStartSeconds: 500,
  warmUp: 1_500,
  comparisons: [
    ...ALL.map((workload) => compared(workload, 0, VARIANTS, { rounds: 5, seconds: 0.8 })),
    ...[5, 25].flatMap((delay) => ALL.map((workload) => compared(workload, delay, ON_D1, { rounds: 3, seconds: 1 }))),
  ],
  halfLoad: { rounds: 3, seconds: 2 },
  members: [0, 10_000, 100_000, 1_000_000],
  memberEffort: { rounds: 5, seconds: 0.8 },
  keyVersions: [1, 10, 100, 1_000],
  keyEffort: { rounds: 4, seconds: 0.5 },
  certificates: { rounds: 3, seconds: 1 },
};

/** A rough look, in less than a minute. */
export const QUICK: Plan = {
  lastStartSeconds: 46,
  warmUp: 500,
  comparisons: [
    ...QUICK_ONES.map((workload) => compared(workload, 0, VARIANTS, { rounds: 2, seconds: 0.4 })).toSpliced(
      1,
      0,
      compared("joins", 25, ["ours"], { rounds: 2, seconds: 0.5 }),
    ),
  ],
  halfLoad: { rounds: 1, seconds: 1 },
  members: [0, 10_000],
  memberEffort: { rounds: 2, seconds: 0.4 },
  keyVersions: [1, 100],
  keyEffort: { rounds: 1, seconds: 0.3 },
  certificates: { rounds: 1, seconds: 0.5 },
};

function compared(
  workload: WorkloadKey,
  delayMilliseconds: number,
  variants: Comparison["variants"],
  effort: Effort,
): Comparison & { effort: Effort } {
  return { workload, delayMilliseconds, variants, effort };
}
