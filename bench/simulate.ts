// `npm run simulate`: 100 million devices in 20 million households, and three premieres of a million, by the real batch
// queue, database writer, client retries and rules, against a modelled network, D1 and clock. Prints Markdown.
import { scriptOptions } from "../scripts/script-options.ts";
import { count, markdownTable } from "./report/markdown.ts";
import { loadDatabaseWriter } from "./simulation/database.ts";
import { evening } from "./simulation/evening.ts";
import { householdYear } from "./simulation/households.ts";
import { premiere } from "./simulation/premiere.ts";
import { databaseSize, monthlyCost } from "./simulation/prices.ts";

const HOUSEHOLDS = 20_000_000;
const SAMPLE = 2_000;
const MINUTE = 60_000;
/** The time of a join on its object's thread, in milliseconds: 2,000 a second as measured, 750 as Cloudflare's guidance. */
const [MEASURED, GUIDANCE] = [0.5, 1.33];

const PREMIERES = [
  { name: "1,000,000 in an hour, one domain", devices: 1_000_000, window: 60 * MINUTE, join: MEASURED },
  { name: "the same, at Cloudflare's guidance", devices: 1_000_000, window: 60 * MINUTE, join: GUIDANCE },
  { name: "1,000,000 in half an hour, one domain", devices: 1_000_000, window: 30 * MINUTE, join: MEASURED },
  {
    name: "1,000,000 in five minutes, eight domains (one of them)",
    ...{ devices: 125_000, window: 5 * MINUTE, join: MEASURED },
  },
  { name: "too much: 120,000 in a minute, one domain", devices: 120_000, window: MINUTE, join: MEASURED },
];
/** Changes a second. */
const RATES = [39, 500, 3_000, 4_500];

const { seed } = scriptOptions<{ seed: string }>("simulate", "Simulates a large service, and prints tables.", [
  ["--seed <seed>", "what the randomness depends on", "1"],
]);

const newWriter = await loadDatabaseWriter();

const premieres: string[][] = [];
for (const { name, ...plan } of PREMIERES) {
  const { joined, firstTry, refusals, p50, p99, longest, ...each } = await premiere(plan, newWriter, seed);
  premieres.push([
    ...[name, percent(firstTry / joined), count(refusals), time(p50), time(p99), time(longest), count(each.peakQueue)],
    ...[each.batch.toFixed(1), percent(each.objectBusy), time(each.copyLag), percent(each.databaseBusy)],
  ]);
}
print("Premieres", premieres, [
  ...["", "at the first try", "refusals", "p50", "p99", "longest", "peak queue", "joins a batch", "object busy"],
  ...["copy lag", "D1 busy"],
]);

const evenings: string[][] = [];
for (const rate of RATES) {
  const { changesPerWrite, lag50, lag99, databaseBusy } = await evening(rate, 2 * MINUTE, newWriter, seed);
  evenings.push([count(rate), changesPerWrite.toFixed(0), time(lag50), time(lag99), percent(databaseBusy)]);
}
print("One database and its writer", evenings, [
  ...["changes a second", "changes a write", "copy lag p50", "p99", "D1 busy"],
]);

const year = householdYear(SAMPLE, seed);
const { renewals, joins, leaves, commits, keyVersions, keysInForce } = year;
print(
  `A household's year (${count(SAMPLE)} of them)`,
  [[renewals, joins, leaves, commits, keyVersions, keysInForce].map((each) => each.toFixed(2))],
  ["renewals", "joins", "leaves", "commits", "key versions made", "in force at the end"],
);

const service = {
  households: HOUSEHOLDS,
  membersPerHousehold: year.members,
  keysPerHousehold: keyVersions,
  renewalsAMonth: (HOUSEHOLDS * renewals) / 12,
  // One that leaves is replaced.
  joinsAndLeavesAMonth: (HOUSEHOLDS * 2 * leaves) / 12,
  premiereJoins: 3_000_000,
};
const { bytes, databases } = databaseSize(service);
const cost = Object.entries(monthlyCost(service));
const perSecond = service.renewalsAMonth / (30 * 86_400);
print(
  `${count(HOUSEHOLDS)} households`,
  [
    ["renewals a second, on average and in the evening (three times)", `${count(perSecond)}, ${count(3 * perSecond)}`],
    ["rows of D1", `${(bytes / 1e9).toFixed(0)} GB`],
    ["databases, at 7 GB each", count(databases)],
    ...cost.map(([name, dollars]) => [`${name}, dollars a month`, count(dollars)]),
    ["together, dollars a month", count(cost.reduce((sum, [, dollars]) => sum + dollars, 0))],
  ],
  ["", ""],
);

function print(title: string, rows: readonly (readonly string[])[], head: readonly string[]): void {
  console.log(`\n### ${title}\n\n${markdownTable(head, rows)}`);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function time(milliseconds: number): string {
  return milliseconds < 10_000 ? `${count(milliseconds)} ms` : `${count(milliseconds / 1_000)} s`;
}
