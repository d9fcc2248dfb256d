import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";
import { inject } from "vitest";
import { newSecrets } from "../../../scripts/local-secrets.ts";
import { freePort, isFree } from "../../../scripts/ports.ts";
import { buildWorker } from "../../../scripts/worker-build.ts";
import { secretIn } from "../../model/log-scan.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const WRANGLER = "node_modules/wrangler/wrangler-dist/cli.js";
const HOST = "127.0.0.1";
/** Far longer than a start takes on a busy machine: only a server that will never start takes it. */
const START_MILLISECONDS = 90_000;

/** A running server, and how to end it. */
export type TestServer = {
  /** Its origin. */
  url: string;
  port: number;
  adminToken: string;
  /** Where its data and its secrets are. */
  dir: string;
  /** Its secrets, by the names of their variables. */
  secrets: Readonly<NodeJS.Dict<string>>;
  /** Everything it has printed, its log lines among that. */
  output(): string;
  /** Runs the statements of a file on its database, with the command that operators use. */
  loadDatabase(file: string): Promise<void>;
  /** Ends it and everything it started. A folder that `startServer` made goes with it. */
  stop(): Promise<void>;
};

/**
 * Starts the real server under `wrangler dev`, with secrets of its own and an empty database.
 *
 * @param options.vars variables of the server, such as `TRUSTED_ISSUERS`
 * @param options.secrets secrets to start with, if the folder has none; new ones if left out
 * @param options.dir a folder for its data and secrets, which stays: started with it again, the server finds them there
 * @param options.port where to listen; a free port if left out
 * @param options.addressLimit how many requests a minute it serves to one client address; as deployed if left out
 */
