// `npm run bench:profile`: says which functions a Worker's processor time goes to under a
// workload, and keeps the profile for a browser's developer tools.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Profiler } from "node:inspector";
import { SourceMap } from "node:module";
import { join } from "node:path";
import { oneOf, scriptOptions, wholeNumber } from "../scripts/script-options.ts";
import { ISOLATE, VARIANTS, type Variant } from "./bench-server.ts";
import { Inspector } from "./inspector.ts";
import { populate } from "./population.ts";
import { RESULTS } from "./report/files.ts";
import { hottest } from "./report/hottest.ts";
import { figure } from "./report/markdown.ts";
import { WORKLOADS, type Workload, type WorkloadKey } from "./workloads.ts";
import { Workshop } from "./workshop.ts";

/** workerd compiles what is hot on the way. */
const WARM_UP = 3_000;
const SAMPLE_MICROSECONDS = 200;
/** The isolates that matter: the Worker with its Durable Objects, and the one that Miniflare plays D1 with. */
const ISOLATES = { worker: ISOLATE, d1: "d1:db" } as const;

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

await Workshop.run(profile);

async function profile(workshop: Workshop): Promise<void> {
  const { workload: key, variant, seconds } = options;
  const isolate = ISOLATES[options.isolate];
  const { name, traffic, members, wakeUp = 0, amount, placePerRound }: Workload = WORKLOADS[key];
  await workshop.build(variant);
  const server = await workshop.start(variant, 0, { inspected: true });
  const warm = placePerRound ? "warm-up" : "profiled";
  for (const domain of [warm, "profiled"]) if (members !== undefined) await populate(server, domain, members);
  const { perSecond } = await workshop.measure(server, traffic(warm), Math.max(WARM_UP, wakeUp));

  const inspector = await Inspector.of(await server.inspectorUrl(), isolate);
  const requests = amount ?? Math.ceil(perSecond * seconds);
  await inspector.call("Profiler.enable");
  await inspector.call("Profiler.setSamplingInterval", { interval: SAMPLE_MICROSECONDS });
  await inspector.call("Profiler.start");
  const round = await workshop.measure(server, traffic("profiled"), requests);
  const { profile: taken } = await inspector.call<{ profile: Profiler.Profile }>("Profiler.stop");
  inspector.close();

  const map = new SourceMap(JSON.parse(readFileSync(join(workshop.folder, variant, `${variant}.js.map`), "utf8")));
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, `${key}-${variant}-${options.isolate}.cpuprofile`);
  writeFileSync(file, JSON.stringify(taken));
  const { busyMicroseconds, tables } = hottest(taken, requests, map);
  console.log(
    [
      `${name}, ${variant}: ${requests} requests, ${figure(round.perSecond)}/s with the profiler on,`,
      `${figure((1_000_000 * round.cpuSeconds) / requests)} µs of CPU each in all of workerd,`,
      `of which ${figure(busyMicroseconds / requests)} µs in the code of ${isolate}. Kept in ${file}.`,
      ...tables.flatMap((table) => ["", table]),
    ].join("\n"),
  );
}
