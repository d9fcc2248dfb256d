import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as esbuild from "esbuild";
import { buildWorker } from "../../scripts/worker-build.ts";

/** The servers that are tried: the real one, variants of it that must be as good, and what is broken on purpose. */
export const SERVERS = {
  real: "test/model/variants/watched.ts",
  lateParts: "test/model/variants/late-parts.ts",
  faultyDatabase: "test/model/variants/faulty-database.ts",
  slowCommits: "test/model/variants/slow-commits.ts",
  lateCommits: "test/model/variants/late-commits.ts",
  previewDeletes: "test/model/broken/preview-deletes.ts",
  previewWrites: "test/model/broken/preview-writes.ts",
  limitOffByOne: "test/model/broken/limit-off-by-one.ts",
  rolloverForgotten: "test/model/broken/rollover-forgotten.ts",
  staleCommits: "test/model/broken/stale-commits.ts",
  historyOfRetired: "test/model/broken/history-of-retired.ts",
  historyOfItself: "test/model/broken/history-of-itself.ts",
  historyOfWrongKeys: "test/model/broken/history-of-wrong-keys.ts",
  evictionsWait: "test/model/broken/evictions-wait.ts",
  repeatsDone: "test/model/broken/repeats-done.ts",
  quotaByBatch: "test/model/broken/quota-by-batch.ts",
  versionsFromOne: "test/model/broken/versions-from-one.ts",
  deletesAgain: "test/model/broken/deletes-again.ts",
  strangersEnter: "test/model/broken/strangers-enter.ts",
  removalsForgotten: "test/model/broken/removals-forgotten.ts",
  latePartsApplied: "test/model/broken/late-parts.ts",
  copyMissesLeaves: "test/model/broken/copy-misses-leaves.ts",
  copyKeepsDeleted: "test/model/broken/copy-keeps-deleted.ts",
} as const;

/** The servers that are broken on purpose, each in the words of a sentence. */
export const BROKEN = {
  staleCommits: "with an await in its transaction",
  repeatsDone: "that carries out a repeated request once more",
  previewDeletes: "whose previews take the device out",
  previewWrites: "whose previews leave a trace",
  limitOffByOne: "that is full one device early",
  historyOfRetired: "whose history has retired keys",
  historyOfItself: "whose history has the key it is sealed to",
  historyOfWrongKeys: "whose history has private keys that open nothing",
  evictionsWait: "whose evictions wait for the interval like leaves",
  rolloverForgotten: "that forgets the rollover",
  versionsFromOne: "that begins again with key version 1 after a deletion",
  deletesAgain: "that carries out a repeated deletion once more",
} as const satisfies Partial<Record<keyof typeof SERVERS, string>>;

/** Those whose quota for each token subject is broken. */
export const BROKEN_QUOTAS = {
  quotaByBatch: "that counts no members of a subject for a batch",
} as const satisfies Partial<Record<keyof typeof SERVERS, string>>;

/** Those that do not know whom a domain belongs to. */
export const BROKEN_OWNERS = {
  strangersEnter: "that lets other subjects into a domain that belongs to one",
  removalsForgotten: "that forgets the rollover when an owner removes a device",
} as const satisfies Partial<Record<keyof typeof SERVERS, string>>;

/** Those of which only the copy is broken. */
export const BROKEN_COPIES = {
  latePartsApplied: "whose copy takes late parts",
  copyMissesLeaves: "whose copy keeps devices that left",
  copyKeepsDeleted: "whose copy keeps domains that were deleted",
} as const satisfies Partial<Record<keyof typeof SERVERS, string>>;

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
    loader: { ".sql": "text" },
  });
  return outputFiles[0]?.text ?? "";
}
