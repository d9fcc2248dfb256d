import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { yearCharts } from "./year-charts.ts";
import { yearReport } from "./year-report.ts";
import type { YearResults } from "./year-results.ts";

/** Where the last run's results are kept. */
export const YEAR_RESULTS_FILE = "bench/results/year.json";
const DOCUMENT = "docs/performance.md";
const CHARTS = "docs/performance";
/** The lines of the document between which this bench writes. */
const [BEGIN, END] = ["<!-- written by npm run bench:year -->", "<!-- end of what npm run bench:year writes -->"];

/** Keeps the results of a run. */
export function writeYearResults(results: YearResults): void {
  write(YEAR_RESULTS_FILE, `${JSON.stringify(results, null, 2)}\n`);
}

/** Puts the tables and charts of a run into the document. */
export function writeYearDocument(results: YearResults): void {
  const text = readFileSync(DOCUMENT, "utf8");
  const [before, after] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`${DOCUMENT} has no place for the results`);
  const charts = yearCharts(results);
  const images = charts.map(({ file, alt }) => `![${alt}](performance/${file})`);
  const content = [BEGIN, yearReport(results), ...images].join("\n\n");
  write(DOCUMENT, `${text.slice(0, before)}${content}\n\n${text.slice(after)}`);
  for (const { file, svg } of charts) write(join(CHARTS, file), svg);
}

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
