// `npm run simulate`: 100 million devices in 20 million households, and three premieres of a million, by the real batch
// queue, database writer, client retries and rules, against a modelled network, D1 and clock. Prints Markdown.
import { scriptOptions } from "../scripts/script-options.ts";
import { markdownTable } from "./report/markdown.ts";
import { loadDatabaseWriter } from "./simulation/database.ts";
import { evening } from "./simulation/evening.ts";
import { householdYear } from "./simulation/households.ts";
import { type Premiere, premiere } from "./simulation/premiere.ts";
import { databaseSize, monthlyCost } from "./simulation/prices.ts";

const HOUSEHOLDS = 20_000_000;
const SAMPLE = 2_000;
const MINUTE = 60_000;
/** The time of a join on its object's thread, in milliseconds: 2,000 a second as measured, 750 as Cloudflare's guidance. */
const JOIN = { measured: 0.5, guidance: 1.33 };

const { seed } = scriptOptions<{ seed: string }>("simulate", "Simulates a large service, and prints tables.", [
  ["--seed <seed>", "what the randomness depends on", "1"],
]);

const newWriter = await loadDatabaseWriter();

const PREMIERES = [
  ["1,000,000 in an hour, one domain", { devices: 1_000_000, window: 60 * MINUTE, join: JOIN.measured }],
  ["the same, at Cloudflare's guidance", { devices: 1_000_000, window: 60 * MINUTE, join: JOIN.guidance }],
  ["1,000,000 in half an hour, one domain", { devices: 1_000_000, window: 30 * MINUTE, join: JOIN.measured }],
  [
    "1,000,000 in five minutes, eight domains (one of them)",
    { devices: 125_000, window: 5 * MINUTE, join: JOIN.measured },
  ],
  ["too much: 120,000 in a minute, one domain", { devices: 120_000, window: MINUTE, join: JOIN.measured }],
] as const;

heading("Premieres");
const played: (readonly [string, Premiere])[] = [];
for (const [name, plan] of PREMIERES) played.push([name, await premiere(plan, newWriter, seed)]);
print([
  [
    "",
    "at the first try",
    "refusals",
    "p50",
    "p99",
    "longest",
    "peak queue",
    "joins a batch",
    "object busy",
    "copy lag",
    "D1 busy",
  ],
  ...played.map(([name, each]) => [
    name,
    percent(each.firstTry / each.joined),
    count(each.refusals),
    ...[each.p50, each.p99, each.longest].map(time),
    count(each.peakQueue),
    each.batch.toFixed(1),
    percent(each.objectBusy),
    time(each.copyLag),
    percent(each.databaseBusy),
  ]),
]);

heading("One database and its writer");
const rates = [39, 500, 3_000, 4_500];
const evenings = [];
for (const rate of rates) evenings.push([rate, await evening(rate, 2 * MINUTE, newWriter, seed)] as const);
print([
  ["changes a second", "changes a write", "copy lag p50", "p99", "D1 busy"],
  ...evenings.map(([rate, each]) => [
    count(rate),
    each.changesPerWrite.toFixed(0),
    time(each.lag50),
    time(each.lag99),
    percent(each.databaseBusy),
  ]),
]);

heading(`A household's year (${count(SAMPLE)} of them)`);
const year = householdYear(SAMPLE, seed);
print([
  ["renewals", "joins", "leaves", "commits", "key versions made", "in force at the end"],
  [year.renewals, year.joins, year.leaves, year.commits, year.keyVersions, year.keysInForce].map((each) =>
    each.toFixed(2),
  ),
]);

heading(`${count(HOUSEHOLDS)} households`);
const service = {
  households: HOUSEHOLDS,
  membersPerHousehold: year.members,
  keysPerHousehold: year.keyVersions,
  renewalsAMonth: (HOUSEHOLDS * year.renewals) / 12,
  joinsAMonth: (HOUSEHOLDS * year.leaves) / 12,
  leavesAMonth: (HOUSEHOLDS * year.leaves) / 12,
  premiereJoins: 3_000_000,
};
const { bytes, databases } = databaseSize(service);
const cost = Object.entries(monthlyCost(service));
const perSecond = service.renewalsAMonth / (30 * 86_400);
print([
  ["", ""],
  ["renewals a second, on average and in the evening (three times)", `${count(perSecond)}, ${count(3 * perSecond)}`],
  ["rows of D1", `${(bytes / 1e9).toFixed(0)} GB`],
  ["databases, at 7 GB each", count(databases)],
  ...cost.map(([name, dollars]) => [`${name}, dollars a month`, count(dollars)]),
  ["together, dollars a month", count(cost.reduce((sum, [, dollars]) => sum + dollars, 0))],
]);

function heading(text: string): void {
  console.log(`\n### ${text}\n`);
}

function print([head = [], ...rows]: readonly (readonly string[])[]): void {
  console.log(markdownTable(head, rows));
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function time(milliseconds: number): string {
  return milliseconds < 10_000 ? `${count(milliseconds)} ms` : `${count(milliseconds / 1_000)} s`;
}
