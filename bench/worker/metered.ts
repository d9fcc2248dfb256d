import { env, WorkerEntrypoint } from "cloudflare:workers";
import { databasesOf } from "../../src/server/database/databases.ts";
import type { Meter, MeterReading } from "../meter.ts";

type Cost = Pick<D1Meta, "rows_read" | "rows_written">;

const NOTHING = { calls: 0, statements: 0, rowsRead: 0, rowsWritten: 0, objectRowsWritten: 0 };
const meter: Meter = { ...NOTHING, delayMilliseconds: 0, inFlight: 0 };

// The calls of this isolate to D1 are counted and answered late, all of them: the classes of the binding are changed. In
// production D1 is a network away; here it is in the same process, so that without the delay its round trips would cost
// next to nothing.
const ofDatabase = Object.getPrototypeOf(env.DB) as D1Database;
const ofStatement = Object.getPrototypeOf(env.DB.prepare("select 1")) as D1PreparedStatement;
const { batch } = ofDatabase;
const { all, raw } = ofStatement;

function meteredAll(this: D1PreparedStatement): Promise<D1Result<Record<string, unknown>>> {
  const called = all.call(this) as Promise<D1Result<Record<string, unknown>>>;
  return roundTrip(called, ({ meta }) => [meta]);
}

Object.assign(ofDatabase, {
  batch(this: D1Database, statements: D1PreparedStatement[]) {
    return roundTrip(batch.call(this, statements), (results) => results.map(({ meta }) => meta));
  },
});
Object.assign(ofStatement, {
  all: meteredAll,
  run: meteredAll,
  // The real one gives the row without its cost.
  async first(this: D1PreparedStatement, column?: string) {
    const [row] = (await meteredAll.call(this)).results;
    return row === undefined ? null : column === undefined ? row : row[column];
  },
  // It keeps columns of one name apart, which objects cannot, and comes without a cost: the rows it gives count.
  raw(this: D1PreparedStatement) {
    return roundTrip(raw.call(this), (rows) => [{ rows_read: rows.length, rows_written: 0 }]);
  },
});

/** One delay for each round trip, after the work: it is the answer that is under way. */
async function roundTrip<T>(call: Promise<T>, costsOf: (answer: T) => readonly Cost[]): Promise<T> {
  meter.inFlight += 1;
  try {
    const answer = await call;
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
}

let isMetered = false;

/** Counts from now on what every object of this isolate writes in its own storage. */
export function meterStorage(storage: DurableObjectStorage): void {
  if (isMetered) return;
  isMetered = true;
  const ofStorage = Object.getPrototypeOf(storage) as DurableObjectStorage;
  const ofSql = Object.getPrototypeOf(storage.sql) as SqlStorage;
  const { exec } = ofSql;
  const { setAlarm } = ofStorage;
  // A statement that writes has run by the time there is a cursor.
  ofSql.exec = function (this: SqlStorage, ...args: Parameters<SqlStorage["exec"]>) {
    const cursor = exec.apply(this, args);
    meter.objectRowsWritten += cursor.rowsWritten;
    return cursor;
  } as SqlStorage["exec"];
  ofStorage.setAlarm = function (this: DurableObjectStorage, ...args) {
    meter.objectRowsWritten += 1;
    return setAlarm.apply(this, args);
  };
}

/**
 * The bench's own way in, on a socket of its own so that requests under measurement do not pass it: `GET` gives the
 * meter, `DELETE` gives it and sets its counts to 0, `PUT` takes a new delay.
 */
export class MeterControl extends WorkerEntrypoint<Env> {
  override async fetch(request: Request): Promise<Response> {
    if (request.method === "PUT") meter.delayMilliseconds = ((await request.json()) as Meter).delayMilliseconds;
    const reading: MeterReading = { ...meter, domainsWaiting: await this.#domainsWaiting() };
    if (request.method === "DELETE") Object.assign(meter, NOTHING);
    return Response.json(reading);
  }

  async #domainsWaiting(): Promise<number> {
    const names = [...databasesOf(this.env).keys()];
    const lags = await Promise.all(names.map((name) => this.env.DATABASE_WRITER.getByName(name).lag()));
    return lags.reduce((sum, { domains }) => sum + domains, 0);
  }
}
