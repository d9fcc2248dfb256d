// The server on a database that does one thing after the other and takes its time over each row, as D1 does when it
// has more to do than it can: then the database is what limits the server, and what comes on top must be refused.
import { onDelayedDatabase } from "./delayed-database.ts";

export { default } from "../../../src/server/index.ts";

const CALL_MILLISECONDS = 5;
const ROW_MILLISECONDS = 2;

/** Each call waits for the ones before it, whichever object they are from. */
let last: Promise<unknown> = Promise.resolve();

/** The Durable Object on a slow database. */
export const DomainObject = onDelayedDatabase((run) => {
  const turn = last.then(async () => {
    const results = await run();
    const rows = results.reduce((sum, { meta }) => sum + meta.rows_written, 0);
    await scheduler.wait(CALL_MILLISECONDS + rows * ROW_MILLISECONDS);
    return results;
  });
  last = turn.catch(() => {});
  return turn;
});
