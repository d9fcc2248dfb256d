import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { inject } from "vitest";
import { newSecrets } from "../../../scripts/local-secrets.ts";
import { type Database, DOMAIN_CLASS, LOCAL_OPTIONS, localWorker, migrate } from "../../../scripts/local-worker.ts";
import { compatibilityDate } from "../../../scripts/project.ts";

/** A row as SQLite gives it. */
type Row = Record<string, string | number | null>;

/** The built Worker in a Miniflare of this process: its database, its objects and its queue are within reach. */
export type EmbeddedServer = Readonly<{
  url: string;
  adminToken: string;
  /** Until the next restart. */
  readonly database: Database;
  /** Runs a statement on the storage of a domain's object, past its code. @returns all rows */
  stored<Found extends Row>(domain: string, statement: string, ...values: (string | number | null)[]): Promise<Found[]>;
  /** Throws away the memory of a domain's object. */
  evict(domain: string): Promise<void>;
  /** The lines it has logged so far. */
  readonly logLines: readonly string[];
  /** The messages that came out of the queue so far. */
  messages(): Promise<readonly unknown[]>;
  /** Kills the server in whatever it is at, and starts it at the same address and on the same data with these changes. */
  restart(vars?: Record<string, string>): Promise<void>;
  /** Runs the scheduled handler as of a time. */
  runScheduled(time: Date): Promise<void>;
  stop(): Promise<void>;
}>;

const NAME = "server";
const ORIGIN = "https://domains.example";

/** Keeps what it gets out of the queue, in order, and hands it out; refuses while it is told to. */
const SUBSCRIBER = `
let messages = [];
export default {
  async queue(batch) { for (const { body } of batch.messages) messages.push(body); },
  async fetch() { return Response.json(messages); },
};`;

/**
 * Starts the built Worker on an empty database.
 *
 * @param options.vars variables of the server
 * @param options.withQueue whether it sends events
 */
export async function startEmbeddedServer(
  options: { vars?: Record<string, string>; withQueue?: boolean } = {},
): Promise<EmbeddedServer> {
  const dir = mkdtempSync(join(tmpdir(), "device-domains-"));
  const script = readFileSync(join(inject("preparedServer"), "build", "index.js"), "utf8");
  const secrets = await newSecrets();
  let vars: Record<string, string> = { ...secrets, DOMAIN_SERVER_URL: ORIGIN, ...options.vars };
  const logLines: string[] = [];
  const settings = (port: number) =>
    convertV4MiniflareOptions({
      ...LOCAL_OPTIONS,
      port,
      unsafeTriggerHandlers: true,
      unsafeInspectDurableObjects: true,
      handleStructuredLogs: ({ message }: { message: string }) => logLines.push(message),
      resourcePersistencePath: join(dir, "state"),
      workers: [
        {
          ...localWorker(NAME, script, vars),
          ...(options.withQueue ? { queueProducers: { EVENTS: "domain-events" } } : {}),
        },
        {
          name: "subscriber",
          modules: true,
          script: SUBSCRIBER,
          compatibilityDate: compatibilityDate(),
          ...(options.withQueue
            ? { queueConsumers: { "domain-events": { maxBatchSize: 10, maxBatchTimeout: 0.05 } } }
            : {}),
        },
      ],
    } as Parameters<typeof convertV4MiniflareOptions>[0]);
  let miniflare = new Miniflare(settings(0));
  const stop = async () => {
    await miniflare.dispose();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const url = (await miniflare.ready).origin;
    let database = await miniflare.getD1Database("DB", NAME);
    await migrate(database);
    return {
      url,
      adminToken: secrets.ADMIN_TOKEN as string,
      logLines,
      get database() {
        return database;
      },
      stored: async <Found extends Row>(domain: string, statement: string, ...values: (string | number | null)[]) => {
        const storage = await miniflare.unsafeGetDurableObjectStorage(NAME, DOMAIN_CLASS, { name: domain });
        return storage.exec<Found>(statement, ...values);
      },
      evict: (domain) => miniflare.unsafeEvictDurableObject(NAME, DOMAIN_CLASS, { name: domain }),
      restart: async (changes) => {
        await miniflare.dispose();
        vars = { ...vars, ...changes };
        miniflare = new Miniflare(settings(Number(new URL(url).port)));
        await miniflare.ready;
        database = await miniflare.getD1Database("DB", NAME);
      },
      messages: async () => {
        const subscriber = await miniflare.getWorker("subscriber");
        return (await (await subscriber.fetch("http://subscriber/")).json()) as unknown[];
      },
      runScheduled: async (time) => {
        const worker = await miniflare.getWorker(NAME);
        await worker.scheduled({ scheduledTime: time });
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
