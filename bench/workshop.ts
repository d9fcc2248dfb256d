import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { newSecrets } from "../scripts/local-secrets.ts";
import { cpuSeconds, peakMemoryBytes, resetPeakMemory } from "../scripts/processes.ts";
import { buildWorker } from "../scripts/worker-build.ts";
import type { Variant } from "./bench-server.ts";
import { type BenchServer, type ServerOptions, startServer } from "./bench-server.ts";
import type { Job, Kept, Measurement, Traffic } from "./load/jobs.ts";
import { CONNECTIONS, type Measured, type Round } from "./rounds.ts";

/** Where a bench works: a folder, a load generator, and servers with the same secrets. All of it goes when it closes. */
export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), "device-domains-bench-"));
  readonly secrets: Readonly<Record<string, string>>;
  readonly #generator = fork(fileURLToPath(new URL("load/generator.ts", import.meta.url)));
  readonly #code = new Map<Variant, string>();
  readonly #running = new Set<BenchServer>();
  #started = 0;
  #closed: Promise<void> | undefined;

  private constructor(secrets: Readonly<Record<string, string>>) {
    this.secrets = secrets;
    this.keep({ folder: this.folder });
  }

  /** Opens a workshop, does some work in it, and closes it, also when the work fails or someone interrupts it. */
  static async run(work: (workshop: Workshop) => Promise<void>): Promise<never> {
    const workshop = new Workshop(await newSecrets());
    const end = async (code: number) => {
      await workshop.#close();
      process.exit(code);
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(1));
    try {
      await work(workshop);
      return await end(0);
    } catch (error) {
      // Failures while the workshop closes are expected.
      if (!workshop.#closed) console.error(error);
      return await end(1);
    }
  }

  /** Has something go with the workshop, even if this process is killed. */
  keep(kept: Kept): void {
    this.#generator.send(kept);
  }

  /** Builds Workers the way a deployment does, for `start`. */
  async build(...variants: readonly Variant[]): Promise<void> {
    const build = async (variant: Variant) => {
      this.#code.set(variant, await buildWorker(`bench/worker/${variant}.ts`, join(this.folder, variant)));
    };
    await Promise.all(variants.map(build));
  }

  /**
   * Starts the Worker of a variant on empty tables.
   *
   * @param warmUp how many joins it is sent: workerd compiles what is hot on the way
   */
  async start(variant: Variant, warmUp: number, options: ServerOptions = {}): Promise<BenchServer> {
    const folder = join(this.folder, `server-${++this.#started}`);
    const server = await startServer(variant, this.#code.get(variant) as string, folder, this.secrets, options);
    this.#running.add(server);
    this.keep({ pid: server.pid });
    if (warmUp > 0) await this.measure(server, { kind: "joins", domain: "warm-up" }, warmUp);
    return server;
  }

  /** Puts a server under load once, and reads what that cost it. @throws Error if any request failed */
  async measure(
    server: Measured,
    traffic: Traffic,
    requests: number,
    pace: Job["pace"] = { connections: CONNECTIONS },
  ): Promise<Round> {
    await server.readMeter?.();
    resetPeakMemory(server.pid);
    const before = cpuSeconds(server.pid);
    const measurement = await this.#generate({ origin: server.origin, traffic, amount: requests, pace });
    const answered = performance.now();
    const costs = (await server.readMeter?.()) ?? null;
    return {
      ...measurement,
      requests,
      costs,
      catchUpMilliseconds: performance.now() - answered,
      cpuSeconds: cpuSeconds(server.pid) - before,
      peakMemoryBytes: peakMemoryBytes(server.pid),
    };
  }

  /** Stops servers. */
  async stop(servers: Iterable<BenchServer>): Promise<void> {
    const stopped = [...servers];
    for (const server of stopped) this.#running.delete(server);
    await Promise.allSettled(stopped.map((server) => server.stop()));
  }

  async #generate(job: Job): Promise<Measurement> {
    const reply = await new Promise<{ measurement: Measurement } | { fault: string }>((resolve) => {
      const ended = () => resolve({ fault: "the load generator ended" });
      this.#generator.once("exit", ended);
      this.#generator.once("message", (message) => {
        this.#generator.off("exit", ended);
        resolve(message as { measurement: Measurement });
      });
      this.#generator.send(job);
    });
    if ("fault" in reply) throw new Error(`${job.traffic.kind} at ${job.origin}: ${reply.fault}`);
    return reply.measurement;
  }

  #close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.stop(this.#running);
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
      if (!this.#generator.connected) return;
      const ended = once(this.#generator, "exit");
      this.#generator.disconnect();
      await ended;
    })();
    return this.#closed;
  }
}
