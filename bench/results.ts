import type { Row } from "./comparison.ts";
import type { DatabasePoint } from "./database-growth.ts";
import type { HalfLoad } from "./half-load.ts";
import type { KeyPoint } from "./key-growth.ts";
import type { Machine } from "./machine.ts";
import type { Summary } from "./measuring.ts";
import type { MemberPoint } from "./member-growth.ts";
import type { RequestCosts } from "./row-costs.ts";

/** Everything one run of the bench found out; null and empty is what it had no time for. */
export type Results = Readonly<{
  takenAt: string;
  /** Whether it was a quick run, whose figures are rough. */
  quick: boolean;
  tookSeconds: number;
  machine: Machine;
  compressedBytes: number;
  /** Lines of code of the object and its database. */
  coreLines: number;
  rows: readonly Row[];
  halfLoad: HalfLoad | null;
  costs: Readonly<{ ours: RequestCosts; literal: RequestCosts }> | null;
  memberGrowth: readonly MemberPoint[];
  keyGrowth: readonly KeyPoint[];
  databaseGrowth: readonly DatabasePoint[];
  /** The certificates that cfssl makes; null also if it is not installed. */
  certificates: Summary | null;
}>;
