import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Miniflare } from "miniflare";
import { newSecrets } from "../local-secrets.ts";
import { HOST, migrate, runLocally } from "../local-worker.ts";
import { freePort } from "../ports.ts";
import { buildWorker } from "../worker-build.ts";

/** The real server for the player's page. It may be switched off and on, and keeps its domains until it is stopped. */
export class DomainServer {
  readonly url: string;
  readonly #folder: string;
  readonly #code: string;
  readonly #vars: Readonly<Record<string, string>>;
  #running: Miniflare | null = null;

  private constructor(folder: string, code: string, vars: Readonly<Record<string, string>>) {
    this.url = vars.DOMAIN_SERVER_URL as string;
    this.#folder = folder;
    this.#code = code;
    this.#vars = vars;
  }

  /** Builds and starts it. @param pageOrigin the page that may ask it */
  static async start(pageOrigin: string): Promise<DomainServer> {
    const folder = mkdtempSync(join(tmpdir(), "device-domains-player-"));
    // Miniflare ends the program by itself at a signal, so that nothing that comes later is certain to be done.
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    const code = await buildWorker("src/server/index.ts", folder);
    const DOMAIN_SERVER_URL = `http://${HOST}:${await freePort()}`;
    const vars = { ...(await newSecrets()), DOMAIN_SERVER_URL, CORS_ORIGINS: JSON.stringify([pageOrigin]) };
    const server = new DomainServer(folder, code, vars);
    await server.switch(true);
    await migrate(await (server.#running as Miniflare).getD1Database("DB"));
    return server;
  }

  /** Switches it on or off. */
  async switch(on: boolean): Promise<void> {
    if (on === (this.#running !== null)) return;
    const running = this.#running;
    this.#running = null;
    await running?.dispose();
    if (!on) return;
    this.#running = await runLocally("player", this.#code, this.#vars, {
      resourcePersistencePath: join(this.#folder, "data"),
      port: Number(new URL(this.url).port),
    });
  }
}
