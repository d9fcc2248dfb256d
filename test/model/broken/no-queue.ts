// The server without queue and fence: each request is loaded, decided and committed by itself, whatever the others do.
import { DomainObject as Coordinator } from "../../../src/server/index.ts";
import { rewrittenEnvironment, withoutFence } from "./rewritten-environment.ts";
import { spread } from "./spread-coordinator.ts";

export { default } from "../../../src/server/index.ts";

/** Asks a new coordinator each time. */
export const DomainObject = spread(
  (ctx, env) => new Coordinator(ctx, rewrittenEnvironment(env, withoutFence)),
  Number.POSITIVE_INFINITY,
);