export async function startServer(
  options: {
    vars?: Record<string, string>;
    secrets?: Record<string, string>;
    dir?: string;
    port?: number;
    addressLimit?: number;
  } = {},
): Promise<TestServer> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "device-domains-"));
  const port = options.port ?? (await freePort());
  const url = `http://${HOST}:${port}`;
  let server: Wrangler | undefined;
  const stop = async () => {
    if (server) await end(server.child, port);
    if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
    if (server) expectNoSecrets(server.output(), adminToken);
  };
  let adminToken = "";
  try {
    const secrets = await secretsIn(dir, options.secrets);
    adminToken = secrets.ADMIN_TOKEN as string;
    const config = configOfBuilt(dir, options.addressLimit);
    server = await start(dir, port, config, secrets, options.vars ?? {});
    await untilWell(url, server);
    const loadDatabase = (file: string) =>
      finished(wrangler(["d1", "execute", "DB", "--local", ...stateIn(dir), "--file", file], quietEnvironment(dir)));
    return { url, port, adminToken, dir, secrets, output: server.output, loadDatabase, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Fills a folder with the built Worker and its files, and a database that has its tables. */
export async function prepareServer(folder: string): Promise<void> {
  // A build to run: on the sources, `wrangler dev` would reload the server in mid-test whenever one is saved.
  await buildWorker("src/server/index.ts", join(folder, "build"));
  cpSync(join(ROOT, "build", "assets"), join(folder, "assets"), { recursive: true });
  const args = ["d1", "migrations", "apply", "DB", "--local", ...stateIn(folder)];
  await finished(wrangler(args, quietEnvironment(folder)));
}

/** @throws Error if the server logged a secret, whatever the test was about */
function expectNoSecrets(output: string, adminToken: string): void {
  const lines = output.match(/\{"level":.*\}/g) ?? [];
  const found = lines.filter((line) => secretIn(line, adminToken) !== null);
  if (found.length > 0) throw new Error(`The server logged secrets:\n${found.join("\n")}`);
}

async function start(
  dir: string,
  port: number,
  config: string,
  secrets: NodeJS.Dict<string>,
  vars: Record<string, string>,
) {
  // Wrangler prefers what the shell sets to what its file of secrets says: so both say the same.
  const env = { ...quietEnvironment(dir), ...secrets };
  if (!existsSync(join(dir, "state"))) cpSync(inject("preparedServer"), dir, { recursive: true });
  return wrangler(
    [
      ...["dev", join(dir, "build", "index.js"), "--no-bundle", "--config", config],
      ...["--assets", join(dir, "assets")],
      ...["--ip", HOST, "--port", String(port), "--inspector-port", "0", "--show-interactive-dev-session=false"],
      // Naming a file of secrets also keeps wrangler from reading the checkout's own .dev.vars.
      ...[...stateIn(dir), "--env-file", secretsFile(dir)],
      ...Object.entries(vars).flatMap(([name, value]) => ["--var", `${name}:${value}`]),
    ],
    env,
    END_WITH_PARENT,
  );
}

/** A configuration for what is built already. Told how to build, wrangler would watch the sources for changes. */
function configOfBuilt(dir: string, addressLimit: number | undefined): string {
  const file = join(dir, "wrangler.toml");
  const config = readFileSync(join(ROOT, "wrangler.toml"), "utf8").replace(/^\[build\]\n(?:[^[\n].*\n)*/m, "");
  const limit = /(?<=name = "ADDRESS_LIMIT"\n.*\n.*limit = )\d+/;
  writeFileSync(file, addressLimit === undefined ? config : config.replace(limit, `${addressLimit}`));
  return file;
}

/** The arguments by which wrangler finds the data in a folder. */
function stateIn(dir: string): string[] {
  return ["--persist-to", join(dir, "state")];
}

function quietEnvironment(dir: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_HIDE_BANNER: "true",
    WRANGLER_LOG_PATH: join(dir, "logs"),
    CI: "true",
  };
}

/**
 * Has wrangler end itself, and with itself the workerd processes it started, once its channel to the process that
 * started it closes: that one may have been killed, and then nobody is left to stop the server.
 */
const END_WITH_PARENT = 'data:text/javascript,process.on("disconnect",()=>process.kill(process.pid,"SIGTERM"))';

type Wrangler = { child: ChildProcess; output(): string };

/** Starts wrangler; a preloaded module finds a channel to this process. */
function wrangler(args: readonly string[], env: NodeJS.ProcessEnv, preload?: string): Wrangler {
  const nodeArgs = ["--no-warnings", ...(preload === undefined ? [] : ["--import", preload])];
  const child = spawn(process.execPath, [...nodeArgs, WRANGLER, ...args], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "pipe", preload === undefined ? "ignore" : "ipc"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
  }
  return { child, output: () => output };
}

/** Waits for a command of wrangler to do its work. */
async function finished({ child, output }: Wrangler): Promise<void> {
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${child.spawnargs.join(" ")} failed.\n${output()}`);
}

/** Waits until a server says that it is well. */
async function untilWell(url: string, { child, output }: Wrangler): Promise<void> {
  const deadline = Date.now() + START_MILLISECONDS;
  while (!(await isWell(url))) {
    if (!isRunning(child) || Date.now() > deadline) throw new Error(`The server did not start.\n${output()}`);
    await delay(50);
  }
}

async function isWell(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

async function end(child: ChildProcess, port: number): Promise<void> {
  if (!isRunning(child)) return;
  child.kill("SIGTERM");
  await once(child, "exit");
  // It has killed its workerd processes by now, but they may take a moment to let go of the port.
  while (!(await isFree(port))) await delay(20);
}

function secretsFile(dir: string): string {
  return join(dir, "secrets.env");
}

/** The secrets kept in a folder; new ones if it has none. */
async function secretsIn(dir: string, given: Record<string, string> = {}): Promise<NodeJS.Dict<string>> {
  const file = secretsFile(dir);
  if (!existsSync(file)) {
    const secrets = { ...(await newSecrets()), ...given };
    const lines = Object.entries(secrets).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(file, lines.join(""), { mode: 0o600 });
  }
  return parseEnv(readFileSync(file, "utf8"));
}
