// The server that forgets, with the commit of a leave, that a rollover is due.
import { DomainObject as Coordinator } from "../../../src/server/index.ts";
import { rewrittenEnvironment } from "./rewritten-environment.ts";

export { default } from "../../../src/server/index.ts";

const forgetful = (sql: string) => sql.replace(/("key_rollover_required" = )\?(?=,| where)/, "$1(? and 0)");

/** The Durable Object on a forgetful database. */
export class DomainObject extends Coordinator {
  constructor(ctx: DurableObjectState, env: Env) {
    super(
      ctx,
      rewrittenEnvironment(env, (sql) => (sql.startsWith("update") ? forgetful(sql) : sql)),
    );
  }
}
