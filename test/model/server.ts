import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Miniflare } from "miniflare";
import { newSecrets } from "../../scripts/local-secrets.ts";
import { DOMAIN_CLASS, databaseFiles, HOST, migrate, runDirectly } from "../../scripts/local-worker.ts";
import { freePort } from "../../scripts/ports.ts";
import { newTestIssuers, type TestIssuers } from "../support/issuers.ts";
import { DatabaseFiles } from "./database-file.ts";
import { LogScan } from "./log-scan.ts";
import { ObjectFiles } from "./object-files.ts";

const NAME = "model";

/**
 * A built Worker in a workerd of its own, with its Durable Objects and its D1 in a folder, and nothing in between. It
 * keeps its address, its secrets and its data when it is killed and started again.
 */
export class ModelServer {
  readonly origin: string;
  /** Where tests come at its objects past the Worker; see `variants/door.ts`. */
  readonly door: string;
  /** The contents of the domains' objects, read from their files past the server. */
  readonly objects: ObjectFiles;
  readonly adminToken: string;
  readonly issuers: TestIssuers;
  /** Goes through its log. */
  readonly log: LogScan;
  readonly #code: string;
  readonly #folder: string;
  readonly #ports: readonly [number, number];
  /** The bindings of its D1 databases. */
  readonly #databases: readonly string[];
  readonly #secrets: Readonly<Record<string, string>>;
  #miniflare!: Miniflare;
  #pid!: number;
  #database: DatabaseFiles | null = null;
  /** Resolves when it runs again. */
  #running: Promise<void> = Promise.resolve();
  #runs: () => void = () => {};

  private constructor(
    code: string,
    folder: string,
    secrets: Record<string, string>,
    ports: readonly [number, number],
    issuers: TestIssuers,
    databases: readonly string[],
  ) {
    this.#databases = databases;
    this.#code = code;
    this.#folder = folder;
    this.#secrets = secrets;
    this.#ports = ports;
    this.origin = `http://${HOST}:${ports[0]}`;
    this.door = `http://${HOST}:${ports[1]}`;
    this.objects = new ObjectFiles(join(folder, "do", `${NAME}-${DOMAIN_CLASS}`));
    this.adminToken = secrets.ADMIN_TOKEN as string;
    this.issuers = issuers;
    this.log = new LogScan(this.adminToken);
  }

  /** Starts a built Worker on empty databases. */
  static async start(code: string, databases: readonly string[] = ["DB"]): Promise<ModelServer> {
    const folder = mkdtempSync(join(tmpdir(), "device-domains-model-"));
    const [secrets, port, doorPort, issuers] = await Promise.all([
      newSecrets(),
      freePort(),
      freePort(),
      newTestIssuers(),
    ]);
    const server = new ModelServer(code, folder, secrets, [port, doorPort], issuers, databases);
    try {
      await server.#run();
      for (const name of databases) {
        await migrate(await server.#miniflare.getD1Database(name));
      }
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** The process id of its workerd. */
  get pid(): number {
    return this.#pid;
  }

  /** The contents of D1, read from its files past the server. */
  get database(): DatabaseFiles {
    this.#database ??= new DatabaseFiles(databaseFiles(this.#folder));
    return this.#database;
  }

  /** Waits until it runs, if it was killed. */
  running(): Promise<void> {
    return this.#running;
  }

  /** Kills workerd with SIGKILL, in the middle of whatever it is doing. */
  kill(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#running = promise;
    this.#runs = resolve;
    this.#database?.close();
    this.#database = null;
    process.kill(this.#pid, "SIGKILL");
  }

  /** Throws away the memory of a domain's object, if it has any. */
  async evict(domain: string): Promise<void> {
    try {
      await this.#miniflare.unsafeEvictDurableObject(NAME, DOMAIN_CLASS, { name: domain });
    } catch (error) {
      if (!/not currently running/.test(String(error))) throw error;
    }
  }

  /** Starts it again after a kill. */
  async restart(): Promise<void> {
    await this.#miniflare.dispose();
    await this.#run();
    this.#runs();
  }

  /** Ends it; its data goes with it. */
  async stop(): Promise<void> {
    this.#database?.close();
    await this.#miniflare?.dispose();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #run(): Promise<void> {
    const variables = {
      ...this.#secrets,
      DOMAIN_SERVER_URL: this.origin,
      TRUSTED_ISSUERS: JSON.stringify(this.issuers.trusted),
    };
    const options = {
      databases: this.#databases,
      resourcePersistencePath: this.#folder,
      handleStructuredLogs: ({ level, message }: { level: string; message: string }) => this.log.take(level, message),
    };
    const running = await runDirectly(NAME, this.#code, variables, "Door", options, this.#ports);
    this.#miniflare = running.miniflare;
    this.#pid = running.pid;
  }
}
