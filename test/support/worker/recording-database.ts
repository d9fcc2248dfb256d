/** A statement as it was put to the database. */
export type Recorded = Readonly<{ sql: string; values: readonly unknown[] }>;

/** A database that does what is asked, and the statements it was asked, as they come. */
export function recordingDatabase(database: D1Database): { database: D1Database; recorded: Recorded[] } {
  const recorded: Recorded[] = [];
  const statement = (real: D1PreparedStatement, sql: string): D1PreparedStatement =>
    new Proxy(real, {
      get(_, name) {
        if (name !== "bind") throw new Error(`a statement was run without its values: ${sql}`);
        return (...values: unknown[]) => {
          recorded.push({ sql, values });
          return real.bind(...values);
        };
      },
    });
  const proxy = new Proxy(database, {
    get(target, name) {
      if (name === "prepare") return (sql: string) => statement(target.prepare(sql), sql);
      const member = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return { database: proxy, recorded };
}
