import type { Row } from "../comparison.ts";
import { WORKLOADS } from "../workloads.ts";
import { figure, markdownTable } from "./table.ts";

/** The rows of a comparison, for people. */
export function comparisonTable(rows: readonly Row[]): string {
  return markdownTable(
    [
      "workload",
      "D1 late by",
      "Worker",
      "requests/s",
      "least to most",
      "p50 ms",
      "p99 ms",
      "CPU ms/request",
      "peak MB",
    ],
    rows.map((row) => [
      WORKLOADS[row.workload].name,
      `${row.delayMilliseconds} ms`,
      row.variant,
      figure(row.perSecond),
      `${figure(row.least)} to ${figure(row.most)}`,
      figure(row.p50),
      figure(row.p99),
      figure(row.cpuMillisecondsPerRequest),
      figure(row.peakMemoryBytes / 1e6),
    ]),
    3,
  );
}
