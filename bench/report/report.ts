import type { RenewalPoint } from "../growth.ts";
import { type Results, ratiosOf } from "../results.ts";
import type { Summary } from "../rounds.ts";
import { WORKLOADS } from "../workloads.ts";
import type { Chart } from "./chart.ts";
import { originLines } from "./files.ts";
import { count, figure, markdownTable, targetCells } from "./markdown.ts";

/** A run's results as Markdown that reads well in a terminal too. */
export function report(results: Results): string {
  const { halfLoad, costs, memberGrowth, keyGrowth, databaseGrowth } = results;
  return [
    originLines(results).join(" "),
    "### Ratios",
    ratioTable(results),
    "### Side by side",
    comparisonTable(results),
    ...generatorWarning(results),
    certificateLine(results),
    ...(halfLoad ? ["### At half load", halfLoadLine(halfLoad)] : []),
    ...(costs ? ["### What a request costs in both stores", costTable(costs)] : []),
    ...(memberGrowth.length > 0 ? ["### As a domain grows", memberTable(results)] : []),
    ...(keyGrowth.length > 0 ? ["### As keys roll over", keyTable(results)] : []),
    ...(databaseGrowth.length > 0 ? ["### As databases are added", databaseTable(results)] : []),
  ].join("\n\n");
}

/** The least and the most of a summary's rates. */
export function range({ least, most }: Summary): string {
  return `${figure(least)} to ${figure(most)}`;
}

function ratioTable(results: Results): string {
  const rows = ratiosOf(results).map((ratio) => [ratio.what, ratio.against, ...targetCells(ratio)]);
  return markdownTable(["what", "against", "to reach", "measured", "reached"], rows, 2);
}

function comparisonTable({ rows }: Results): string {
  return markdownTable(
    [
      ...["workload", "D1 late by", "Worker", "requests/s", "least to most", "p50 ms", "p99 ms"],
      ...["CPU ms/request", "D1 calls/request", "peak MB"],
    ],
    rows.map((row) => [
      ...[WORKLOADS[row.workload].name, `${row.delayMilliseconds} ms`, row.variant],
      ...[row.perSecond, range(row), row.p50, row.p99],
      ...[row.cpuMillisecondsPerRequest, row.d1CallsPerRequest, row.peakMemoryBytes / 1e6],
    ]),
    3,
  );
}

/** Which figures are the generator's rather than the Worker's. */
function generatorWarning({ rows }: Results): string[] {
  const busy = rows.filter(({ generatorBusy }) => generatorBusy > 0.9);
  const names = new Set(busy.map(({ workload, variant }) => `${WORKLOADS[workload].name} (${variant})`));
  return names.size === 0 ? [] : [`The load generator was at its own limit in: ${[...names].join(", ")}.`];
}

function certificateLine({ certificates }: Results): string {
  if (!certificates)
    return "Not measured against cfssl: it is not installed (Debian package golang-cfssl), or time was up.";
  const { perSecond, cpuMillisecondsPerRequest } = certificates;
  return (
    `cfssl makes ${figure(perSecond)} keys with certificates a second (${range(certificates)}), at ` +
    `${figure(cpuMillisecondsPerRequest)} ms of CPU each.`
  );
}

function halfLoadLine({ perSecond, p50, p99 }: Summary): string {
  return `${figure(perSecond)} new joins a second into one domain: p50 ${figure(p50)} ms, p99 ${figure(p99)} ms.`;
}

function costTable(costs: NonNullable<Results["costs"]>): string {
  const rows = Object.entries(costs).flatMap(([variant, requests]) =>
    Object.entries(requests).flatMap(([request, { alone, inBurst }]) => [
      { variant, request: `a ${request} alone`, use: alone },
      { variant, request: `a ${request} in a burst of 64`, use: inBurst },
    ]),
  );
  return markdownTable(
    ["Worker", "what", "D1 calls", "statements", "rows read", "rows written", "object's rows written"],
    rows.map(({ variant, request, use: { calls, statements, rowsRead, rowsWritten, objectRowsWritten } }) => [
      ...[variant, request, calls, statements, rowsRead, rowsWritten, objectRowsWritten],
    ]),
    2,
  );
}

