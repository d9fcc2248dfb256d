// `npm run bench`: measures the built Worker beside others that do less or do it literally; `--quick` measures less.
// The full run also writes its tables and charts into docs/performance.md.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { say, scriptOptions } from "../scripts/script-options.ts";
import { buildWorker } from "../scripts/worker-build.ts";
import { type BenchServer, VARIANTS, type Variant } from "./bench-server.ts";
import { certificates } from "./certificates.ts";
import { compare, halfLoad, type Row } from "./comparison.ts";
import { databaseGrowth, keyGrowth, memberGrowth } from "./growth.ts";
import { FULL, type Plan, QUICK } from "./plans.ts";
import { keep, originOf, thisMachine, writeDocument } from "./report/files.ts";
import { growthCharts, report } from "./report/report.ts";
import { type Results, ratiosOf } from "./results.ts";
import { requestCosts } from "./row-costs.ts";
import { WORKLOADS } from "./workloads.ts";
import { Workshop } from "./workshop.ts";

const { quick } = scriptOptions<{ quick: boolean }>("bench", "Measures the Worker beside others.", [
  ["--quick", "a rough look, in about a minute; writes no document", false],
]);

await Workshop.run(async (workshop) => {
  const results = await bench(workshop, quick ? QUICK : FULL);
  const text = report(results);
  keep("latest.json", { ...results, ratios: ratiosOf(results) }, text);
  if (!quick) writeDocument("npm run bench", text, growthCharts(results));
});

async function bench(workshop: Workshop, plan: Plan): Promise<Results> {
  const machine = thisMachine();
  /** Measures a part, if it is not too late to begin it. */
  const inTime = async <T>(part: string, run: () => Promise<T>): Promise<T | null> => {
    const late = process.uptime() > plan.lastStartSeconds;
    say(late ? `left out, for want of time: ${part}` : part);
    return late ? null : run();
  };

  say("building the Workers");
  const [deployed] = await Promise.all([
    buildWorker("src/server/index.ts", join(workshop.folder, "deployed")),
    workshop.build(...VARIANTS),
  ]);
  const servers = {} as Record<Variant, BenchServer>;
  for (const variant of VARIANTS) {
    servers[variant] = await workshop.start(variant, variant === "literal" ? plan.warmUp / 10 : plan.warmUp);
  }
  const costs = await inTime("what requests cost", async () => ({
    ours: await requestCosts(workshop, servers.ours),
    literal: await requestCosts(workshop, servers.literal),
  }));
  const rows: Row[] = [];
  for (const { effort, ...comparison } of plan.comparisons) {
    const { name } = WORKLOADS[comparison.workload];
    rows.push(...((await inTime(name, () => compare(workshop, servers, comparison, effort))) ?? []));
  }
  const peak = rows.find((row) => row.workload === "joins" && row.variant === "ours")?.perSecond ?? 0;
  const atHalf = await inTime("half load", () => halfLoad(workshop, servers.ours, peak, plan.halfLoad));
  // They would take memory and processor time from those that come now.
  await workshop.stop(Object.values(servers));

  const byMembers = await inTime("members", () => memberGrowth(workshop, plan.members));
  const byKeys = await inTime("key versions", () => keyGrowth(workshop, plan.keyVersions));
  const byDatabases = await inTime("databases", () => databaseGrowth(workshop, plan.databases));
  const issued = await inTime("certificates", () => certificates(workshop, plan.certificates));
  return {
    ...originOf(quick, machine),
    compressedBytes: gzipSync(deployed).length,
    coreLines: linesIn("src/server/object") + linesIn("src/server/database"),
    rows,
    halfLoad: atHalf,
    costs,
    memberGrowth: byMembers ?? [],
    keyGrowth: byKeys ?? [],
    databaseGrowth: byDatabases ?? [],
    certificates: issued,
  };
}

/** How many lines of code a folder has. */
function linesIn(folder: string): number {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const lines = names.map((name) => readFileSync(join(folder, name), "utf8").trimEnd().split("\n").length);
  return lines.reduce((sum, each) => sum + each, 0);
}
