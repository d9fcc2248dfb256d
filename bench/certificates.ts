import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../scripts/ports.ts";
import { CONNECTIONS, type Effort, measure, type Round, type Summary, summary } from "./measuring.ts";
import type { Workshop } from "./workshop.ts";

const HOST = "127.0.0.1";
const START_TRIES = 200;

/**
 * Measures a classic certificate authority at the nearest thing it does: `cfssl serve`, making a P-256 key and a
 * certificate for it. It keeps no record of either.
 *
 * @returns null if there is no cfssl on the path
 */
export async function certificates(workshop: Workshop, { rounds, seconds }: Effort): Promise<Summary | null> {
  if (spawnSync("cfssl", ["version"]).status !== 0) return null;
  const port = await freePort();
  const server = startAuthority(join(workshop.folder, "cfssl"), port);
  workshop.keep({ pid: server.pid as number });
  try {
    const target = { origin: `http://${HOST}:${port}`, pid: server.pid as number };
    await untilListening(target.origin, server);
    const done: Round[] = [];
    let expected: number = CONNECTIONS;
    for (let round = 0; round <= rounds; round++) {
      const amount = Math.max(CONNECTIONS, Math.ceil(expected * seconds));
      const measured = await measure(workshop.generator, target, { kind: "certificates" }, amount);
      expected = measured.perSecond;
      if (round > 0) done.push(measured);
    }
    return summary(done);
  } finally {
    server.kill("SIGKILL");
    if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
  }
}

function startAuthority(folder: string, port: number): ChildProcess {
  mkdirSync(folder, { recursive: true });
  const request = JSON.stringify({ CN: "bench", key: { algo: "ecdsa", size: 256 } });
  const made = spawnSync("cfssl", ["genkey", "-initca", "-loglevel=4", "-"], { input: request, encoding: "utf8" });
  if (made.status !== 0) throw new Error(`cfssl could not make its key: ${made.stderr}`);
  const { cert, key } = JSON.parse(made.stdout) as { cert: string; key: string };
  const [certFile, keyFile] = [join(folder, "ca.pem"), join(folder, "ca-key.pem")];
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key, { mode: 0o600 });
  return spawn(
    "cfssl",
    ["serve", `-address=${HOST}`, `-port=${port}`, `-ca=${certFile}`, `-ca-key=${keyFile}`, "-loglevel=4"],
    { stdio: "ignore" },
  );
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
