// The server on a database that takes its time over every commit: its queue fills up.
import { DomainCoordinator as Coordinator } from "../../../src/index.ts";

export { default } from "../../../src/index.ts";

/** Less than the server waits for an answer, and longer than it takes a crowd to arrive. */
const LATE_MILLISECONDS = 6_000;

/** The Durable Object on a late database. */
export class DomainCoordinator extends Coordinator {
  constructor(ctx: DurableObjectState, env: Env) {
    const late = {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: async (statements: D1PreparedStatement[]) => {
        const results = await env.DB.batch(statements);
        await scheduler.wait(LATE_MILLISECONDS);
        return results;
      },
    };
    super(ctx, { ...env, DB: late as unknown as D1Database });
  }
}
