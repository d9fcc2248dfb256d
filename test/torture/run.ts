// `npm run torture`: the runs of test/model at length, as a table, which goes into docs/reliability.md too. It
// ends with an error if anything broke, and the document says what.
import { inspect } from "node:util";
import { say, scriptOptions, wholeNumber } from "../../scripts/script-options.ts";
import { writePart } from "../../scripts/written-part.ts";
import {
  BROKEN,
  BROKEN_COPIES,
  BROKEN_OWNERS,
  BROKEN_QUOTAS,
  build,
  SERVERS,
  type ServerName,
} from "../model/builds.ts";
import { DATABASE_FAULTS, tryDatabaseFault } from "../model/database-faults.ts";
import { HISTORY_KINDS, type HistoryKind, tryHistories } from "../model/histories.ts";
import { tryInputs } from "../model/inputs.ts";
import { tryInterruptedCopies } from "../model/interrupted-copies.ts";
import { tryKills } from "../model/kills.ts";
import type { Outcome } from "../model/outcome.ts";
import { tryCrowd, tryOverload } from "../model/overload.ts";
import { ModelServer } from "../model/server.ts";

const { quick, seed, ...counts } = scriptOptions<Options>(
  "torture",
  "Tries to break the server, and writes a table of it into docs/reliability.md.",
  [
    ["--quick", "some minutes of everything, to see that it works; its table goes nowhere", false],
    ["--histories <number>", "how many random histories", undefined, wholeNumber(0)],
    ["--kills <number>", "how many kills", undefined, wholeNumber(0)],
    ["--inputs <number>", "how many spoilt requests", undefined, wholeNumber(0)],
    ["--overload-seconds <number>", "how long each overload lasts", undefined, wholeNumber(0)],
    ["--seed <number>", "the seed of another run, for its requests once more", Date.now() % 1_000_000, wholeNumber(0)],
  ],
);
const FULL = { histories: 20_000, kills: 100, inputs: 1_000_000, overloadSeconds: 600 };
const QUICK = { histories: 200, kills: 5, inputs: 10_000, overloadSeconds: 5 };
const { histories, kills, inputs, overloadSeconds } = { ...(quick ? QUICK : FULL), ...counts };
/** A server needs some time to find out that it is asked for too much: a tenth of it must be enough. */
const timed = overloadSeconds >= 200;

/** The thing tried, how many times, all that broke, and further figures. */
type Row = Readonly<{ what: string; tried: number; broke: readonly string[]; figures: string }>;

type Options = { quick: boolean; seed: number } & Partial<
  Record<"histories" | "kills" | "inputs" | "overloadSeconds", number>
>;

/** The D1 databases of a server on which something goes wrong. */
const TWO_DATABASES = ["DB", "DB_2"];

/** The most histories of a server that is broken on purpose: it is caught long before. */
const HISTORIES_OF_BROKEN = 320;
/** The faults of a copy show when all histories are over. */
const HISTORIES_OF_BROKEN_COPY = 64;
/** How many domains are at work at once while something is wrong with D1. */
const HISTORIES_AT_ONCE = 32;

/** The failures that nobody waited for. */
const strays: string[] = [];
process.on("unhandledRejection", (reason) => {
  // Miniflare, of a runtime that it ends.
  if (!/other side closed|ECONNRESET|ECONNREFUSED/.test(inspect(reason))) strays.push(inspect(reason).slice(0, 500));
});
say("building the servers");
const code = await build(...(Object.keys(SERVERS) as ServerName[]));
const rows: Row[] = [];
const scanned = { lines: 0, secrets: [] as string[] };

