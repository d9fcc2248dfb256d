import { WorkerEntrypoint } from "cloudflare:workers";
import type { Meter } from "../meter.ts";
import { meteredDatabase } from "./metered-database.ts";

const meter: Meter = { delayMilliseconds: 0, calls: 0, statements: 0, rowsRead: 0, rowsWritten: 0 };
const meteredOf = new WeakMap<object, Env>();

/** The environment with its database metered; the same object each time, because much is kept by it. */
export function meteredEnvironment(env: Env): Env {
  const known = meteredOf.get(env);
  if (known) return known;
  const metered = { ...env, DB: meteredDatabase(env.DB, meter) };
  meteredOf.set(env, metered);
  return metered;
}

/**
 * The bench's own way in, on a socket of its own so that requests under measurement do not pass it: `GET` gives the
 * meter and sets its counts to 0, `PUT` takes a new delay.
 */
export class MeterControl extends WorkerEntrypoint<Env> {
  override async fetch(request: Request): Promise<Response> {
    if (request.method === "PUT") meter.delayMilliseconds = ((await request.json()) as Meter).delayMilliseconds;
    const read = { ...meter };
    Object.assign(meter, { calls: 0, statements: 0, rowsRead: 0, rowsWritten: 0 });
    return Response.json(read);
  }
}
