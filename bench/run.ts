// `npm run bench`: measures the built Worker beside others that do less or do it literally; `--quick` measures less.
// The full run also writes its tables and charts into docs/performance.md.
import { join } from "node:path";
import { scriptOptions } from "../scripts/script-options.ts";
import type { BenchServer } from "./bench-server.ts";
import { buildWorkers } from "./bundles.ts";
import { certificates } from "./certificates.ts";
import { coreLines } from "./code-size.ts";
import { compare, type Row } from "./comparison.ts";
import { databaseGrowth } from "./database-growth.ts";
import { halfLoad } from "./half-load.ts";
import { keyGrowth } from "./key-growth.ts";
import { thisMachine } from "./machine.ts";
import { measure } from "./measuring.ts";
import { memberGrowth } from "./member-growth.ts";
import { FULL, type Plan, QUICK } from "./plans.ts";
import { RESULTS_FILE, writeDocument, writeResults } from "./report/files.ts";
import { report } from "./report/report.ts";
import type { Results } from "./results.ts";
import { requestCosts } from "./row-costs.ts";
import { VARIANTS, type Variant } from "./variants.ts";
import { WORKLOADS } from "./workloads.ts";
import { Workshop } from "./workshop.ts";

const { quick } = scriptOptions<{ quick: boolean }>("bench", "Measures the Worker beside others.", [
  ["--quick", "a rough look, in about a minute; writes no document", false],
]);
const start = performance.now();

await Workshop.run(async (workshop) => {
  const results = await bench(workshop, quick ? QUICK : FULL);
  writeResults(results);
  if (!quick) writeDocument(results);
  console.log(`${report(results)}\n\nKept in ${RESULTS_FILE}.`);
});

async function bench(workshop: Workshop, plan: Plan): Promise<Results> {
  const { generator, folder } = workshop;
  const machine = thisMachine();
  /** Measures a part, if it is not too late to begin it. */
  const inTime = async <T>(part: string, run: () => Promise<T>): Promise<T | null> => {
    const late = secondsSoFar() > plan.lastStartSeconds;
    say(late ? `left out, for want of time: ${part}` : part);
    return late ? null : run();
  };

  say("building the Workers");
  const { code, compressedBytes } = await buildWorkers(join(folder, "build"));
  const servers = {} as Record<Variant, BenchServer>;
  for (const variant of VARIANTS) {
    servers[variant] = await workshop.start(variant, code[variant]);
    const requests = variant === "literal" ? plan.warmUp / 10 : plan.warmUp;
    await measure(generator, servers[variant], { kind: "joins", domain: "warm-up" }, requests);
  }
  const costs = await inTime("what requests cost", async () => ({
    ours: await requestCosts(generator, servers.ours),
    literal: await requestCosts(generator, servers.literal),
  }));
  const rows: Row[] = [];
  for (const { effort, ...comparison } of plan.comparisons) {
    const { name } = WORKLOADS[comparison.workload];
    rows.push(...((await inTime(name, () => compare(generator, servers, comparison, effort))) ?? []));
  }
  const peak = rows.find((row) => row.workload === "joins" && row.variant === "ours")?.perSecond ?? 0;
  const atHalf = await inTime("half load", () => halfLoad(generator, servers.ours, peak, plan.halfLoad));
  // They would take memory and processor time from those that come now.
  await workshop.stop(Object.values(servers));

  const { members, memberEffort, keyVersions, keyEffort } = plan;
  const byMembers = await inTime("members", () => memberGrowth(workshop, code.ours, members, memberEffort));
  const byKeys = await inTime("key versions", () => keyGrowth(workshop, code.ours, keyVersions, keyEffort));
  const { databases, databaseEffort } = plan;
  const byDatabases = await inTime("databases", () => databaseGrowth(workshop, code.ours, databases, databaseEffort));
  const issued = await inTime("certificates", () => certificates(workshop, plan.certificates));
  return {
    takenAt: new Date().toISOString(),
    quick,
    tookSeconds: secondsSoFar(),
    machine,
    compressedBytes,
    coreLines: coreLines(),
    rows,
    halfLoad: atHalf,
    costs,
    memberGrowth: byMembers ?? [],
    keyGrowth: byKeys ?? [],
    databaseGrowth: byDatabases ?? [],
    certificates: issued,
  };
}

/** Tells what is going on, apart from the results. */
function say(what: string): void {
  console.error(`${secondsSoFar().toFixed(0).padStart(4)} s  ${what}`);
}

function secondsSoFar(): number {
  return (performance.now() - start) / 1000;
}
