import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ratiosOf } from "../ratios.ts";
import type { Results } from "../results.ts";
import { growthCharts } from "./charts.ts";
import { report } from "./report.ts";

/** Where the last run's results are kept. */
export const RESULTS_FILE = "bench/results/latest.json";
const DOCUMENT = "docs/performance.md";
const CHARTS = "docs/performance";
/** The bench writes the text between these lines of the document; the rest is written by hand. */
const [BEGIN, END] = ["<!-- written by npm run bench -->", "<!-- end of what npm run bench writes -->"];

/** Keeps a run's results. */
export function writeResults(results: Results): void {
  write(RESULTS_FILE, `${JSON.stringify({ ...results, ratios: ratiosOf(results) }, null, 2)}\n`);
}

/** Puts a run's tables into the document, and draws its charts. */
export function writeDocument(results: Results): void {
  const text = readFileSync(DOCUMENT, "utf8");
  const [before, after] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`${DOCUMENT} has no place for the results`);
  write(DOCUMENT, `${text.slice(0, before)}${BEGIN}\n\n${report(results)}\n\n${text.slice(after)}`);
  for (const [name, chart] of growthCharts(results)) write(join(CHARTS, name), chart);
}

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
