// Runs one of the project's programs, having installed what it needs. Plain JavaScript for any Node from 20 on,
// because it runs before anything is installed; what it starts runs on the Node that the project itself brings.
//
// usage: node scripts/bootstrap.mjs PROGRAM [ARGUMENT...]
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
install();
run(process.argv.slice(2));

/** Installs exactly what the lock file says, unless that was done already, or somebody linked another's modules. */
function install() {
  if (lstatSync("node_modules", { throwIfNoEntry: false })?.isSymbolicLink()) return;
  const stamp = join("node_modules", ".installed");
  const wanted = createHash("sha256").update(readFileSync("package-lock.json")).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  console.error("Installing the dependencies; this happens once.");
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync("npm", ["ci", ...quiet], {
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    console.error("The dependencies could not be installed: see npm's message above, and try again.");
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}

/** Runs a program on the project's own Node, passing signals on to it, and ends as it ends. */
function run(programAndArguments) {
  const bin = join(root, "node_modules", ".bin");
  const child = spawn(join(root, "node_modules", "node", "bin", "node"), programAndArguments, {
    stdio: "inherit",
    env: { ...process.env, PATH: `${bin}${process.platform === "win32" ? ";" : ":"}${process.env.PATH}` },
  });
  // A signal that ends npm is meant for this too, but the shell that npm starts between the two does not pass the signal on.
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || child.kill("SIGTERM"), 250).unref();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`Could not start the project's Node: ${error.message}. Delete node_modules and try again.`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    process.exit(code ?? (signal === "SIGINT" ? 130 : 143));
  });
}
