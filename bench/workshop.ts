import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { newSecrets } from "../scripts/local-secrets.ts";
import { type BenchServer, type ServerOptions, startServer } from "./bench-server.ts";
import type { Kept } from "./keeper.ts";
import { LoadGenerator } from "./load/load-generator.ts";
import type { Variant } from "./variants.ts";

/** Where a bench works: a folder, a load generator, and servers with the same secrets. All of it goes when it closes. */
export class Workshop {
  readonly folder: string;
  readonly secrets: Readonly<Record<string, string>>;
  readonly generator = new LoadGenerator();
  readonly #keeper = fork(fileURLToPath(new URL("keeper.ts", import.meta.url)));
  readonly #running = new Set<BenchServer>();
  #started = 0;
  #closed: Promise<void> | undefined;

  private constructor(secrets: Readonly<Record<string, string>>) {
    this.secrets = secrets;
    this.folder = mkdtempSync(join(tmpdir(), "device-domains-bench-"));
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
    this.#keeper.send(kept);
  }

  /** Starts the built Worker of a variant on empty tables. */
  async start(variant: Variant, code: string, options: ServerOptions = {}): Promise<BenchServer> {
    const folder = join(this.folder, `server-${++this.#started}`);
    const server = await startServer(variant, code, folder, this.secrets, options);
    this.#running.add(server);
    this.keep({ pid: server.pid });
    return server;
  }

  /** Stops servers. */
  async stop(servers: Iterable<BenchServer>): Promise<void> {
    await Promise.allSettled(
      [...servers].map((server) => {
        this.#running.delete(server);
        return server.stop();
      }),
    );
  }

  #close(): Promise<void> {
    this.#closed ??= (async () => {
      await Promise.allSettled([this.generator.stop(), this.stop(this.#running)]);
      const ended = once(this.#keeper, "exit");
      this.#keeper.disconnect();
      await ended;
    })();
    return this.#closed;
  }
}
