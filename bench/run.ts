// `npm run bench`: measures the built Worker beside one that does nothing and a literal one; `--quick` measures less.
// The full run also writes its tables and charts into docs/performance.md.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildWorkers } from "./bundles.ts";
import { certificates } from "./certificates.ts";
import { compare, type Row } from "./comparison.ts";
import { joinCosts } from "./database-use.ts";
import { Fleet } from "./fleet.ts";
import { halfLoad } from "./half-load.ts";
import { keyGrowth } from "./key-growth.ts";
import { LoadGenerator } from "./load/load-generator.ts";
import { thisMachine } from "./machine.ts";
import { measure } from "./measuring.ts";
import { memberGrowth } from "./member-growth.ts";
import { FULL, type Plan, QUICK } from "./plans.ts";
import { RESULTS_FILE, writeDocument, writeResults } from "./report/files.ts";
import { report } from "./report/report.ts";
import type { Results } from "./results.ts";
import type { BenchServer } from "./server.ts";
import { VARIANTS, type Variant } from "./variants.ts";
import { WORKLOADS } from "./workloads.ts";

/** Joins that each server is sent before anything counts: workerd compiles what is hot on the way. */
const WARM_UP = 1_500;

const { quick } = parseArgs({ options: { quick: { type: "boolean", default: false } }, strict: true }).values;
const start = performance.now();
const folder = mkdtempSync(join(tmpdir(), "device-domains-bench-"));
const generator = new LoadGenerator();
const fleet = await Fleet.withNewSecrets(folder);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(1));
try {
  const results = await bench(quick ? QUICK : FULL);
  writeResults(results);
  if (!quick) writeDocument(results);
  console.log(`${report(results)}\n\nKept in ${RESULTS_FILE}.`);
  await end(0);
} catch (error) {
  console.error(error);
  await end(1);
}

async function bench(plan: Plan): Promise<Results> {
  const machine = thisMachine();
  say("building the Workers");
  const { code, compressedBytes } = await buildWorkers(join(folder, "build"));
  const servers = {} as Record<Variant, BenchServer>;
  for (const variant of VARIANTS) {
    servers[variant] = await fleet.start(code[variant]);
    const requests = variant === "literal" ? WARM_UP / 10 : WARM_UP;
    await measure(generator, servers[variant], { kind: "joins", domain: "warm-up" }, requests);
  }
  const rows: Row[] = [];
  for (const { effort, ...comparison } of plan.comparisons) {
    say(`${WORKLOADS[comparison.workload].name}, D1 late by ${comparison.delayMilliseconds} ms`);
    rows.push(...(await compare(generator, servers, comparison, effort)));
  }
  say("new joins at half load");
  const peak = rows.find((row) => row.workload === "joins" && row.variant === "ours")?.perSecond ?? 0;
  const atHalfLoad = await halfLoad(generator, servers.ours, peak, plan.halfLoad);
  const costs = {
    ours: await joinCosts(generator, servers.ours),
    literal: await joinCosts(generator, servers.literal),
  };
  await fleet.stop();
  say("growing domains");
  const members = await memberGrowth(generator, fleet, code.ours, plan.members, plan.memberEffort);
  say("growing numbers of key versions");
  const keys = await keyGrowth(generator, fleet, code.ours, plan.keyVersions, plan.keyEffort);
  say("certificates");
  return {
    takenAt: new Date().toISOString(),
    quick,
    machine,
    compressedBytes,
    rows,
    halfLoad: atHalfLoad,
    joinCosts: costs,
    memberGrowth: members,
    keyGrowth: keys,
    certificates: await certificates(generator, join(folder, "cfssl"), plan.certificates),
    tookSeconds: (performance.now() - start) / 1000,
  };
}

/** Tells whoever waits what is going on, apart from the results. */
function say(what: string): void {
  console.error(`${((performance.now() - start) / 1000).toFixed(0).padStart(4)} s  ${what}`);
}

/** Ends the program, with everything it started and every file it made beside its results. */
async function end(code: number): Promise<never> {
  await Promise.allSettled([generator.stop(), fleet.stop()]);
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}
