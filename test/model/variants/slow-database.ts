// The server on a database that does one thing after the other and takes its time over each row, as D1 does when it
// has more to do than it can: then the database is what limits the server, and what comes on top must be refused.
import { DomainCoordinator as Coordinator } from "../../../src/index.ts";

export { default } from "../../../src/index.ts";

const CALL_MILLISECONDS = 5;
const ROW_MILLISECONDS = 2;

/** Each call waits for the ones before it, whichever object they are from. */
let last: Promise<unknown> = Promise.resolve();

function inTurn<T>(call: () => Promise<T>, rowsOf: (result: T) => number): Promise<T> {
  const turn = last.then(async () => {
    const result = await call();
    await scheduler.wait(CALL_MILLISECONDS + rowsOf(result) * ROW_MILLISECONDS);
    return result;
  });
  last = turn.catch(() => {});
  return turn;
}

/** The Durable Object on a slow database. */
export class DomainCoordinator extends Coordinator {
  constructor(ctx: DurableObjectState, env: Env) {
    const slow = {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: (statements: D1PreparedStatement[]) =>
        inTurn(
          () => env.DB.batch(statements),
          (results) => results.reduce((sum, { meta }) => sum + meta.rows_written, 0),
        ),
    };
    super(ctx, { ...env, DB: slow as unknown as D1Database });
  }
}
