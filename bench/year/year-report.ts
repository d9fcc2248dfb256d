import { figure, markdownTable } from "../report/markdown-table.ts";
import { median, percentile } from "../statistics.ts";
import { AT_ONCE } from "./churn.ts";
import { MAX_REQUESTS } from "./licences.ts";
import type { YearPoint } from "./life.ts";
import { FORMS, type Form } from "./newcomers.ts";
import type { Attack, YearResults } from "./year-results.ts";

/** The results of a year as Markdown that reads well in a terminal too. */
export function yearReport(results: YearResults): string {
  return [
    origin(results),
    targetTable(results),
    "### Through the year",
    pointTable(results.points),
    "### The domain beside its twin",
    twinTable(results),
    "### Under attack",
    attackTable(results.attacks),
    ...results.attacks.map(issuingLine),
  ].join("\n\n");
}

function origin({ takenAt, quick, tookSeconds, machine, members, points, cycles, seconds }: YearResults): string {
  const { processor, processors, memoryGigabytes, loadBefore, node, workerd } = machine;
  const when = `${takenAt.slice(0, 16).replace("T", " ")} UTC in ${figure(tookSeconds)} s`;
  const changes = cycles * AT_ONCE;
  return [
    `Taken ${when}${quick ? ", a quick run" : ""}: ${processors} × ${processor}, ${memoryGigabytes} GB,`,
    `load ${figure(loadBefore)} before; Node ${node}, workerd ${workerd}.`,
    `${members.toLocaleString("en")} members, ${changes.toLocaleString("en")} leaves and as many joins,`,
    `${points.at(-1)?.keyVersions.toLocaleString("en")} key versions, ${figure((2 * changes) / seconds)} requests a second`,
    "in the domain, and as many in its twin.",
  ].join("\n");
}

function targetTable({ points, comparison, openings, attacks }: YearResults): string {
  const largest = (form: Form) => Math.max(...points.map(({ sizes }) => sizes[form])) / 1024;
  const licences = attacks.reduce((sum, { licences }) => sum + licences.issued, 0);
  const failed = attacks.reduce((sum, { licences }) => sum + licences.failures.length, 0);
  const rows: readonly (readonly [string, "at least" | "at most", number, string, number])[] = [
    ["response to a newcomer, newest key", "at most", 2.5, " KB", largest("newest")],
    ["response to a newcomer, newest key, sealed", "at most", 2.5, " KB", largest("newest, sealed")],
    ["response to a newcomer, all keys", "at most", 100, " KB", largest("all")],
    ["response to a newcomer, all keys, sealed", "at most", 100, " KB", largest("all, sealed")],
    ["joins a second, by the twin's", "at least", 0.9, "×", comparison.byRate],
    ["joins a CPU second, by the twin's", "at least", 0.9, "×", comparison.byCpu],
    ["a cold object's response to a newcomer, by the twin's", "at most", 2, "×", comparison.coldJoins],
    ["a cold object's response to a member, by the twin's", "at most", 2, "×", comparison.coldRenewals],
    ["heap in the last half of the year, by the first half's", "at most", 1.1, "×", inHalves(points, "heapBytes")],
    ["peak memory, in the same way", "at most", 1.25, "×", inHalves(points, "peakMemoryBytes")],
    [
      "requests to open any licence of the year",
      "at most",
      MAX_REQUESTS,
      "",
      most(openings.opened.map(({ hintedRequests }) => hintedRequests)),
    ],
    [
      "the same, without a key version in the licence",
      "at most",
      MAX_REQUESTS,
      "",
      most(openings.opened.map(({ unhintedRequests }) => unhintedRequests)),
    ],
    ["licences that did not open", "at most", 0, "", openings.failures.length],
    [`failed of ${(licences + failed).toLocaleString("en")} licences under attack`, "at most", 0, "", failed],
  ];
  return markdownTable(
    ["what", "to reach", "measured", "reached"],
    rows.map(([what, bound, target, unit, measured]) => [
      what,
      `${bound} ${target}${unit}`,
      `${Number.isInteger(measured) ? measured : figure(measured)}${unit}`,
      (bound === "at least" ? measured >= target : measured <= target) ? "yes" : "no",
    ]),
  );
}

/** The highest of some numbers; 0 if there are none. */
function most(numbers: readonly number[]): number {
  return Math.max(0, ...numbers);
}

/** The median of the last half of the points by that of the first half, without the very first. */
function inHalves(points: readonly YearPoint[], name: "heapBytes" | "peakMemoryBytes"): number {
  const values = points.slice(1).map((point) => point[name]);
  const middle = Math.floor(values.length / 2);
  return median(values.slice(middle)) / median(values.slice(0, middle));
}

function pointTable(points: readonly YearPoint[]): string {
  return markdownTable(
    [
      "key versions",
      ...FORMS.map((form) => `${form} KB`),
      ...["peak memory MB", "heap MB", "object's storage MB", "its twin's MB"],
    ],
    points.map(({ keyVersions, sizes, peakMemoryBytes, heapBytes, objectBytes, twinObjectBytes }) => [
      keyVersions.toLocaleString("en"),
      ...FORMS.map((form) => figure(sizes[form] / 1024)),
      ...[peakMemoryBytes, heapBytes, objectBytes, twinObjectBytes].map((bytes) => figure(bytes / 1e6)),
    ]),
  );
}

function twinTable({ comparison: { twins }, points }: YearResults): string {
  const versions = [points.at(-1)?.keyVersions ?? 0, 1];
  return markdownTable(
    [
      ...["key versions", "joins/s", "least to most", "CPU ms/join"],
      ...["cold object, a newcomer ms", "cold object, a member ms"],
    ],
    twins.map(({ joins, coldJoin, coldRenewal }, index) => [
      (versions[index] as number).toLocaleString("en"),
      figure(joins.perSecond),
      `${figure(joins.least)} to ${figure(joins.most)}`,
      figure(joins.cpuMillisecondsPerRequest),
      figure(coldJoin),
      figure(coldRenewal),
    ]),
  );
}

function attackTable(attacks: readonly Attack[]): string {
  return markdownTable(
    [
      ...[
        "devices of the attacker",
        "requests/s",
        "key versions made",
        "object's bytes/request",
        "of them for minutes",
      ],
      ...["D1's bytes/request", "newest, sealed KB", "all, sealed KB"],
    ],
    attacks.map(({ devices, perSecond, keyVersions, objectGrowth, databaseGrowth, largestResponses }) => [
      `${devices}`,
      figure(perSecond),
      keyVersions.toLocaleString("en"),
      figure(objectGrowth.bytes),
      figure(objectGrowth.tables.domain_requests ?? 0),
      figure(databaseGrowth.bytes),
      figure(largestResponses["newest, sealed"] / 1024),
      figure(largestResponses["all, sealed"] / 1024),
    ]),
  );
}

function issuingLine({ devices, licences: { issued, milliseconds, refusedTries, failures } }: Attack): string {
  const times = `p50 ${figure(percentile(milliseconds, 0.5))} ms, p99 ${figure(percentile(milliseconds, 0.99))} ms`;
  return (
    `With ${devices === 1 ? "one device" : `${devices} devices`} of the attacker, ${issued.toLocaleString("en")} licences were ` +
    `encrypted (${times}), ${failures.length} failed, and ${refusedTries} responses were refusals that had it try again.`
  );
}
