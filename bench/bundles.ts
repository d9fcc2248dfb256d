import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { buildWorker } from "../scripts/worker-build.ts";
import { VARIANTS, type Variant } from "./variants.ts";

/** The built Workers: the code of each variant, and how large the one that is deployed is, compressed, in bytes. */
export type Bundles = Readonly<{ code: Readonly<Record<Variant, string>>; compressedBytes: number }>;

/** Builds every Worker the way a deployment does. */
export async function buildWorkers(folder: string): Promise<Bundles> {
  const [deployed, ...variants] = await Promise.all([
    buildWorker("src/server/index.ts", join(folder, "deployed")),
    ...VARIANTS.map((variant) => buildWorker(`bench/worker/${variant}.ts`, join(folder, variant))),
  ]);
  return {
    code: Object.fromEntries(VARIANTS.map((variant, index) => [variant, variants[index]])) as Record<Variant, string>,
    compressedBytes: gzipSync(deployed as string).length,
  };
}
