// `npm run bench`: measures the built Worker beside one that does nothing and a literal one. `--quick` measures less.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { newSecrets } from "../scripts/local-secrets.ts";
import { buildWorkers } from "./bundles.ts";
import { type Comparison, compare, type Effort, type Row } from "./comparison.ts";
import { LoadGenerator } from "./load/load-generator.ts";
import { comparisonTable } from "./report/comparison-table.ts";
import { type BenchServer, startServer } from "./server.ts";
import { VARIANTS, type Variant } from "./variants.ts";

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false } }, strict: true });
const effort: Effort = values.quick ? { rounds: 3, seconds: 0.6 } : { rounds: 5, seconds: 1 };
const comparisons: readonly Comparison[] = [
  { workload: "joins", delayMilliseconds: 0, variants: VARIANTS },
  { workload: "renewals", delayMilliseconds: 0, variants: VARIANTS },
];

const folder = mkdtempSync(join(tmpdir(), "device-domains-bench-"));
const generator = new LoadGenerator();
const running: BenchServer[] = [];
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(1));
try {
  await bench();
  await end(0);
} catch (error) {
  console.error(error);
  await end(1);
}

async function bench(): Promise<void> {
  const { code } = await buildWorkers(join(folder, "build"));
  const secrets = await newSecrets();
  const servers = {} as Record<Variant, BenchServer>;
  for (const variant of VARIANTS) {
    servers[variant] = await startServer(code[variant], join(folder, variant), secrets);
    running.push(servers[variant]);
  }
  const rows: Row[] = [];
  for (const comparison of comparisons) {
    rows.push(...(await compare(generator, servers, comparison, effort)));
  }
  console.log(comparisonTable(rows));
}

async function end(code: number): Promise<never> {
  await Promise.allSettled([generator.stop(), ...running.map((server) => server.stop())]);
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}
