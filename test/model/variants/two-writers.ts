// Two writers for each domain, as in ../broken/no-fence.ts, and the fence as it is. It shows what the fence is for.
import { DomainObject as Coordinator } from "../../../src/server/index.ts";
import { spread } from "../broken/spread-coordinator.ts";

export { default } from "../../../src/server/index.ts";

/** Asks two coordinators in turn. */
export const DomainObject = spread((ctx, env) => new Coordinator(ctx, env), 2);
