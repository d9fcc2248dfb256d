import { rmSync } from "node:fs";
import { join } from "node:path";
import { newSecrets } from "../scripts/local-secrets.ts";
import { type BenchServer, startServer } from "./server.ts";

/** The running servers of a bench, all with the same secrets, so that none of them outlives it. */
export class Fleet {
  readonly #folder: string;
  readonly #running = new Map<BenchServer, string>();
  #started = 0;
  readonly secrets: Readonly<Record<string, string>>;

  private constructor(folder: string, secrets: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.secrets = secrets;
  }

  /** @param folder where the servers keep their data */
  static async withNewSecrets(folder: string): Promise<Fleet> {
    return new Fleet(folder, await newSecrets());
  }

  /** Starts a built Worker on an empty database. */
  async start(code: string): Promise<BenchServer> {
    const folder = join(this.#folder, `server-${++this.#started}`);
    const server = await startServer(code, folder, this.secrets);
    this.#running.set(server, folder);
    return server;
  }

  /** Stops servers and removes their data; all of them, if none are named. */
  async stop(servers: Iterable<BenchServer> = this.#running.keys()): Promise<void> {
    await Promise.allSettled(
      [...servers].map(async (server) => {
        const folder = this.#running.get(server);
        this.#running.delete(server);
        await server.stop();
        if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
      }),
    );
  }
}
