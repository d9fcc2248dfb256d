// Two writers for each domain, as in ../broken/no-fence.ts, and the fence as it is. It shows what the fence is for.
import { DomainCoordinator as Coordinator } from "../../../src/index.ts";
import { spread } from "../broken/spread-coordinator.ts";

export { default } from "../../../src/index.ts";

/** Asks two coordinators in turn. */
export const DomainCoordinator = spread((ctx, env) => new Coordinator(ctx, env), 2);
