import { isReached, ratiosOf } from "../ratios.ts";
import type { Results } from "../results.ts";
import { WORKLOADS } from "../workloads.ts";
import { figure, markdownTable } from "./table.ts";

/** A run's results as Markdown that reads well in a terminal too. */
export function report(results: Results): string {
  const { takenAt, quick, tookSeconds, machine, compressedBytes } = results;
  return [
    `Taken ${takenAt.slice(0, 16).replace("T", " ")} UTC in ${figure(tookSeconds)} s${quick ? ", a quick run" : ""}: ` +
      `${machine.processors} × ${machine.processor}, ${machine.memoryGigabytes} GB, load ${figure(machine.loadBefore)} ` +
      `before; Node ${machine.node}, workerd ${machine.workerd}.`,
    "### Ratios",
    ratioTable(results),
    "### Side by side",
    comparisonTable(results),
    generatorWarning(results),
    ...certificateLine(results),
    "### At half load",
    halfLoadLine(results),
    "### What a request costs at D1",
    costTable(results),
    "### As a domain grows",
    memberTable(results),
    "### As keys roll over",
    keyTable(results),
    `The Worker's bundle, compressed: ${figure(compressedBytes / 1024)} KB.`,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
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
function generatorWarning({ rows }: Results): string {
  const busy = rows.filter(({ generatorBusy }) => generatorBusy > 0.9);
  const names = busy.map(({ workload, variant }) => `${WORKLOADS[workload].name} (${variant})`);
  return names.length === 0 ? "" : `The load generator was at its own limit in: ${[...new Set(names)].join(", ")}.`;
}

function certificateLine({ certificates }: Results): string[] {
  if (!certificates) return ["cfssl is not installed (Debian package golang-cfssl): not measured against."];
  const { perSecond, least, most, cpuMillisecondsPerRequest } = certificates;
  return [
    `cfssl makes ${figure(perSecond)} keys with certificates a second (${figure(least)} to ${figure(most)}), at ` +
      `${figure(cpuMillisecondsPerRequest)} ms of CPU each.`,
  ];
}

function halfLoadLine({ halfLoad: { perSecond, p50, p99 } }: Results): string {
  return `${figure(perSecond)} new joins a second into one domain: p50 ${figure(p50)} ms, p99 ${figure(p99)} ms.`;
}

function costTable({ costs }: Results): string {
  const rows = Object.entries(costs).flatMap(([variant, requests]) =>
    Object.entries(requests).flatMap(([request, { alone, inBurst }]) => [
      { variant, request: `a ${request} alone`, use: alone },
      { variant, request: `a ${request} in a burst of 64`, use: inBurst },
    ]),
  );
  return markdownTable(
    ["Worker", "what", "round trips", "statements", "rows read", "rows written"],
    rows.map(({ variant, request, use: { calls, statements, rowsRead, rowsWritten } }) => [
      variant,
      request,
      ...[calls, statements, rowsRead, rowsWritten].map(figure),
    ]),
    2,
  );
}

function memberTable({ memberGrowth }: Results): string {
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

function keyTable({ keyGrowth }: Results): string {
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
