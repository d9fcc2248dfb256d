import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";

/** A test's treatment of one call to the database: `run` is the call itself. */
export type Interference = (sql: readonly string[], run: () => Promise<unknown>) => Promise<unknown>;

/** The message D1 gives for a connection that broke in mid-call. */
export const CONNECTION_LOST = "D1_ERROR: Network connection lost.";

/** A database whose every call goes through `interfere`, with the SQL of its statements. */
export function faultyDatabase(database: D1Database, interfere: Interference): D1Database {
  const sqlOf = new WeakMap<object, string>();
  const statement = (real: D1PreparedStatement, sql: string): D1PreparedStatement => {
    const proxy = new Proxy(real, {
      get(_, name) {
        if (name === "bind") return (...values: unknown[]) => statement(real.bind(...values), sql);
        const member = Reflect.get(real, name);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => interfere([sql], () => member.apply(real, args));
      },
    });
    sqlOf.set(proxy, sql);
    realOf.set(proxy, real);
    return proxy;
  };
  return new Proxy(database, {
    get(target, name) {
      if (name === "prepare") return (sql: string) => statement(target.prepare(sql), sql);
      if (name === "batch") {
        return (statements: D1PreparedStatement[]) =>
          interfere(
            statements.map((each) => sqlOf.get(each) ?? ""),
            () => target.batch(statements.map((each) => realOf.get(each) ?? each)),
          );
      }
      return Reflect.get(target, name);
    },
  });
}

const realOf = new WeakMap<object, D1PreparedStatement>();

/** The faults of a call to the database: each leaves it done or not, and says so or not. */
const FAULTS = {
  "fails before": async () => {
    throw new Error(CONNECTION_LOST);
  },
  "fails after": async (run) => {
    await run();
    throw new Error(CONNECTION_LOST);
  },
  hangs: async (_run, released) => {
    await released;
    throw new Error(CONNECTION_LOST);
  },
  "hangs after": async (run, released) => {
    await run();
    await released;
    throw new Error(CONNECTION_LOST);
  },
  "is overloaded": async () => {
    throw new Error("D1_ERROR: D1 DB is overloaded. Too many requests queued.");
  },
} as const satisfies Record<string, (run: () => Promise<unknown>, released: Promise<void>) => Promise<never>>;

export type Fault = keyof typeof FAULTS;
export const ALL_FAULTS = Object.keys(FAULTS) as Fault[];

/** A database that does as `plan` says, call by call, until it is mended; nothing goes wrong where it says nothing. */
export function unluckyDatabase(plan: (call: number) => Fault | undefined) {
  const { promise: released, resolve } = Promise.withResolvers<void>();
  const luck = { calls: 0, isMended: false };
  const database = faultyDatabase(env.DB, (_, run) => {
    const fault = luck.isMended ? undefined : plan(luck.calls++);
    return fault ? FAULTS[fault](run, released) : run();
  });
  const mend = () => {
    luck.isMended = true;
    resolve();
  };
  return { database, luck, mend };
}

/** Has the database writer use a database; without one, the real one. */
export function setWriterDatabase(DB: D1Database = env.DB): Promise<void> {
  return runInDurableObject(env.DATABASE_WRITER.getByName("DB"), (writer) => {
    Object.defineProperty(writer, "env", { value: { ...env, DB }, configurable: true });
  });
}
