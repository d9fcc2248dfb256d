// `npm run demo:player`: films that play on the devices of a domain, in the browser. Installs the example player as a user
// would, once, and starts it with a server of its own.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { DomainServer } from "./player/domain-server.ts";
import { chosenPort } from "./ports.ts";
import { give, scriptOptions } from "./script-options.ts";

const EXAMPLE = "examples/player";

scriptOptions(
  "demo:player",
  "Shows films on the devices of a domain, in the browser. The port is 8791, or that in PORT.",
);
const port = await chosenPort(8791);
if (!existsSync(`${EXAMPLE}/node_modules/device-domain-server`)) {
  console.log("Installing the player; this happens once.");
  run("npm", ["pack", "--loglevel=error"], ".");
  run("npm", ["install", "--omit=dev", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"], EXAMPLE);
}
// What the example has installed is there from now on. Its types are not, where it is not installed.
const { startPlayer } = (await import(pathToFileURL(`${EXAMPLE}/server.ts`).href)) as PlayerModule;
const server = await DomainServer.start(`http://127.0.0.1:${port}`);
const player = await startPlayer({ domainServer: server.url, port, switchServer: (on) => server.switch(on) });
console.log(`The player is at ${player.url}; the server of its domains at ${server.url}.`);
// A terminal's signal arrives twice: from itself, and from npm. Only the first counts.
let hasEnded = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);

async function end(): Promise<void> {
  if (hasEnded) return;
  hasEnded = true;
  player.stop();
  await server.switch(false);
  process.exit();
}

/** The part of the example that this uses. */
type PlayerModule = Readonly<{
  startPlayer(
    options: Readonly<{ domainServer: string; port: number; switchServer: (on: boolean) => Promise<void> }>,
  ): Promise<Readonly<{ url: string; stop(): void }>>;
}>;

function run(command: string, args: readonly string[], cwd: string): void {
  const { status } = spawnSync(command, args, {
    cwd,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
  if (status !== 0) give(`${command} ${args[0]} failed.`);
}
