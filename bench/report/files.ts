import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { writePart } from "../../scripts/written-part.ts";
import { type Chart, svgChart } from "./chart.ts";
import { figure } from "./markdown.ts";

/** Where the results of runs are kept. */
export const RESULTS = "bench/results";
const DOCUMENT = "docs/performance.md";
const CHARTS = "docs/performance";

/** When, how and where a run was made. */
export type Origin = Readonly<{
  takenAt: string;
  /** A quick run has rough figures. */
  quick: boolean;
  tookSeconds: number;
  machine: ReturnType<typeof thisMachine>;
}>;

/** The machine that the figures are taken on, as it is now. */
export function thisMachine() {
  const { version } = JSON.parse(readFileSync("node_modules/workerd/package.json", "utf8")) as { version: string };
  return {
    processor: cpus()[0]?.model ?? "unknown",
    processors: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    /** Processes that wanted to run, on average over the minute before: more than 0 of them disturb. */
    loadBefore: loadavg()[0] as number,
    node: process.version,
    workerd: version,
  };
}

/** The origin of a run that ends now. @param machine as it was before */
export function originOf(quick: boolean, machine: Origin["machine"]): Origin {
  return { takenAt: new Date().toISOString(), quick, tookSeconds: process.uptime(), machine };
}

/** The origin in words. */
export function originLines({ takenAt, quick, tookSeconds, machine }: Origin): readonly [string, string] {
  const { processor, processors, memoryGigabytes, loadBefore, node, workerd } = machine;
  const when = `${takenAt.slice(0, 16).replace("T", " ")} UTC in ${figure(tookSeconds)} s`;
  return [
    `Taken ${when}${quick ? ", a quick run" : ""}: ${processors} × ${processor}, ${memoryGigabytes} GB,`,
    `load ${figure(loadBefore)} before; Node ${node}, workerd ${workerd}.`,
  ];
}

/** Keeps the results of a run, and shows its report. */
export function keep(name: string, results: object, report: string): void {
  const file = join(RESULTS, name);
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  console.log(`${report}\n\nKept in ${file}.`);
}

/** Puts the tables of a run into the document, and draws its charts, by their names. */
export function writeDocument(command: string, text: string, charts: Readonly<Record<string, Chart>>): void {
  writePart(DOCUMENT, command, text);
  mkdirSync(CHARTS, { recursive: true });
  for (const [name, chart] of Object.entries(charts)) writeFileSync(join(CHARTS, `${name}.svg`), svgChart(chart));
}
