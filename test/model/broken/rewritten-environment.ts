const rewrittenOf = new WeakMap<object, Env>();

/** The environment with a database that runs other statements than it is given; the same object each time. */
export function rewrittenEnvironment(env: Env, rewrite: (sql: string) => string): Env {
  const known = rewrittenOf.get(env);
  if (known) return known;
  const database = {
    prepare: (sql: string) => env.DB.prepare(rewrite(sql)),
    batch: (statements: D1PreparedStatement[]) => env.DB.batch(statements),
  } as unknown as D1Database;
  const rewritten = { ...env, DB: database };
  rewrittenOf.set(env, rewritten);
  return rewritten;
}

/**
 * Takes the fence out of a statement: a commit takes the next free revision, whatever it was decided on, and overwrites
 * what it finds.
 */
export function withoutFence(sql: string): string {
  if (/^\s*insert into "domain_(server_info|membership|keys)"/.test(sql))
    return sql.replace("insert", "insert or replace");
  if (!/^\s*insert into "domain_log"/.test(sql)) return sql;
  const next = `(select coalesce(max(revision), 0) + 1 from domain_log where domain = ?1)`;
  return sql
    .replace(/values\s+\(\?, 1,/, `values (?, ${next},`)
    .replace(/values\s+\(\?, \(/, "values (?, coalesce((")
    .replace(/\),(\s+\?, \?, \?, \?\)\s*)$/, `), ${next}),$1`);
}
