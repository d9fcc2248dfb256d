import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");
const QUIET = ["--no-audit", "--no-fund", "--loglevel=error"];

/** The surroundings of an example's program: tools from this checkout, as if they were installed beside it. */
const ENVIRONMENT = {
  ...process.env,
  PATH: `${join(ROOT, "node_modules/.bin")}:${process.env.PATH}`,
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_SEND_METRICS: "false",
  CI: "true",
};

/** Packs the package into a folder, as `npm pack` does, but leaves `dist` to the tests that pack there. */
export async function packInto(folder: string): Promise<void> {
  const draft = join(folder, "package");
  mkdirSync(draft);
  for (const file of ["package.json", "README.md", "LICENSE"]) cpSync(join(ROOT, file), join(draft, file));
  const build = ["--project", "tsconfig.build.json", "--outDir", join(draft, "dist")];
  await run(process.execPath, [TSC, ...build], { cwd: ROOT });
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder, ...QUIET], { cwd: draft });
}

/** Installs an example beside the packed package, as its README says. @returns its folder */
export async function installExample(name: string, folder: string): Promise<string> {
  const example = join(folder, "examples", name);
  const left = ["node_modules", "device", "licences", ".wrangler"];
  cpSync(join(ROOT, "examples", name), example, {
    recursive: true,
    filter: (source) => !left.some((each) => source.endsWith(`/examples/${name}/${each}`)),
  });
  // Tools for development are this checkout's: they are large, and the same.
  await run("npm", ["install", "--omit=dev", "--prefer-offline", ...QUIET], { cwd: example });
  return example;
}

/** Checks the types of an example. @returns what is wrong with them */
export async function typeErrors(example: string): Promise<string> {
  const { stdout } = await run(process.execPath, [TSC, "--project", example]).catch((error) => error);
  return stdout;
}

/** A running example. */
export type RunningExample = Readonly<{ url: string; stop(): Promise<void> }>;

/** Runs what `npm start` runs in an example, and waits until it listens on a port. */
export async function startExample(example: string, port: number, args: readonly string[]): Promise<RunningExample> {
  const url = `http://127.0.0.1:${port}`;
  const env = { ...ENVIRONMENT, WRANGLER_LOG_PATH: join(example, "logs") };
  const { scripts } = JSON.parse(readFileSync(join(example, "package.json"), "utf8")) as { scripts: { start: string } };
  // Without npm in between, which does not pass on the signal that ends it.
  const child = spawn("sh", ["-c", `exec ${scripts.start} "$@"`, "sh", ...args], { cwd: example, env });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const stop = async () => {
    child.kill("SIGTERM");
    if (!hasEnded(child)) await once(child, "exit");
    // What it started may take a moment to let go of the port.
    while (await answers(url)) await delay(50);
  };
  while (!(await answers(url))) {
    if (hasEnded(child)) throw new Error(`${example} did not start:\n${output}`);
    await delay(50);
  }
  return { url, stop };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function answers(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(5_000) }).then(
    (response) => response.text().then(() => true),
    () => false,
  );
}
