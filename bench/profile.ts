// `npm run bench:profile`: says which functions a Worker's processor time goes to under a
// workload, and keeps the profile for a browser's developer tools.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { join } from "node:path";
import { oneOf, scriptOptions, wholeNumber } from "../scripts/script-options.ts";
import { buildWorkers } from "./bundles.ts";
import { Inspector } from "./inspector.ts";
import { measure } from "./measuring.ts";
import { populate } from "./population.ts";
import { busyMicroseconds, hottest, hottestOfServer } from "./report/hottest.ts";
import { figure } from "./report/markdown-table.ts";
import { VARIANTS, type Variant } from "./variants.ts";
import { WORKLOADS, type Workload, type WorkloadKey } from "./workloads.ts";
import { Workshop } from "./workshop.ts";

const FOLDER = "bench/results";
/** workerd compiles what is hot on the way. */
const WARM_UP = 3_000;
/** The isolates that matter: the Worker with its Durable Objects, and the one that Miniflare plays D1 with. */
const ISOLATES = { worker: "core:user:bench", d1: "d1:db" } as const;

const options = scriptOptions<{
  workload: WorkloadKey;
  variant: Variant;
  isolate: keyof typeof ISOLATES;
  seconds: number;
}>("bench:profile", "Profiles a Worker under load.", [
  ["--workload <name>", "what it is asked for", "joins", oneOf(Object.keys(WORKLOADS))],
  ["--variant <name>", "which Worker", "ours", oneOf(VARIANTS)],
  ["--isolate <name>", "which isolate of it", "worker", oneOf(Object.keys(ISOLATES))],
  ["--seconds <number>", "for how long", 5, wholeNumber(1)],
]);
const { workload: key, variant, seconds } = options;
const isolate = ISOLATES[options.isolate];

await Workshop.run((workshop) => profile(workshop, WORKLOADS[key], isolate));

async function profile(
  workshop: Workshop,
  { traffic, members, wakeUp, amount, placePerRound }: Workload,
  isolate: string,
): Promise<void> {
  const { generator, folder } = workshop;
  const { code } = await buildWorkers(join(folder, "build"));
  const server = await workshop.start(variant, code[variant], { inspected: true });
  const warm = placePerRound ? "warm-up" : "profiled";
  for (const domain of new Set([warm, "profiled"])) if (members !== undefined) await populate(server, domain, members);
  const { perSecond } = await measure(generator, server, traffic(warm), Math.max(WARM_UP, wakeUp ?? 0));

  const inspector = await Inspector.of(server.inspectorUrl as URL, isolate);
  const requests = amount ?? Math.ceil(perSecond * seconds);
  await inspector.startProfile();
  const round = await measure(generator, server, traffic("profiled"), requests);
  const taken = await inspector.stopProfile();
  inspector.close();

  const map = new SourceMap(JSON.parse(readFileSync(join(folder, "build", variant, `${variant}.js.map`), "utf8")));
  mkdirSync(FOLDER, { recursive: true });
  const file = join(FOLDER, `${key}-${variant}-${options.isolate}.cpuprofile`);
  writeFileSync(file, JSON.stringify(taken));
  console.log(
    [
      `${WORKLOADS[key].name}, ${variant}: ${requests} requests, ${figure(round.perSecond)}/s with the profiler on,`,
      `${figure((1_000_000 * round.cpuSeconds) / requests)} µs of CPU each in all of workerd,`,
      `of which ${figure(busyMicroseconds(taken) / requests)} µs in the code of ${isolate}. Kept in ${file}.`,
      "",
      hottest(taken, requests, map),
      "",
      hottestOfServer(taken, map),
    ].join("\n"),
  );
}
