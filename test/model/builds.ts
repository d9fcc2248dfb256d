import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildWorker } from "../../bench/bundles.ts";

/** The servers that are tried: the real one, and what goes wrong on purpose. */
export const SERVERS = {
  real: "src/index.ts",
  twoWriters: "test/model/broken/two-writers.ts",
  noQueue: "test/model/broken/no-queue.ts",
  noFence: "test/model/broken/no-fence.ts",
  previewDeletes: "test/model/broken/preview-deletes.ts",
  limitOffByOne: "test/model/broken/limit-off-by-one.ts",
  rolloverForgotten: "test/model/broken/rollover-forgotten.ts",
  lateCommits: "test/model/broken/late-commits.ts",
} as const;

/** One of the servers. */
export type ServerName = keyof typeof SERVERS;

/** The code of the servers, built the way a deployment is. */
export async function build<Name extends ServerName>(...names: readonly Name[]): Promise<Record<Name, string>> {
  const folder = mkdtempSync(join(tmpdir(), "device-domains-builds-"));
  try {
    const built = await Promise.all(names.map((name) => buildWorker(SERVERS[name], join(folder, name))));
    return Object.fromEntries(names.map((name, index) => [name, built[index]])) as Record<Name, string>;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
