// The server without its fence, and with two writers for each domain, as when an object is replaced: each has its queue.
import { DomainObject as Coordinator } from "../../../src/server/index.ts";
import { rewrittenEnvironment, withoutFence } from "./rewritten-environment.ts";
import { spread } from "./spread-coordinator.ts";

export { default } from "../../../src/server/index.ts";

/** Asks two coordinators in turn. */
export const DomainObject = spread((ctx, env) => new Coordinator(ctx, rewrittenEnvironment(env, withoutFence)), 2);
