import type { Meter } from "../meter.ts";

type Cost = Pick<D1Meta, "rows_read" | "rows_written">;

/**
 * A D1 database whose calls are counted and answered late. In production D1 is a network away; here it is in the same
 * process, so that without the delay its round trips would cost next to nothing.
 */
export function meteredDatabase(database: D1Database, meter: Meter): D1Database {
  // One delay for each round trip, after the work: it is the answer that is under way.
  const roundTrip = async <T>(call: () => Promise<T>, costsOf: (answer: T) => readonly Cost[]): Promise<T> => {
    meter.inFlight += 1;
    try {
      const answer = await call();
      const costs = costsOf(answer);
      meter.calls += 1;
      meter.statements += costs.length;
      for (const cost of costs) {
        meter.rowsRead += cost.rows_read;
        meter.rowsWritten += cost.rows_written;
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
        ({ meta }) => [meta],
      );
    const metered = {
      bind: (...values: unknown[]) => statement(real.bind(...values)),
      all,
      run: all,
      // The real one gives the row without its cost.
      first: async (column?: string) => {
        const [row] = (await all()).results;
        return row === undefined ? null : column === undefined ? row : row[column];
      },
      // It keeps columns of one name apart, which objects cannot, and comes without a cost: the rows it gives count.
      raw: () =>
        roundTrip(
          () => real.raw(),
          (rows) => [{ rows_read: rows.length, rows_written: 0 }],
        ),
    };
    realOf.set(metered, real);
    return metered as unknown as D1PreparedStatement;
  };
  return {
    prepare: (sql: string) => statement(database.prepare(sql)),
    batch: (statements: D1PreparedStatement[]) =>
      roundTrip(
        () => database.batch(statements.map((each) => realOf.get(each) ?? each)),
        (results) => results.map(({ meta }) => meta),
      ),
  } as unknown as D1Database;
}

const realOf = new WeakMap<object, D1PreparedStatement>();
