import type { Chart } from "../report/chart.ts";
import { type Origin, originLines } from "../report/files.ts";
import { atLeast, atMost, count, figure, markdownTable, targetCells } from "../report/markdown.ts";
import { range } from "../report/report.ts";
import { median, percentile } from "../statistics.ts";
import type { AttackOutcome } from "./attack.ts";
import { MAX_REQUESTS, type Opening } from "./licences.ts";
import type { Life, YearPoint } from "./life.ts";
import { FORMS, type Form, oversized } from "./newcomers.ts";
import type { StorageUse } from "./storage.ts";
import type { TwinComparison } from "./twins.ts";

/** The licences that opened, and in words those that did not. */
export type Openings = Readonly<{ opened: readonly Opening[]; failures: readonly string[] }>;

/** An attack, and how much storage each of its requests took. */
export type Attack = AttackOutcome & Readonly<{ objectGrowth: StorageUse; databaseGrowth: StorageUse }>;

/** Everything that one run found out. */
export type YearResults = Origin &
  Life &
  Readonly<{ members: number; openings: Openings; comparison: TwinComparison; attacks: readonly Attack[] }>;

/** In words, everything that failed and is no matter of speed. */
export function failuresOf({ points, openings, attacks }: YearResults): readonly string[] {
  return [
    ...points.flatMap(({ keyVersions, sizes }) => oversized(sizes, `at ${keyVersions} key versions`)),
    ...openings.failures,
    ...openings.opened.flatMap(({ keyVersion, hintedRequests, unhintedRequests }) => {
      const requests = Math.max(hintedRequests, unhintedRequests);
      return requests > MAX_REQUESTS ? [`the licence of key version ${keyVersion} took ${requests} requests`] : [];
    }),
    ...attacks.flatMap(({ failures }) => failures),
  ];
}

/** The results of a year as Markdown that reads well in a terminal too. */
export function yearReport(results: YearResults): string {
  const { members, points, changes, seconds, attacks } = results;
  const origin = [
    ...originLines(results),
    `${count(members)} members, ${count(changes)} leaves and as many joins,`,
    `${count(versionsOf(points))} key versions, ${figure((2 * changes) / seconds)} requests a second`,
    "in the domain, and as many in its twin.",
  ];
  return [
    origin.join("\n"),
    targetTable(results),
    "### Through the year",
    pointTable(points),
    "### The domain beside its twin",
    twinTable(results),
    "### Under attack",
    attackTable(attacks),
    ...attacks.map(issuingLine),
  ].join("\n\n");
}

function versionsOf(points: readonly YearPoint[]): number {
  return points.at(-1)?.keyVersions ?? 0;
}

function targetTable({ points, comparison, openings: { opened, failures }, attacks }: YearResults): string {
  const largest = (form: Form) => Math.max(...points.map(({ sizes }) => sizes[form])) / 1024;
  const licences = attacks.reduce((sum, { licences }) => sum + licences.issued, 0);
  const failed = attacks.reduce((sum, { licences }) => sum + licences.failures.length, 0);
  const hinted = Math.max(0, ...opened.map(({ hintedRequests }) => hintedRequests));
  const unhinted = Math.max(0, ...opened.map(({ unhintedRequests }) => unhintedRequests));
  const targets = [
    atMost("response to a newcomer, newest key", 2.5, " KB", largest("newest")),
    atMost("response to a newcomer, newest key, sealed", 2.5, " KB", largest("newest, sealed")),
    atMost("response to a newcomer, all keys", 100, " KB", largest("all")),
    atMost("response to a newcomer, all keys, sealed", 100, " KB", largest("all, sealed")),
    atLeast("joins a second, by the twin's", 0.9, "×", comparison.byRate),
    atLeast("joins a CPU second, by the twin's", 0.9, "×", comparison.byCpu),
    atMost("a cold object's response to a newcomer, by the twin's", 2, "×", comparison.coldJoins),
    atMost("a cold object's response to a member, by the twin's", 2, "×", comparison.coldRenewals),
    atMost("heap in the last half of the year, by the first half's", 1.1, "×", inHalves(points, "heapBytes")),
    atMost("peak memory, in the same way", 1.25, "×", inHalves(points, "peakMemoryBytes")),
    atMost("requests to open any licence of the year", MAX_REQUESTS, "", hinted),
    atMost("the same, without a key version in the licence", MAX_REQUESTS, "", unhinted),
    atMost("licences that did not open", 0, "", failures.length),
    atMost(`failed of ${count(licences + failed)} licences under attack`, 0, "", failed),
  ];
  const rows = targets.map((target) => [target.what, ...targetCells(target)]);
  return markdownTable(["what", "to reach", "measured", "reached"], rows);
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
      count(keyVersions),
      ...FORMS.map((form) => sizes[form] / 1024),
      ...[peakMemoryBytes, heapBytes, objectBytes, twinObjectBytes].map((bytes) => bytes / 1e6),
    ]),
  );
}

function twinTable({ comparison: { twins }, points }: YearResults): string {
  const versions = [versionsOf(points), 1];
  return markdownTable(
    [
      ...["key versions", "joins/s", "least to most", "CPU ms/join"],
      ...["cold object, a newcomer ms", "cold object, a member ms"],
    ],
    twins.map(({ joins, coldJoin, coldRenewal }, index) => [
      ...[count(versions[index] as number), joins.perSecond, range(joins), joins.cpuMillisecondsPerRequest],
      ...[coldJoin, coldRenewal],
    ]),
  );
}

function attackTable(attacks: readonly Attack[]): string {
  return markdownTable(
    [
      ...["devices of the attacker", "requests/s", "key versions made", "object's bytes/request"],
      ...["of them for minutes", "D1's bytes/request", "newest, sealed KB", "all, sealed KB"],
    ],
    attacks.map(({ devices, perSecond, keyVersions, objectGrowth, databaseGrowth, largestResponses }) => [
      ...[`${devices}`, perSecond, count(keyVersions)],
      ...[objectGrowth.bytes, objectGrowth.tables.domain_requests ?? 0, databaseGrowth.bytes],
      ...[largestResponses["newest, sealed"] / 1024, largestResponses["all, sealed"] / 1024],
    ]),
  );
}

function issuingLine({ devices, licences: { issued, milliseconds, refusedTries, failures } }: Attack): string {
  const times = `p50 ${figure(percentile(milliseconds, 0.5))} ms, p99 ${figure(percentile(milliseconds, 0.99))} ms`;
  return (
    `With ${devices === 1 ? "one device" : `${devices} devices`} of the attacker, ${count(issued)} licences were ` +
    `encrypted (${times}), ${failures.length} failed, and ${refusedTries} responses were refusals that had it try again.`
  );
}

/** The charts of a year, by name. */
export function yearCharts({ points }: YearResults): Readonly<Record<string, Chart>> {
  const x = { x: "key versions", places: points.map(({ keyVersions }) => count(keyVersions)) };
  return {
    "year-response-size": {
      title: "Size of the response to a newcomer, over a year",
      ...x,
      y: "bytes",
      logarithmic: true,
      series: {
        "newest key, sealed": points.map(({ sizes }) => sizes["newest, sealed"]),
        "all keys, sealed": points.map(({ sizes }) => sizes["all, sealed"]),
      },
    },
    "year-memory": {
      title: "Memory of the server, over a year",
      ...x,
      y: "MB",
      series: {
        "workerd, at the most": points.map(({ peakMemoryBytes }) => peakMemoryBytes / 1e6),
        "heap of Worker and objects": points.map(({ heapBytes }) => heapBytes / 1e6),
      },
    },
  };
}
