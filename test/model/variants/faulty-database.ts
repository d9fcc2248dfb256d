// The server on a D1 that can be told to be slow, to fail or to hang.
import { databasesOf } from "../../../src/server/database/databases.ts";
import type { DatabaseMode, DatabaseRequest } from "../door-requests.ts";
import { DomainObject as Domain, Door as Entrance, DatabaseWriter as Writer } from "./watched.ts";

export { DeviceBans, default } from "./watched.ts";

/** The behaviour of D1 in each mode. */
const MODES: Readonly<Record<DatabaseMode, <T>(run: () => Promise<T>) => Promise<T>>> = {
  well: (run) => run(),
  slow: async (run) => {
    await scheduler.wait(500);
    return run();
  },
  failing: async () => {
    throw new Error("D1_ERROR: Network connection lost.");
  },
  "failing-after": async (run) => {
    await run();
    throw new Error("D1_ERROR: Network connection lost.");
  },
  hanging: () => new Promise<never>(() => {}),
};

let mode: DatabaseMode = "well";

/** The domain's object. */
export class DomainObject extends Domain {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, withFaults(env));
  }
}

/** The database writer. */
export class DatabaseWriter extends Writer {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, withFaults(env));
  }
}

/** The door, with a switch. */
export class Door extends Entrance {
  override async fetch(request: Request): Promise<Response> {
    const asked: object = await request.clone().json();
    if (!("database" in asked)) return super.fetch(request);
    mode = (asked as DatabaseRequest).database;
    return Response.json(null);
  }
}

type Faulty = { statement: D1PreparedStatement; [method: string]: unknown };
const environments = new WeakMap<object, Env>();

/** The environment with faulty databases; the same object each time. */
function withFaults(env: Env): Env {
  const known = environments.get(env);
  if (known) return known;
  const faulty = { ...env };
  for (const [name, database] of databasesOf(env)) Object.assign(faulty, { [name]: withFaultyQueries(database) });
  environments.set(env, faulty);
  return faulty;
}

function withFaultyQueries(database: D1Database) {
  return {
    prepare: (sql: string) => withFaultyCalls(database.prepare(sql)),
    batch: (statements: Faulty[]) => MODES[mode](() => database.batch(statements.map(({ statement }) => statement))),
  };
}

function withFaultyCalls(statement: D1PreparedStatement): Faulty {
  return {
    statement,
    bind: (...values: unknown[]) => withFaultyCalls(statement.bind(...values)),
    all: () => MODES[mode](() => statement.all()),
    run: () => MODES[mode](() => statement.run()),
    first: () => MODES[mode](() => statement.first()),
    raw: () => MODES[mode](() => statement.raw()),
  };
}
