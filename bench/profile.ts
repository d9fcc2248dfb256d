// `npm run bench:profile -- WORKLOAD [VARIANT]`: says which functions a Worker's processor time goes to under a
// workload, and keeps the profile for a browser's developer tools.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildWorkers } from "./bundles.ts";
import { Inspector } from "./inspector.ts";
import { measure } from "./measuring.ts";
import { populate } from "./population.ts";
import { busyMicroseconds, hottest } from "./report/hottest.ts";
import { figure } from "./report/table.ts";
import { VARIANTS, type Variant } from "./variants.ts";
import { WORKLOADS, type Workload, type WorkloadKey } from "./workloads.ts";
import { Workshop } from "./workshop.ts";

const USAGE = `usage: npm run bench:profile -- ${Object.keys(WORKLOADS).join("|")} [${VARIANTS.join("|")}] [--seconds 5]`;
const FOLDER = "bench/results";
/** The isolates of the process that matter: the Worker with its Durable Objects, and what Miniflare plays D1 with. */
const ISOLATES = [
  { name: "worker", isolate: "core:user:bench" },
  { name: "d1-entry", isolate: "d1:db:entry" },
  { name: "d1", isolate: "d1:db" },
] as const;

const { values, positionals } = parseArgs({
  options: { seconds: { type: "string", default: "5" } },
  allowPositionals: true,
  strict: true,
});
const [key, variant = "ours"] = positionals as [WorkloadKey, Variant?];
const workload: Workload | undefined = WORKLOADS[key];
if (!workload || !VARIANTS.includes(variant)) {
  console.error(USAGE);
  process.exit(1);
}

await Workshop.run((workshop) => profile(workshop, workload));

async function profile(workshop: Workshop, { traffic, members, warmUp, amount }: Workload): Promise<void> {
  const { generator, folder } = workshop;
  const { code } = await buildWorkers(join(folder, "build"));
  const server = await workshop.start(code[variant], true);
  if (members !== undefined) await populate(server, "profiled", members);
  const { perSecond } = await measure(generator, server, traffic("profiled"), warmUp ?? 1_500);

  const inspectors = await Promise.all(
    ISOLATES.map(({ isolate }) => Inspector.of(server.inspectorUrl as URL, isolate)),
  );
  const requests = amount ?? Math.ceil(perSecond * Number(values.seconds));
  for (const inspector of inspectors) await inspector.startProfile();
  const round = await measure(generator, server, traffic("profiled"), requests);
  const microseconds = (1_000_000 * round.cpuSeconds) / requests;
  console.log(
    `${WORKLOADS[key].name}, ${variant}: ${requests} requests, ${figure(round.perSecond)}/s with the profiler on, ` +
      `${figure(microseconds)} µs of CPU each.`,
  );
  mkdirSync(FOLDER, { recursive: true });
  for (const [index, { name, isolate }] of ISOLATES.entries()) {
    const inspector = inspectors[index] as Inspector;
    const taken = await inspector.stopProfile();
    inspector.close();
    const file = join(FOLDER, `${key}-${variant}-${name}.cpuprofile`);
    writeFileSync(file, JSON.stringify(taken));
    console.log(`\n${isolate}: ${figure(busyMicroseconds(taken) / requests)} µs a request; kept in ${file}.\n`);
    console.log(hottest(taken, requests));
  }
}
