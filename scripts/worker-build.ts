import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as esbuild from "esbuild";

/** Builds one Worker into a folder, as one module with its source map beside it. @returns its code */
export async function buildWorker(entry: string, folder: string): Promise<string> {
  const options = ["--config", "wrangler.toml", "--dry-run", "--outdir", folder];
  const child = spawn(process.execPath, ["node_modules/wrangler/bin/wrangler.js", "deploy", entry, ...options], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_LOG_PATH: join(folder, "logs"), CI: "true" },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${entry} could not be built:\n${output}`);
  const file = join(folder, entry.slice(entry.lastIndexOf("/") + 1).replace(/\.ts$/, ".js"));
  await inlineTexts(file);
  return readFileSync(file, "utf8");
}

/** Takes into a built Worker the texts that a deployment sends beside it: migrations of the object's storage. */
async function inlineTexts(file: string): Promise<void> {
  await esbuild.build({
    entryPoints: [file],
    outfile: file,
    allowOverwrite: true,
    bundle: true,
    format: "esm",
    target: "es2024",
    loader: { ".sql": "text" },
    external: ["cloudflare:*", "node:*"],
    minifyWhitespace: true,
    minifySyntax: true,
    sourcemap: true,
    logLevel: "error",
  });
}
