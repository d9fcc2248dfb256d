import { setTimeout as delay } from "node:timers/promises";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { type Database, DOMAIN_CLASS, HOST, LOCAL_OPTIONS, localWorker } from "../scripts/local-worker.ts";
import type { MeterReading } from "./meter.ts";
import { childrenNamed } from "./processes.ts";
import { tablesOf, type Variant } from "./variants.ts";

/** The address that the servers are told they have: the `iss` of their tokens, and the `aud` of signed requests. */
export const SERVER_URL = "https://domains.example";

/** A running Worker, and the ways into it. */
export type BenchServer = Readonly<{
  variant: Variant;
  /** Its socket; no proxy is in between. */
  origin: string;
  /** The process id of its workerd. */
  pid: number;
  /** Its first D1 database. */
  database: Database;
  /** Where its isolates can be inspected; null if it was not started for that. */
  inspectorUrl: URL | null;
  /** Waits until D1 has everything, and says what was read and written since the last reading. */
  readMeter(): Promise<MeterReading>;
  /** Has its D1 answer that many milliseconds late. */
  setDelay(milliseconds: number): Promise<void>;
  /** Throws away the memory of a domain's object. */
  evict(domain: string): Promise<void>;
  stop(): Promise<void>;
}>;

/** How a server is started, if not as usual. */
export type ServerOptions = Readonly<{ inspected?: boolean; databases?: number }>;

const NAME = "bench";
const CONTROL = "MeterControl";
/** D1 has everything once that many looks in a row found nothing under way. */
const QUIET_LOOKS = 4;
const LOOK_MILLISECONDS = 15;

/**
 * Starts a built Worker in a workerd of its own, with empty tables in a folder.
 *
 * @param options.inspected whether its inspector is on, which slows it down
 * @param options.databases how many D1 databases it has
 */
export async function startServer(
  variant: Variant,
  code: string,
  folder: string,
  secrets: Readonly<Record<string, string>>,
  { inspected = false, databases = 1 }: ServerOptions = {},
): Promise<BenchServer> {
  const bindings = Array.from({ length: databases }, (_, index) => (index === 0 ? "DB" : `DB_${index + 1}`));
  const variables = {
    ...secrets,
    DOMAIN_SERVER_URL: SERVER_URL,
    TRUSTED_ISSUERS: "[]",
    DOMAIN_TOKEN_LIFETIME_SECONDS: "2592000",
  };
  const before = childrenNamed("workerd");
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      ...LOCAL_OPTIONS,
      ...localWorker(NAME, code, variables, bindings),
      resourcePersistencePath: folder,
      // Straight to the Worker: Miniflare's own socket would add a Worker of its own to each request.
      unsafeDirectSockets: [
        { host: HOST, port: 0 },
        { host: HOST, port: 0, entrypoint: CONTROL },
      ],
      ...(inspected ? { inspectorPort: 0 } : {}),
      port: 0,
    }),
  );
  try {
    await miniflare.ready;
    const pid = childrenNamed("workerd").find((each) => !before.includes(each));
    if (pid === undefined) throw new Error("the workerd process is not to be found");
    const control = await miniflare.unsafeGetDirectURL(NAME, CONTROL);
    const database = await miniflare.getD1Database("DB");
    for (const binding of bindings) {
      const each = await miniflare.getD1Database(binding);
      for (const statement of tablesOf(variant)) await each.prepare(statement).run();
    }
    return {
      variant,
      origin: (await miniflare.unsafeGetDirectURL(NAME)).origin,
      pid,
      database,
      inspectorUrl: inspected ? await miniflare.getInspectorURL() : null,
      readMeter: async () => {
        await untilQuiet(control);
        return readingOf(control, "DELETE");
      },
      setDelay: async (delayMilliseconds) => {
        await (await fetch(control, { method: "PUT", body: JSON.stringify({ delayMilliseconds }) })).text();
      },
      evict: (domain) => miniflare.unsafeEvictDurableObject(NAME, DOMAIN_CLASS, { name: domain }),
      stop: () => miniflare.dispose(),
    };
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
}

async function untilQuiet(control: URL): Promise<void> {
  for (let quiet = 0, calls = -1; quiet < QUIET_LOOKS; await delay(LOOK_MILLISECONDS)) {
    const reading = await readingOf(control, "GET");
    const isQuiet = reading.inFlight === 0 && reading.domainsWaiting === 0 && reading.calls === calls;
    quiet = isQuiet ? quiet + 1 : 0;
    calls = reading.calls;
  }
}

async function readingOf(control: URL, method: "GET" | "DELETE"): Promise<MeterReading> {
  return (await (await fetch(control, { method })).json()) as MeterReading;
}
