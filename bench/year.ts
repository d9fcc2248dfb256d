// `npm run bench:year`: a year in the life of one domain, in minutes, and an attack on one that makes key versions.
// `--quick` is a small form. The full run also writes its tables and charts into docs/performance.md. It fails if
// anything fails that is no matter of speed.
import { join } from "node:path";
import { buildWorker } from "../scripts/worker-build.ts";
import { type BenchServer, SERVER_URL } from "./bench-server.ts";
import { thisMachine } from "./machine.ts";
import { measure } from "./measuring.ts";
import { populate } from "./population.ts";
import { Workshop } from "./workshop.ts";
import { attack } from "./year/attack.ts";
import { type Licence, type Opening, open, type Place } from "./year/licences.ts";
import { live, makeTwins, TWINS } from "./year/life.ts";
import { type YearPlan, yearPlan } from "./year/plan.ts";
import { databaseUse, growth, objectUse } from "./year/storage.ts";
import { compareTwins } from "./year/twins.ts";
import { writeYearDocument, writeYearResults, YEAR_RESULTS_FILE } from "./year/year-files.ts";
import { yearReport } from "./year/year-report.ts";
import { type Attack, failuresOf, type Openings, type YearResults } from "./year/year-results.ts";

/** How many devices the attacker has at once: one, which makes the most of each request, and as many as load a server. */
const ATTACKERS = [1, 64];
/** The members of a domain that is attacked. */
const ATTACKED_MEMBERS = 1_000;
const WARM_UP = 1_500;

const plan = yearPlan();
const start = performance.now();

await Workshop.run(async (workshop) => {
  const results = await play(workshop);
  const failures = failuresOf(results);
  writeYearResults(results);
  if (!plan.quick && failures.length === 0) writeYearDocument(results);
  console.log(`${yearReport(results)}\n\nKept in ${YEAR_RESULTS_FILE}.`);
  if (failures.length > 0) throw new Error(`failed:\n${failures.join("\n")}`);
});

async function play(workshop: Workshop): Promise<YearResults> {
  const { generator, secrets } = workshop;
  const machine = thisMachine();
  say("building the Worker");
  const code = await buildWorker("bench/worker/ours.ts", join(workshop.folder, "build"));
  // With its inspector on, for what the heap holds.
  const server = await workshop.start("ours", code, { inspected: true });
  const folder = join(workshop.folder, "server-1");
  await measure(generator, server, { kind: "joins", domain: "warm-up" }, WARM_UP);
  say(`taking over two domains of ${plan.members} members`);
  await makeTwins(server, plan.members, secrets.ADMIN_TOKEN as string);

  say("the year");
  const place = { origin: server.origin, issuer: SERVER_URL, domain: TWINS[0] };
  const life = await live(server, folder, place, plan, (keyVersion) => say(`key version ${keyVersion}`));
  say("licences of the year, opened by new devices");
  const openings = await openAll(place, life.licences);
  say("joins and cold objects, beside those of one version");
  const newestMember = plan.members - 1;
  const comparison = await compareTwins(generator, server, TWINS, newestMember, plan.twins);
  const attacks: Attack[] = [];
  for (const devices of ATTACKERS) {
    say(`an attacker with ${devices} at once`);
    attacks.push(await attackAlone(server, folder, devices, plan));
  }
  const { quick, members } = plan;
  const tookSeconds = secondsSoFar();
  return {
    takenAt: new Date().toISOString(),
    quick,
    tookSeconds,
    machine,
    members,
    ...life,
    openings,
    comparison,
    attacks,
  };
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
async function attackAlone(
  server: BenchServer,
  folder: string,
  devices: number,
  { attackSeconds }: YearPlan,
): Promise<Attack> {
  const domain = `attacked-by-${devices}`;
  await populate(server, domain, ATTACKED_MEMBERS);
  const storage = async () => {
    // D1 has everything by then.
    await server.readMeter();
    return [objectUse(folder, domain), databaseUse(folder)] as const;
  };
  const before = await storage();
  const end = performance.now() + 1000 * attackSeconds;
  const place = { origin: server.origin, issuer: SERVER_URL, domain };
  const outcome = await attack(place, { devices, goesOn: () => performance.now() < end });
  const after = await storage();
  return {
    ...outcome,
    objectGrowth: growth(before[0], after[0], outcome.requests),
    databaseGrowth: growth(before[1], after[1], outcome.requests),
  };
}

/** Tells what is going on, apart from the results. */
function say(what: string): void {
  console.error(`${secondsSoFar().toFixed(0).padStart(4)} s  ${what}`);
}

function secondsSoFar(): number {
  return (performance.now() - start) / 1000;
}
