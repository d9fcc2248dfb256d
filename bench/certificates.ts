import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { HOST } from "../scripts/local-worker.ts";
import { freePort } from "../scripts/ports.ts";
import { type Effort, inRounds, type Summary } from "./rounds.ts";
import type { Workshop } from "./workshop.ts";

const START_TRIES = 200;

/**
 * Measures a classic certificate authority at the nearest thing it does: `cfssl serve`, making a P-256 key and a
 * certificate for it. It keeps no record of either.
 *
 * @returns null if there is no cfssl on the path
 */
export async function certificates(workshop: Workshop, effort: Effort): Promise<Summary | null> {
  if (spawnSync("cfssl", ["version"]).status !== 0) return null;
  const port = await freePort();
  const process = startAuthority(join(workshop.folder, "cfssl"), port);
  const server = { origin: `http://${HOST}:${port}`, pid: process.pid as number };
  workshop.keep(server);
  try {
    await untilListening(server.origin, process);
    const contestant = { server, prepare: async () => ({ kind: "certificates" }) as const };
    return (await inRounds(workshop, [contestant], effort))[0] ?? null;
  } finally {
    process.kill("SIGKILL");
    if (process.exitCode === null && process.signalCode === null) await once(process, "exit");
  }
}

function startAuthority(folder: string, port: number): ChildProcess {
  mkdirSync(folder, { recursive: true });
  const request = JSON.stringify({ CN: "bench", key: { algo: "ecdsa", size: 256 } });
  const made = spawnSync("cfssl", ["genkey", "-initca", "-loglevel=4", "-"], { input: request, encoding: "utf8" });
  if (made.status !== 0) throw new Error(`cfssl could not make its key: ${made.stderr}`);
  const { cert, key } = JSON.parse(made.stdout) as { cert: string; key: string };
  writeFileSync(join(folder, "ca.pem"), cert);
  writeFileSync(join(folder, "ca-key.pem"), key, { mode: 0o600 });
  const options = [`-address=${HOST}`, `-port=${port}`, "-ca=ca.pem", "-ca-key=ca-key.pem", "-loglevel=4"];
  return spawn("cfssl", ["serve", ...options], { cwd: folder, stdio: "ignore" });
}

async function untilListening(origin: string, server: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < START_TRIES && server.exitCode === null; attempt++) {
    const answer = await fetch(`${origin}/api/v1/cfssl/scaninfo`).catch(() => null);
    await answer?.body?.cancel();
    if (answer) return;
    await delay(50);
  }
  throw new Error("cfssl serve did not start");
}
