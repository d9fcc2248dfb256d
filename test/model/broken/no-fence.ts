// The server without its fence, and with two writers for each domain, as when an object is replaced: each has its queue.
import { DomainCoordinator as Coordinator } from "../../../src/index.ts";
import { rewrittenEnvironment, withoutFence } from "./rewritten-environment.ts";
import { spread } from "./spread-coordinator.ts";

export { default } from "../../../src/index.ts";

/** Asks two coordinators in turn. */
export const DomainCoordinator = spread((ctx, env) => new Coordinator(ctx, rewrittenEnvironment(env, withoutFence)), 2);
