import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { newKeyEncryptionKey, newSigningKey } from "../../scripts/local-secrets.ts";
import { compatibilityDate, migrations, statementsOf } from "../../scripts/project.ts";

/** A D1 database, from outside workerd. */
export type Database = Awaited<ReturnType<Miniflare["getD1Database"]>>;

/** The built Worker in a Miniflare of this process: its database and its queue are within reach. */
export type EmbeddedServer = Readonly<{
  url: string;
  adminToken: string;
  /** Until the next restart. */
  readonly database: Database;
  /** The messages that came out of the queue so far. */
  messages(): Promise<readonly unknown[]>;
  /** Applies the next migration that was not applied yet. @returns its name; null if there is none */
  migrate(): Promise<string | null>;
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
 * @param options.migrated whether all migrations are applied; if not, none is
 */
export async function startEmbeddedServer(
  options: { vars?: Record<string, string>; withQueue?: boolean; migrated?: boolean } = {},
): Promise<EmbeddedServer> {
  const dir = mkdtempSync(join(tmpdir(), "device-domains-"));
  const script = await built(dir);
  const adminToken = randomBytes(32).toString("base64url");
  let vars = {
    ADMIN_TOKEN: adminToken,
    KEY_ENCRYPTION_KEYS: JSON.stringify({ keys: [newKeyEncryptionKey()] }),
    DOMAIN_AUTHORITY_KEYS: JSON.stringify({ keys: [await newSigningKey()] }),
    DOMAIN_SERVER_URL: ORIGIN,
    ...options.vars,
  };
  const settings = (port: number) =>
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port,
      cf: false,
      telemetry: { enabled: false },
      unsafeTriggerHandlers: true,
      resourcePersistencePath: join(dir, "state"),
      workers: [
        {
          name: NAME,
          modules: true,
          script,
          compatibilityDate: compatibilityDate(),
          bindings: vars,
          d1Databases: { DB: "embedded" },
          durableObjects: { DOMAIN_OBJECT: { className: "DomainObject", useSQLite: true } },
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
    const pending = migrations();
    const migrate = async () => {
      const name = pending.shift();
      if (name === undefined) return null;
      for (const statement of statementsOf(name)) await database.prepare(statement).run();
      return name;
    };
    while ((options.migrated ?? true) && (await migrate()) !== null);
    return {
      url,
      adminToken,
      get database() {
        return database;
      },
      migrate,
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

async function built(dir: string): Promise<string> {
  const child = spawn(
    process.execPath,
    ["node_modules/wrangler/bin/wrangler.js", "deploy", "--dry-run", "--outdir", join(dir, "build")],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_LOG_PATH: join(dir, "logs"), CI: "true" },
    },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`The Worker could not be built.\n${output}`);
  return readFileSync(join(dir, "build", "index.js"), "utf8");
}
