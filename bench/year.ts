// `npm run bench:year`: a year in the life of one domain, in minutes, and an attack on one that makes key versions.
// `--quick` is a small form. The full run also writes its tables and charts into docs/performance.md. It fails if
// anything fails that is no matter of speed.
import { databaseFiles } from "../scripts/local-worker.ts";
import { say, scriptOptions, wholeNumber } from "../scripts/script-options.ts";
import type { BenchServer } from "./bench-server.ts";
import { SERVER_URL } from "./load/jobs.ts";
import { populate } from "./population.ts";
import { keep, originOf, thisMachine, writeDocument } from "./report/files.ts";
import { Workshop } from "./workshop.ts";
import { attack } from "./year/attack.ts";
import { type Licence, type Opening, open, type Place } from "./year/licences.ts";
import { live, makeTwins, TWINS } from "./year/life.ts";
import { growth, storageUse } from "./year/storage.ts";
import { compareTwins } from "./year/twins.ts";
import {
  type Attack,
  failuresOf,
  type Openings,
  type YearResults,
  yearCharts,
  yearReport,
} from "./year/year-report.ts";

const FULL = { members: 1_000_000, versions: 30_000, attackSeconds: 20 };
const QUICK = { members: 20_000, versions: 600, attackSeconds: 4 };
/** How precisely the domain and its twin are compared. */
const FULL_EFFORT = { rounds: 10, seconds: 2, coldTries: 31 };
const QUICK_EFFORT = { rounds: 4, seconds: 0.5, coldTries: 11 };
/** A point of the year is every so many versions, so that there are enough of them. */
const FEWEST_VERSIONS = 20;
/** How many devices the attacker has at once: one, which makes the most of each request, and as many as load a server. */
const ATTACKERS = [1, 64];
/** The members of a domain that is attacked. */
const ATTACKED_MEMBERS = 1_000;
const WARM_UP = 1_500;

const { quick, ...given } = scriptOptions<{ quick: boolean } & Partial<typeof FULL>>(
  "bench:year",
  "Plays a year in the life of one domain, and an attack on it.",
  [
    ["--quick", "a shorter year", false],
    ["--members <number>", "how many members it has", undefined, wholeNumber(100)],
    ["--versions <number>", "how many key versions it comes to", undefined, wholeNumber(FEWEST_VERSIONS)],
    ["--attack-seconds <number>", "how long the attack lasts", undefined, wholeNumber(1)],
  ],
);
const { members, versions, attackSeconds } = { ...(quick ? QUICK : FULL), ...given };

await Workshop.run(async (workshop) => {
  const results = await play(workshop);
  const failures = failuresOf(results);
  const text = yearReport(results);
  keep("year.json", results, text);
  if (!quick && failures.length === 0) {
    const charts = yearCharts(results);
    const images = Object.entries(charts).map(([name, { title }]) => `![${title}](performance/${name}.svg)`);
    writeDocument("npm run bench:year", [text, ...images].join("\n\n"), charts);
  }
  if (failures.length > 0) throw new Error(`failed:\n${failures.join("\n")}`);
});

async function play(workshop: Workshop): Promise<YearResults> {
  const machine = thisMachine();
  say("building the Worker");
  await workshop.build("ours");
  // With its inspector on, for what the heap holds.
  const server = await workshop.start("ours", WARM_UP, { inspected: true });
  say(`taking over two domains of ${members} members`);
  await makeTwins(server, members, workshop.secrets.ADMIN_TOKEN as string);

  say("the year");
  const place = { origin: server.origin, issuer: SERVER_URL, domain: TWINS[0] };
  const life = await live(server, place, members, versions, (keyVersion) => say(`key version ${keyVersion}`));
  say("licences of the year, opened by new devices");
  const openings = await openAll(place, life.licences);
  say("joins and cold objects, beside those of one version");
  const comparison = await compareTwins(workshop, server, TWINS, members - 1, quick ? QUICK_EFFORT : FULL_EFFORT);
  const attacks: Attack[] = [];
  for (const devices of ATTACKERS) {
    say(`an attacker with ${devices} at once`);
    attacks.push(await attackAlone(server, devices));
  }
  return { ...originOf(quick, machine), members, ...life, openings, comparison, attacks };
}

/** Opens every licence, whatever becomes of the others. */
async function openAll(place: Place, licences: readonly Licence[]): Promise<Openings> {
  const opened: Opening[] = [];
  const failures: string[] = [];
  for (const licence of licences) {
    await open(place, licence).then(
      (opening) => opened.push(opening),
      (error) => failures.push(`the licence of key version ${licence.keyVersion} did not open: ${error}`),
    );
  }
  return { opened, failures };
}

/** Attacks a domain of its own, and takes stock of the storage around that. */
async function attackAlone(server: BenchServer, devices: number): Promise<Attack> {
  const domain = `attacked-by-${devices}`;
  await populate(server, domain, ATTACKED_MEMBERS);
  const storage = async () => {
    // D1 has everything by then.
    await server.readMeter();
    const [database] = databaseFiles(server.folder) as [string];
    return { object: storageUse(server.objectFile(domain)), database: storageUse(database) };
  };
  const before = await storage();
  const end = performance.now() + 1000 * attackSeconds;
  const place = { origin: server.origin, issuer: SERVER_URL, domain };
  const outcome = await attack(place, { devices, goesOn: () => performance.now() < end });
  const after = await storage();
  return {
    ...outcome,
    objectGrowth: growth(before.object, after.object, outcome.requests),
    databaseGrowth: growth(before.database, after.database, outcome.requests),
  };
}