function memberTable({ memberGrowth }: Results): string {
  return markdownTable(
    ["members", "joins/s", "least to most", "renewals/s", "least to most", "CPU ms/join", "CPU ms/renewal", "peak MB"],
    memberGrowth.map(({ members, joins, renewals }) => [
      ...[count(members), joins.perSecond, range(joins), renewals.perSecond, range(renewals)],
      ...[joins.cpuMillisecondsPerRequest, renewals.cpuMillisecondsPerRequest],
      Math.max(joins.peakMemoryBytes, renewals.peakMemoryBytes) / 1e6,
    ]),
  );
}

function keyTable({ keyGrowth }: Results): string {
  const row = (keyVersions: number, device: string, point: RenewalPoint) => [
    ...[count(keyVersions), device],
    ...[point.load.perSecond, range(point.load), point.load.cpuMillisecondsPerRequest],
    ...[point.aloneMilliseconds, point.freshMilliseconds, point.bodyBytes / 1024, point.load.peakMemoryBytes / 1e6],
  ];
  return markdownTable(
    [
      ...["key versions", "the device", "renewals/s", "least to most", "CPU ms/renewal", "alone ms"],
      ...["fresh object ms", "answer KB", "peak MB"],
    ],
    keyGrowth.flatMap(({ keyVersions, holding, asking }) => [
      row(keyVersions, "holds all", holding),
      row(keyVersions, "asks for all", asking),
    ]),
    2,
  );
}

function databaseTable({ databaseGrowth }: Results): string {
  return markdownTable(
    ["D1 databases, 25 ms late", "joins/s over 1,000 domains", "D1 calls/join", "copied after ms"],
    databaseGrowth.map(({ databases, load: { perSecond, d1CallsPerRequest, catchUpMilliseconds } }) => [
      ...[count(databases), perSecond, d1CallsPerRequest, catchUpMilliseconds],
    ]),
  );
}

/** The growth curves of a run, by name; none of what it had no time for. */
export function growthCharts({ memberGrowth, keyGrowth }: Results): Readonly<Record<string, Chart>> {
  const byVersions = (title: string, y: string, of: (point: RenewalPoint) => number): Chart => ({
    title,
    x: "key versions",
    places: keyGrowth.map(({ keyVersions }) => count(keyVersions)),
    y,
    logarithmic: true,
    series: {
      "device holds all keys": keyGrowth.map(({ holding }) => of(holding)),
      "device asks for all keys": keyGrowth.map(({ asking }) => of(asking)),
    },
  });
  const charts: Record<string, Chart> = {
    members: {
      title: "Joins and renewals, by the size of the domain",
      x: "members",
      places: memberGrowth.map(({ members }) => count(members)),
      y: "requests/s",
      series: {
        joins: memberGrowth.map(({ joins }) => joins.perSecond),
        renewals: memberGrowth.map(({ renewals }) => renewals.perSecond),
      },
    },
    "renewals-by-key-versions": byVersions("Renewals, by key versions", "requests/s", ({ load }) => load.perSecond),
    "renewal-time-by-key-versions": byVersions("Time of a lone renewal", "ms", (point) => point.aloneMilliseconds),
    "fresh-object-by-key-versions": byVersions(
      "Time to the first answer of a fresh object",
      "ms",
      (point) => point.freshMilliseconds,
    ),
    "answer-size-by-key-versions": byVersions("Size of a renewal's answer", "bytes", ({ bodyBytes }) => bodyBytes),
  };
  return Object.fromEntries(Object.entries(charts).filter(([, { places }]) => places.length > 0));
}
