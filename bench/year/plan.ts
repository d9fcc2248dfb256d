import { parseArgs } from "node:util";
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

const USAGE = "usage: npm run bench:year -- [--quick] [--members N] [--versions N] [--attack-seconds N]";
/** A point of the year is every so many versions, so that there are enough of them. */
const FEWEST_VERSIONS = 20;

/** Reads the arguments; ends the program if they are wrong. */
export function planOf(args: string[]): YearPlan {
  const number = { type: "string" } as const;
  const options = { quick: { type: "boolean", default: false }, members: number, versions: number } as const;
  try {
    const { values } = parseArgs({ args, options: { ...options, "attack-seconds": number }, strict: true });
    const { quick } = values;
    const defaults = quick ? QUICK : FULL;
    return {
      quick,
      members: atLeast(100, values.members, defaults.members),
      versions: atLeast(FEWEST_VERSIONS, values.versions, defaults.versions),
      attackSeconds: atLeast(1, values["attack-seconds"], defaults.attackSeconds),
      twins: quick ? QUICK_EFFORT : FULL_EFFORT,
    };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    process.exit(1);
  }
}

function atLeast(least: number, text: string | undefined, byDefault: number): number {
  const value = text === undefined ? byDefault : Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new Error(`${text} is not a whole number of at least ${least}`);
}
