import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DOMAIN_CLASS, migrate, runDirectly } from "../scripts/local-worker.ts";
import { SERVER_URL } from "./load/jobs.ts";
import type { MeterReading } from "./meter.ts";

/**
 * The Workers that are measured side by side: the server, the same with objects that do nothing, a Worker and an object
 * without any of its code, and the reference logic written literally on D1.
 */
export const VARIANTS = ["ours", "empty", "bare", "literal"] as const;
export type Variant = (typeof VARIANTS)[number];

/** A running Worker, and the ways into it. */
export type BenchServer = Awaited<ReturnType<typeof startServer>>;

/** How a server is started, if not as usual. */
export type ServerOptions = Readonly<{ inspected?: boolean; databases?: number }>;

const NAME = "bench";
/** The isolate of the Worker and its objects, for an inspector. */
export const ISOLATE = `core:user:${NAME}`;
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
  { inspected = false, databases: count = 1 }: ServerOptions = {},
) {
  const databases = Array.from({ length: count }, (_, index) => (index === 0 ? "DB" : `DB_${index + 1}`));
  const options = { databases, resourcePersistencePath: folder, ...(inspected ? { inspectorPort: 0 } : {}) };
  const variables = { ...secrets, DOMAIN_SERVER_URL: SERVER_URL };
  const { miniflare, pid } = await runDirectly(NAME, code, variables, "MeterControl", options);
  for (const name of databases) {
    await migrate(await miniflare.getD1Database(name), variant === "literal" ? "bench/literal" : undefined);
  }
  const { origin } = await miniflare.unsafeGetDirectURL(NAME);
  const control = await miniflare.unsafeGetDirectURL(NAME, "MeterControl");
  const objects = await miniflare.getDurableObjectNamespace("DOMAIN_OBJECT");
  return {
    variant,
    /** Its socket; no proxy is in between. */
    origin,
    /** The process id of its workerd. */
    pid,
    folder,
    /** Its first D1 database. */
    database: await miniflare.getD1Database("DB"),
    /** Where its isolates can be inspected, if it was started for that. */
    inspectorUrl: () => miniflare.getInspectorURL(),
    /** The file with the storage of a domain's object. */
    objectFile: (domain: string) =>
      join(folder, "do", `${NAME}-${DOMAIN_CLASS}`, `${objects.idFromName(domain)}.sqlite`),
    /** Waits until D1 has everything, and says what was read and written since the last reading. */
    readMeter: async () => {
      await untilQuiet(control);
      return readingOf(control, "DELETE");
    },
    /** Has its D1 answer that many milliseconds late. */
    setDelay: async (delayMilliseconds: number) => {
      await (await fetch(control, { method: "PUT", body: JSON.stringify({ delayMilliseconds }) })).text();
    },
    /** Throws away the memory of a domain's object. */
    evict: (domain: string) => miniflare.unsafeEvictDurableObject(NAME, DOMAIN_CLASS, { name: domain }),
    stop: () => miniflare.dispose(),
  };
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
