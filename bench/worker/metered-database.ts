import type { Meter } from "../meter.ts";

/**
 * A D1 database whose calls are counted and answered late. In production D1 is a network away; here it is in the same
 * process, so that without the delay its round trips would cost next to nothing.
 */
export function meteredDatabase(database: D1Database, meter: Meter): D1Database {
  // One delay for each round trip, after the work: it is the answer that is under way.
  const roundTrip = async <T>(call: () => Promise<T>, resultsOf: (answer: T) => readonly D1Result[]): Promise<T> => {
    meter.inFlight += 1;
    try {
      const answer = await call();
      const results = resultsOf(answer);
      meter.calls += 1;
      meter.statements += results.length;
      for (const { meta } of results) {
        meter.rowsRead += meta.rows_read;
        meter.rowsWritten += meta.rows_written;
      }
      if (meter.delayMilliseconds > 0) await scheduler.wait(meter.delayMilliseconds);
      return answer;
    } finally {
      meter.inFlight -= 1;
    }
  };
  const statement = (real: D1PreparedStatement) => {
    const all = () =>
      roundTrip(
        () => real.all<Record<string, unknown>>(),
        (result) => [result],
      );
    const metered = {
      bind: (...values: unknown[]) => statement(real.bind(...values)),
      all,
      run: all,
      // The real ones of these two give rows alone, without the counts.
      first: async (column?: string) => {
        const [row] = (await all()).results;
        return row === undefined ? null : column === undefined ? row : row[column];
      },
      raw: async () => (await all()).results.map((row) => Object.values(row)),
    };
    realOf.set(metered, real);
    return metered as unknown as D1PreparedStatement;
  };
  return {
    prepare: (sql: string) => statement(database.prepare(sql)),
    batch: (statements: D1PreparedStatement[]) =>
      roundTrip(
        () => database.batch(statements.map((each) => realOf.get(each) ?? each)),
        (results) => results,
      ),
  } as unknown as D1Database;
}

const realOf = new WeakMap<object, D1PreparedStatement>();
