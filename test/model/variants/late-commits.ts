// The server on a database that takes its time over every commit: its queue fills up.
import { onDelayedDatabase } from "./delayed-database.ts";

export { default } from "../../../src/server/index.ts";

/** Less than the server waits for an answer, and longer than it takes a crowd to arrive. */
const LATE_MILLISECONDS = 6_000;

/** The Durable Object on a late database. */
export const DomainObject = onDelayedDatabase(async (run) => {
  const results = await run();
  await scheduler.wait(LATE_MILLISECONDS);
  return results;
});
