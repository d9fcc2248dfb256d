import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { compatibilityDate, migrations, statementsOf } from "./project.ts";

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

/** Runs the built server in this process, in memory and on any port unless the options say otherwise. */
export async function runLocally(
  name: string,
  code: string,
  vars: Readonly<Record<string, string>>,
  options: Readonly<{ port?: number; resourcePersistencePath?: string }> = {},
): Promise<Miniflare> {
  const worker = localWorker(name, code, vars);
  const miniflare = new Miniflare(convertV4MiniflareOptions({ ...LOCAL_OPTIONS, ...worker, port: 0, ...options }));
  await miniflare.ready;
  return miniflare;
}

/** Makes the tables of an empty database. */
export async function migrate(database: Database): Promise<void> {
  for (const statement of migrations().flatMap(statementsOf)) await database.prepare(statement).run();
}
