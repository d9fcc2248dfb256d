import { DomainObject as Coordinator } from "../../../src/server/index.ts";

/** What a database does with a batch: `run` is the batch itself. */
export type Delay = (run: () => Promise<D1Result[]>) => Promise<D1Result[]>;

/** The Durable Object on a database that takes its time over every batch, and so over every commit. */
export function onDelayedDatabase(delay: Delay) {
  return class extends Coordinator {
    constructor(ctx: DurableObjectState, env: Env) {
      const delayed = {
        prepare: (sql: string) => env.DB.prepare(sql),
        batch: (statements: D1PreparedStatement[]) => delay(() => env.DB.batch(statements)),
      };
      super(ctx, { ...env, DB: delayed as unknown as D1Database });
    }
  };
}
