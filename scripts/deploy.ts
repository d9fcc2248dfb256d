// `npm run deploy`: brings everything to Cloudflare, and may be run again; see deployment.ts for the steps.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { DeploymentError, deploy, type Run, type Tools } from "./deployment.ts";
import { newSecrets } from "./local-secrets.ts";
import { give, scriptOptions } from "./script-options.ts";

const { addDatabase = false } = scriptOptions<{ addDatabase?: boolean }>(
  "deploy",
  "Brings everything to Cloudflare; may be run again at any time.",
  [["--add-database", "add a D1 database, which takes its share of new domains"]],
);

try {
  const tools: Tools = {
    wrangler,
    read: (file) => (existsSync(file) ? readFileSync(file, "utf8") : null),
    write: (file, text) => writeFileSync(file, text, { mode: 0o600 }),
    newSecrets,
    say: (line) => console.log(line),
    attended: process.stdin.isTTY === true && process.stdout.isTTY === true && !process.env.CI,
    ask,
    serverUrl: process.env.DOMAIN_SERVER_URL,
  };
  await deploy(tools, { database: addDatabase });
} catch (error) {
  if (!(error instanceof DeploymentError)) throw error;
  give(error.message);
}

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await terminal.question(question);
  } finally {
    // Before wrangler, which may ask as well.
    terminal.close();
  }
}

function wrangler(args: readonly string[], shown = false): Promise<Run> {
  const child = spawn(process.execPath, ["node_modules/wrangler/bin/wrangler.js", ...args], {
    stdio: ["inherit", "pipe", "pipe"],
    env: { ...process.env, WRANGLER_HIDE_BANNER: "true" },
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
    if (shown) process.stdout.write(chunk);
  });
  let complaint = "";
  child.stderr.on("data", (chunk) => {
    complaint += chunk;
    if (shown) process.stderr.write(chunk);
  });
  // Only standard output is JSON; what went wrong may stand in either.
  return new Promise((resolve) =>
    child.on("close", (code) => resolve({ code: code ?? 1, output: code === 0 ? output : output + complaint })),
  );
}
