// The server without queue and fence: each request is loaded, decided and committed by itself, whatever the others do.
import { DomainCoordinator as Coordinator } from "../../../src/index.ts";
import { rewrittenEnvironment, withoutFence } from "./rewritten-environment.ts";
import { spread } from "./spread-coordinator.ts";

export { default } from "../../../src/index.ts";

/** Asks a new coordinator each time. */
export const DomainCoordinator = spread(
  (ctx, env) => new Coordinator(ctx, rewrittenEnvironment(env, withoutFence)),
  Number.POSITIVE_INFINITY,
);
