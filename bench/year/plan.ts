import { scriptOptions, wholeNumber } from "../../scripts/script-options.ts";
import type { Effort } from "../measuring.ts";

/** The events of a run, and its precision. */
export type YearPlan = Readonly<{
  quick: boolean;
  members: number;
  /** The key versions that the year comes to. */
  versions: number;
  attackSeconds: number;
  twins: Effort & Readonly<{ coldTries: number }>;
}>;

const FULL = { members: 1_000_000, versions: 30_000, attackSeconds: 20 };
const QUICK = { members: 20_000, versions: 600, attackSeconds: 4 };
const FULL_EFFORT = { rounds: 10, seconds: 2, coldTries: 31 };
const QUICK_EFFORT = { rounds: 4, seconds: 0.5, coldTries: 11 };

/** A point of the year is every so many versions, so that there are enough of them. */
const FEWEST_VERSIONS = 20;

/** The plan of this run, by the options it was called with. */
export function yearPlan(): YearPlan {
  const { quick, ...given } = scriptOptions<{ quick: boolean } & Partial<typeof FULL>>(
    "bench:year",
    "Plays a year in the life of one domain, and an attack on it.",
    [
      ["--quick", "a shorter year", false],
      ["--members <number>", "how many members it has", undefined, wholeNumber(100)],
      ["--versions <number>", "how many key versions it comes to", undefined, wholeNumber(FEWEST_VERSIONS)],
      ["--attack-seconds <number>", "how long the attack lasts", undefined, wholeNumber(1)],
    ],
  );
  return { quick, ...(quick ? QUICK : FULL), ...given, twins: quick ? QUICK_EFFORT : FULL_EFFORT };
}
