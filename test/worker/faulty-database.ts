/** What a test makes of one call to the database: `run` is the call itself. */
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

/** Whether a call is a commit: its first statement takes a revision. */
export function isCommit(sql: readonly string[]): boolean {
  return sql[0]?.trimStart().startsWith('insert into "domain_log"') ?? false;
}
