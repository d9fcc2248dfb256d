import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { buildWorker } from "../../bench/bundles.ts";
import { newKeyEncryptionKey, newSigningKey } from "../../scripts/local-secrets.ts";
import { compatibilityDate, migrations, statementsOf } from "../../scripts/project.ts";

/** A D1 database, from outside workerd. */
export type Database = Awaited<ReturnType<Miniflare["getD1Database"]>>;

/** A row as SQLite gives it. */
export type Row = Record<string, string | number | null>;

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
const DOMAIN = "DomainObject";
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
  const script = await buildWorker("src/server/index.ts", join(dir, "build"));
  const adminToken = randomBytes(32).toString("base64url");
  let vars = {
    ADMIN_TOKEN: adminToken,
    KEY_ENCRYPTION_KEYS: JSON.stringify({ keys: [newKeyEncryptionKey()] }),
    DOMAIN_AUTHORITY_KEYS: JSON.stringify({ keys: [await newSigningKey()] }),
    DOMAIN_SERVER_URL: ORIGIN,
    ...options.vars,
  };
  const logLines: string[] = [];
  const settings = (port: number) =>
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port,
      cf: false,
      telemetry: { enabled: false },
      unsafeTriggerHandlers: true,
      unsafeInspectDurableObjects: true,
      handleStructuredLogs: ({ message }: { message: string }) => logLines.push(message),
      resourcePersistencePath: join(dir, "state"),
      workers: [
        {
          name: NAME,
          modules: true,
          script,
          compatibilityDate: compatibilityDate(),
          compatibilityFlags: ["nodejs_compat"],
          bindings: vars,
          d1Databases: { DB: "embedded" },
          durableObjects: {
            DOMAIN_OBJECT: { className: DOMAIN, useSQLite: true },
            DATABASE_WRITER: { className: "DatabaseWriter", useSQLite: true },
            DEVICE_BANS: { className: "DeviceBans", useSQLite: true },
          },
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
    for (const statement of migrations().flatMap(statementsOf)) await database.prepare(statement).run();
    return {
      url,
      adminToken,
      logLines,
      get database() {
        return database;
      },
      stored: async <Found extends Row>(domain: string, statement: string, ...values: (string | number | null)[]) => {
        const storage = await miniflare.unsafeGetDurableObjectStorage(NAME, DOMAIN, { name: domain });
        return storage.exec<Found>(statement, ...values);
      },
      evict: (domain) => miniflare.unsafeEvictDurableObject(NAME, DOMAIN, { name: domain }),
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
