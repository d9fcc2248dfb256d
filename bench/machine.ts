import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";

/** The machine that the figures were taken on. */
export type Machine = Readonly<{
  processor: string;
  processors: number;
  memoryGigabytes: number;
  /** Processes that wanted to run, on average over the minute before: more than 0 of them disturb. */
  loadBefore: number;
  node: string;
  workerd: string;
}>;

/** This machine as it is now. */
export function thisMachine(): Machine {
  const { version } = JSON.parse(readFileSync("node_modules/workerd/package.json", "utf8")) as { version: string };
  return {
    processor: cpus()[0]?.model ?? "unknown",
    processors: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    loadBefore: loadavg()[0] as number,
    node: process.version,
    workerd: version,
  };
}
