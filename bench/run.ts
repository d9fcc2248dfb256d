// `npm run bench`: measures the built Worker beside one that does nothing and a literal one; `--quick` measures less.
// The full run also writes its tables and charts into docs/performance.md.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildWorkers } from "./bundles.ts";
import { certificates } from "./certificates.ts";
import { compare, type Row } from "./comparison.ts";
import { requestCosts } from "./database-use.ts";
import { halfLoad } from "./half-load.ts";
import { keyGrowth } from "./key-growth.ts";
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
import { Workshop } from "./workshop.ts";

const { quick } = parseArgs({ options: { quick: { type: "boolean", default: false } }, strict: true }).values;
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
  say("building the Workers");
  const { code, compressedBytes } = await buildWorkers(join(folder, "build"));
  const servers = {} as Record<Variant, BenchServer>;
  for (const variant of VARIANTS) {
    servers[variant] = await workshop.start(code[variant]);
    const requests = variant === "literal" ? plan.warmUp / 10 : plan.warmUp;
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
    ours: await requestCosts(generator, servers.ours),
    literal: await requestCosts(generator, servers.literal),
  };
  await workshop.stop(Object.values(servers));
  say("growing domains");
  const members = await memberGrowth(workshop, code.ours, plan.members, plan.memberEffort);
  say("growing numbers of key versions");
  const keys = await keyGrowth(workshop, code.ours, plan.keyVersions, plan.keyEffort);
  say("certificates");
  const issued = await certificates(workshop, plan.certificates);
  return {
    takenAt: new Date().toISOString(),
    quick,
    tookSeconds: (performance.now() - start) / 1000,
    machine,
    compressedBytes,
    rows,
    halfLoad: atHalfLoad,
    costs,
    memberGrowth: members,
    keyGrowth: keys,
    certificates: issued,
  };
}

/** Tells whoever waits what is going on, apart from the results. */
function say(what: string): void {
  console.error(`${((performance.now() - start) / 1000).toFixed(0).padStart(4)} s  ${what}`);
}
