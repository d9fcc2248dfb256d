import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as esbuild from "esbuild";
import { buildWorker } from "../../bench/bundles.ts";

/** The servers that are tried: the real one, variants of it that must be as good, and what is broken on purpose. */
export const SERVERS = {
  real: "test/model/variants/watched.ts",
  twoWriters: "test/model/variants/two-writers.ts",
  noQueue: "test/model/broken/no-queue.ts",
  noFence: "test/model/broken/no-fence.ts",
  previewDeletes: "test/model/broken/preview-deletes.ts",
  limitOffByOne: "test/model/broken/limit-off-by-one.ts",
  rolloverForgotten: "test/model/broken/rollover-forgotten.ts",
  lateCommits: "test/model/variants/late-commits.ts",
  slowDatabase: "test/model/variants/slow-database.ts",
} as const;

/** One of the servers. */
export type ServerName = keyof typeof SERVERS;

/** The code of servers: the real one built as for a deployment, the others without what makes that slow. */
export async function build(...names: readonly ServerName[]): Promise<Record<ServerName, string>> {
  const built = await Promise.all(names.map((name) => (name === "real" ? deployed() : bundled(SERVERS[name]))));
  return Object.fromEntries(names.map((name, index) => [name, built[index]])) as Record<ServerName, string>;
}

async function deployed(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "device-domains-builds-"));
  try {
    return await buildWorker(SERVERS.real, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function bundled(entry: string): Promise<string> {
  const { outputFiles } = await esbuild.build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
  });
  return outputFiles[0]?.text ?? "";
}
