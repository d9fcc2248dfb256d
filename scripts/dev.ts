// `npm run dev`: writes local secrets once, checks them, migrates the local database and serves everything.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { ConfigError, readConfig, SECRETS } from "../src/server/config.ts";
import { databaseEntries } from "./database-entries.ts";
import {
  developmentIssuer,
  developmentIssuerKey,
  readSecrets,
  SECRETS_FILE,
  writeSecretsOnce,
} from "./local-secrets.ts";
import { chosenPort } from "./ports.ts";
import { give, scriptOptions } from "./script-options.ts";
import { configuredNames, unknownNames } from "./variable-names.ts";

const OFFLINE = { CLOUDFLARE_CF_FETCH_ENABLED: "false", WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" };

/** Lines of wrangler's: its table of bindings, where secrets come from, and that jobs do not run by themselves here. */
const SAID_EVERY_TIME =
  /^(Your Worker has access to|Binding +Resource|env\.|Using secrets|\[custom build\]|.*Scheduled Workers|.*To manually trigger|.*cdn-cgi\/local\/scheduled|.*configuration\/cron-triggers|\s*$)/;

scriptOptions("dev", "Serves everything locally.", [], "The port is 8787, or that in the variable PORT.");
await main();

async function main(): Promise<void> {
  const port = await chosenPort(8787);
  if (await writeSecretsOnce()) console.log(`Wrote new local secrets to ${SECRETS_FILE}.`);
  const url = `http://localhost:${port}`;
  const config = readFileSync("wrangler.toml", "utf8");
  const names = Object.keys(readSecrets());
  for (const line of unknownNames([...names, ...configuredNames(config)])) console.error(line);
  if (names.includes("ADMIN_TOKEN_PREVIOUS")) {
    // wrangler reads no secret locally that is not required, and a command line is no place for one.
    console.error("ADMIN_TOKEN_PREVIOUS counts in deployments alone: locally there is one admin token.");
  }
  const variables = localVariables(url);

  for (const { binding } of databaseEntries(config)) {
    const migrated = await finished(wrangler(["d1", "migrations", "apply", binding, "--local"]));
    if (migrated.code !== 0) give(`The local database ${binding} could not be migrated:\n${migrated.output}`);
  }

  const settings = Object.entries(variables).flatMap(([name, value]) => ["--var", `${name}:${value}`]);
  const flags = [`--port=${port}`, "--inspector-port=0", "--show-interactive-dev-session=false"];
  const server = wrangler(["dev", ...flags, ...settings]);
  for (const stream of ["stdout", "stderr"] as const) passOn(server, stream);
  welcome(url);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => server.kill(signal));
  process.exit((await finished(server)).code);
}

/** Says where everything is, once the server answers; or in a sentence, what is wrong with it. */
async function welcome(url: string): Promise<void> {
  let found: Response | null = null;
  while (found === null) {
    await delay(200);
    found = await fetch(`${url}/health`).catch(() => null);
  }
  const { database, secrets } = (await found.json()) as { database: string; secrets: string };
  if (secrets !== "ok") {
    console.error(
      `The secrets in ${SECRETS_FILE} do not fit the local data: put the former ones back, or start over with npm run reset.`,
    );
  } else if (database !== "ok") {
    console.error(`The local database is ${database}: npm run reset starts over.`);
  } else {
    console.log(`
Serving on ${url}.
  console  ${url}/console   (the admin token is ADMIN_TOKEN in ${SECRETS_FILE})
  API      ${url}/docs
`);
  }
}

/**
 * The variables of a local run that are no secrets, its own address among them: wrangler.toml may have a deployment's. Ends
 * the program with one sentence if a secret is not right.
 */
function localVariables(url: string): Record<string, string> {
  const written = { DOMAIN_SERVER_URL: url, ...readSecrets() };
  try {
    const issuerKey = developmentIssuerKey(written);
    const issuer = issuerKey ? { DEVELOPMENT_ISSUER: JSON.stringify(developmentIssuer(issuerKey)) } : {};
    readConfig({ ...written, ...issuer });
    const own = Object.entries(written).filter(([name]) => !SECRETS.includes(name) && !name.endsWith("_KEY"));
    // Jurisdictions are Cloudflare's alone.
    return { ...Object.fromEntries(own), ...issuer, JURISDICTION: "" };
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof SyntaxError)) throw error;
    return give(`${error.message} Mend it in ${SECRETS_FILE}, or start over with npm run reset.`);
  }
}

function wrangler(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ["node_modules/wrangler/bin/wrangler.js", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...OFFLINE, CI: "true", ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}) },
  });
}

/** Passes a stream of wrangler's on, without what it says of every start. */
function passOn(child: ChildProcess, stream: "stdout" | "stderr"): void {
  createInterface({ input: child[stream] as Readable }).on("line", (line) => {
    if (!SAID_EVERY_TIME.test(stripVTControlCharacters(line))) process[stream].write(`${line}\n`);
  });
}

function finished(child: ChildProcess): Promise<{ code: number; output: string }> {
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code: code ?? 1, output })));
}
