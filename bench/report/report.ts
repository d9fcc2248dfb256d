import type { HalfLoad } from "../half-load.ts";
import { isReached, ratiosOf } from "../ratios.ts";
import type { Results } from "../results.ts";
import { WORKLOADS } from "../workloads.ts";
import { figure, markdownTable } from "./markdown-table.ts";

/** A run's results as Markdown that reads well in a terminal too. */
export function report(results: Results): string {
  const { halfLoad, costs, memberGrowth, keyGrowth, databaseGrowth } = results;
  return [
    origin(results),
    ...section("Ratios", true, () => ratioTable(results)),
    ...section("Side by side", true, () => comparisonTable(results)),
    ...generatorWarning(results),
    certificateLine(results),
    ...section("At half load", halfLoad, halfLoadLine),
    ...section("What a request costs in both stores", costs, costTable),
    ...section("As a domain grows", memberGrowth.length > 0 && memberGrowth, memberTable),
    ...section("As keys roll over", keyGrowth.length > 0 && keyGrowth, keyTable),
    ...section("As databases are added", databaseGrowth.length > 0 && databaseGrowth, databaseTable),
  ].join("\n\n");
}

/** A section about something; none, if there was no time for it. */
function section<T>(title: string, subject: T | null | false, content: (subject: T) => string): string[] {
  return subject ? [`### ${title}`, content(subject)] : [];
}

function origin({ takenAt, quick, tookSeconds, machine }: Results): string {
  const { processor, processors, memoryGigabytes, loadBefore, node, workerd } = machine;
  const when = `${takenAt.slice(0, 16).replace("T", " ")} UTC in ${figure(tookSeconds)} s`;
  return (
    `Taken ${when}${quick ? ", a quick run" : ""}: ${processors} × ${processor}, ${memoryGigabytes} GB, ` +
    `load ${figure(loadBefore)} before; Node ${node}, workerd ${workerd}.`
  );
}

function ratioTable(results: Results): string {
  const verdict = { true: "yes", false: "no", null: "not measured" };
  return markdownTable(
    ["what", "against", "to reach", "measured", "reached"],
    ratiosOf(results).map((ratio) => [
      ratio.what,
      ratio.against,
      `${ratio.bound} ${ratio.target}${ratio.unit}`,
      ratio.measured === null ? "–" : `${figure(ratio.measured)}${ratio.unit}`,
      verdict[`${isReached(ratio)}`],
    ]),
    2,
  );
}

function comparisonTable({ rows }: Results): string {
  return markdownTable(
    [
      ...["workload", "D1 late by", "Worker", "requests/s", "least to most", "p50 ms", "p99 ms"],
      ...["CPU ms/request", "D1 calls/request", "peak MB"],
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
      figure(row.d1CallsPerRequest),
      figure(row.peakMemoryBytes / 1e6),
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
  const { perSecond, least, most, cpuMillisecondsPerRequest } = certificates;
  return (
    `cfssl makes ${figure(perSecond)} keys with certificates a second (${figure(least)} to ${figure(most)}), at ` +
    `${figure(cpuMillisecondsPerRequest)} ms of CPU each.`
  );
}

function halfLoadLine({ perSecond, p50, p99 }: HalfLoad): string {
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
      variant,
      request,
      ...[calls, statements, rowsRead, rowsWritten, objectRowsWritten].map(figure),
    ]),
    2,
  );
}

function memberTable(memberGrowth: Results["memberGrowth"]): string {
  return markdownTable(
    ["members", "joins/s", "least to most", "renewals/s", "least to most", "CPU ms/join", "CPU ms/renewal", "peak MB"],
    memberGrowth.map(({ members, joins, renewals }) => [
      members.toLocaleString("en"),
      figure(joins.perSecond),
      `${figure(joins.least)} to ${figure(joins.most)}`,
      figure(renewals.perSecond),
      `${figure(renewals.least)} to ${figure(renewals.most)}`,
      figure(joins.cpuMillisecondsPerRequest),
      figure(renewals.cpuMillisecondsPerRequest),
      figure(Math.max(joins.peakMemoryBytes, renewals.peakMemoryBytes) / 1e6),
    ]),
  );
}

function databaseTable(databaseGrowth: Results["databaseGrowth"]): string {
  return markdownTable(
    ["D1 databases, 25 ms late", "joins/s over 1,000 domains", "D1 calls/join", "copied after ms"],
    databaseGrowth.map(({ databases, perSecond, d1CallsPerJoin, catchUpMilliseconds }) => [
      String(databases),
      ...[perSecond, d1CallsPerJoin, catchUpMilliseconds].map(figure),
    ]),
  );
}

function keyTable(keyGrowth: Results["keyGrowth"]): string {
  return markdownTable(
    [
      "key versions",
      "the device",
      "renewals/s",
      "least to most",
      "CPU ms/renewal",
      "alone ms",
      "fresh object ms",
      "answer KB",
      "peak MB",
    ],
    keyGrowth.flatMap(({ keyVersions, holding, asking }) =>
      (
        [
          ["holds all", holding],
          ["asks for all", asking],
        ] as const
      ).map(([device, point]) => [
        keyVersions.toLocaleString("en"),
        device,
        figure(point.load.perSecond),
        `${figure(point.load.least)} to ${figure(point.load.most)}`,
        figure(point.load.cpuMillisecondsPerRequest),
        figure(point.aloneMilliseconds),
        figure(point.freshMilliseconds),
        figure(point.bodyBytes / 1024),
        figure(point.load.peakMemoryBytes / 1e6),
      ]),
    ),
    2,
  );
}
