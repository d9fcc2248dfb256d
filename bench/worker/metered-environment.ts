import { WorkerEntrypoint } from "cloudflare:workers";
import { databasesOf } from "../../src/server/database/databases.ts";
import type { Meter, MeterReading } from "../meter.ts";
import { meteredDatabase } from "./metered-database.ts";

const NOTHING = { calls: 0, statements: 0, rowsRead: 0, rowsWritten: 0, objectRowsWritten: 0 };
const meter: Meter = { ...NOTHING, delayMilliseconds: 0, inFlight: 0 };
const meteredOf = new WeakMap<object, Env>();

/** The environment with its databases metered; the same object each time, because much is kept by it. */
export function meteredEnvironment(env: Env): Env {
  const known = meteredOf.get(env);
  if (known) return known;
  const metered = { ...env };
  for (const [name, database] of databasesOf(env)) Object.assign(metered, { [name]: meteredDatabase(database, meter) });
  meteredOf.set(env, metered);
  return metered;
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
