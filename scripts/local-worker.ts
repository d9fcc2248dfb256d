import { readdirSync } from "node:fs";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { childrenNamed } from "./processes.ts";
import { compatibilityDate, migrations } from "./project.ts";

/** A D1 database, from outside workerd. */
export type Database = Awaited<ReturnType<Miniflare["getD1Database"]>>;

/** The loopback address on which local Workers listen. */
export const HOST = "127.0.0.1";

/** The class of the domains' objects. */
export const DOMAIN_CLASS = "DomainObject";

/** Miniflare's options for any local run: on the loopback address, in reach of nothing outside. */
export const LOCAL_OPTIONS = { host: HOST, cf: false, logRequests: false, telemetry: { enabled: false } } as const;

/**
 * The built server as a Worker of Miniflare.
 *
 * @param code what `buildWorker` made
 * @param vars its variables and secrets
 * @param databases the bindings of its D1 databases
 */
export function localWorker(
  name: string,
  code: string,
  vars: Readonly<Record<string, string>>,
  databases: readonly string[] = ["DB"],
) {
  return {
    name,
    modules: true,
    script: code,
    compatibilityDate: compatibilityDate(),
    compatibilityFlags: ["nodejs_compat"],
    bindings: vars,
    d1Databases: Object.fromEntries(databases.map((binding) => [binding, `${name}-${binding}`])),
    durableObjects: {
      DOMAIN_OBJECT: { className: DOMAIN_CLASS, useSQLite: true },
      DATABASE_WRITER: { className: "DatabaseWriter", useSQLite: true },
      DEVICE_BANS: { className: "DeviceBans", useSQLite: true },
    },
  };
}

/** Options of a local run, beside the Worker's own. */
type RunOptions = Readonly<{
  /** The bindings of its D1 databases. */
  databases?: readonly string[];
  port?: number;
  /** A folder for its data, which is in memory otherwise. */
  resourcePersistencePath?: string;
  inspectorPort?: number;
  unsafeDirectSockets?: { host: string; port: number; entrypoint?: string }[];
  handleStructuredLogs?: (line: { level: string; message: string }) => void;
}>;

/** Runs the built server in this process, in memory and on any port unless the options say otherwise. */
export async function runLocally(
  name: string,
  code: string,
  vars: Readonly<Record<string, string>>,
  { databases, ...options }: RunOptions = {},
): Promise<Miniflare> {
  const worker = localWorker(name, code, vars, databases);
  const miniflare = new Miniflare(convertV4MiniflareOptions({ ...LOCAL_OPTIONS, ...worker, port: 0, ...options }));
  try {
    await miniflare.ready;
    return miniflare;
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
}

/**
 * The same on two sockets of workerd's own: one of the server, one of another entrypoint. The socket of Miniflare would add
 * a Worker of its own to each request.
 *
 * @param ports of both; any if left out
 * @returns the process id of its workerd as well
 */
export async function runDirectly(
  name: string,
  code: string,
  vars: Readonly<Record<string, string>>,
  entrypoint: string,
  options: RunOptions,
  [port, otherPort]: readonly [number, number] = [0, 0],
): Promise<{ miniflare: Miniflare; pid: number }> {
  const before = childrenNamed("workerd");
  const sockets = [
    { host: HOST, port },
    { host: HOST, port: otherPort, entrypoint },
  ];
  const miniflare = await runLocally(name, code, vars, { ...options, unsafeDirectSockets: sockets });
  const pid = childrenNamed("workerd").find((each) => !before.includes(each));
  if (pid === undefined) throw new Error("the workerd process is not to be found");
  return { miniflare, pid };
}

/** The files of the D1 databases of local runs with this folder. */
export function databaseFiles(folder: string): readonly string[] {
  const files = join(folder, "d1", "miniflare-D1DatabaseObject");
  const names = readdirSync(files).filter((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite");
  if (names.length === 0) throw new Error("the files of the databases are not to be found");
  return names.map((name) => join(files, name));
}

/** Makes the tables of an empty database. @param folder of the migrations, if not the server's */
export async function migrate(database: Database, folder?: string): Promise<void> {
  for (const statement of migrations(folder)) await database.prepare(statement).run();
}