await part("histories of 32 requests from 8 clients", "real", (server) => tryHistories(server, histories, seed));
await part(
  "the same, with the domain's object lost now and then",
  "real",
  (server) => tryHistories(server, Math.ceil(histories / 5), seed, HISTORY_KINDS.withLosses),
  false,
);
await part("the same, with a quota for each token subject", "real", (server) =>
  tryHistories(server, Math.ceil(histories / 5), seed, HISTORY_KINDS.ofSubjects),
);
await part("the same, of domains that belong to a subject", "real", (server) =>
  tryHistories(server, Math.ceil(histories / 5), seed, HISTORY_KINDS.ofOwners),
);
await part("the same, with about as many keys as a response lists", "real", (server) =>
  tryHistories(server, Math.ceil(histories / 20), seed, HISTORY_KINDS.old),
);
await part("the same, with parts of the copy late and repeated", "lateParts", (server) =>
  tryHistories(server, Math.ceil(histories / 20), seed),
);
for (const [name, what] of Object.entries(BROKEN)) {
  await caught(`a server ${what}`, name as ServerName, HISTORIES_OF_BROKEN);
}
for (const [name, what] of Object.entries(BROKEN_QUOTAS)) {
  await caught(`a server ${what}`, name as ServerName, HISTORIES_OF_BROKEN, HISTORY_KINDS.ofSubjects);
}
for (const [name, what] of Object.entries(BROKEN_OWNERS)) {
  await caught(`a server ${what}`, name as ServerName, HISTORIES_OF_BROKEN, HISTORY_KINDS.ofOwners);
}
for (const [name, what] of Object.entries(BROKEN_COPIES)) {
  await caught(`a server ${what}`, name as ServerName, HISTORIES_OF_BROKEN_COPY);
}
for (const fault of DATABASE_FAULTS) {
  await part(
    `histories while D1 is ${fault}`,
    "faultyDatabase",
    (server) =>
      inRounds(Math.ceil(histories / 20), (count, round) => tryDatabaseFault(server, fault, count, seed + round)),
    false,
    TWO_DATABASES,
  );
}
await part("kills under load", "real", (server) => tryKills(server, kills, seed), false, TWO_DATABASES);
await part(
  "kills between a commit and its copy",
  "faultyDatabase",
  (server) => tryInterruptedCopies(server, kills, seed),
  false,
  TWO_DATABASES,
);
await part("requests that are wrong", "real", (server) => tryInputs(server, inputs, seed));
await part("joins at five times what the disk takes", "slowCommits", (server) =>
  tryOverload(server, overloadSeconds, { connections: 4_000, queued: true, timed }),
);
await part("joins at five times what the process takes", "real", (server) =>
  tryOverload(server, overloadSeconds, { connections: 1_000, queued: false, timed }),
);
await part("joins at once, with a late disk", "lateCommits", tryCrowd);
rows.push({ what: "failures that nobody waited for", tried: strays.length, broke: strays, figures: "" });
rows.push({ what: "log lines searched for secrets", tried: scanned.lines, broke: scanned.secrets, figures: "" });

const text = table(rows);
console.log(`\n${text}`);
const broken = rows.flatMap(({ what, broke }) => broke.map((each) => `${what}: ${each}`));
for (const each of broken) console.error(`\n${each}`);
if (!quick) {
  const options = process.argv.slice(2).join(" ");
  const command = options === "" ? "npm run torture" : `npm run torture -- ${options}`;
  const taken = `Taken on ${new Date().toISOString().slice(0, 10)} by \`${command}\`, in ${minutes()} minutes.`;
  const firstLines = broken.map((each) => `- ${each.split("\n", 1)[0]}`).join("\n");
  const parts = [text, taken, ...(broken.length > 0 ? [`What broke:\n\n${firstLines}`] : [])];
  writePart("docs/reliability.md", "npm run torture", parts.join("\n\n"));
}
process.exit(broken.length === 0 ? 0 : 1);

/** Tries one thing on a server of its own. @param spotless whether it may log no failures either */
async function part(
  what: string,
  name: ServerName,
  run: (server: ModelServer) => Promise<Outcome>,
  spotless = true,
  databases = ["DB"],
): Promise<void> {
  say(what);
  const server = await ModelServer.start(code[name], databases);
  try {
    const { tried, broke, figures = "" } = await run(server);
    const failures = spotless ? server.log.failures.slice(0, 5).map((line) => `logged: ${line}`) : [];
    rows.push({ what, tried, broke: [...broke, ...failures], figures });
    scanned.lines += server.log.lines;
    scanned.secrets.push(...server.log.secrets.slice(0, 5));
  } finally {
    await server.stop().catch((error) => say(`a server did not end well: ${error}`));
  }
}

/** Tries something so many times, some at once, until it breaks. */
async function inRounds(count: number, run: (count: number, round: number) => Promise<Outcome>): Promise<Outcome> {
  let [tried, round] = [0, 0];
  const broke: string[] = [];
  for (; tried < count && broke.length === 0; round++) {
    const outcome = await run(Math.min(HISTORIES_AT_ONCE, count - tried), round);
    tried += outcome.tried;
    broke.push(...outcome.broke);
  }
  return { tried, broke, figures: `${round} rounds, seeds from ${seed}` };
}

/** Has a server that is broken on purpose be caught: what breaks is that it is not. */
function caught(what: string, name: ServerName, histories: number, kind?: HistoryKind): Promise<void> {
  const trying = async (server: ModelServer) => {
    const { tried, broke } = await tryHistories(server, histories, seed, kind);
    return { tried, broke: broke.length > 0 ? [] : ["was not caught"], figures: "caught" };
  };
  return part(what, name, trying, false);
}

/** The rows as a table in Markdown. */
function table(rows: readonly Row[]): string {
  const lines = rows.map(({ what, tried, broke, figures }) => {
    return `| ${what} | ${tried.toLocaleString("en")} | ${broke.length === 0 ? "nothing" : broke.length} | ${figures} |`;
  });
  return ["| what was tried | how many | what broke | figures |", "|---|---:|---|---|", ...lines].join("\n");
}

function minutes(): string {
  return (process.uptime() / 60).toFixed(0);
}
