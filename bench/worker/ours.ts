// The Worker as it is deployed, on a metered database.
import app, { DomainCoordinator as Coordinator } from "../../src/index.ts";
import { meteredEnvironment } from "./metered-environment.ts";

export { MeterControl } from "./metered-environment.ts";

/** The Durable Object as it is deployed. */
export class DomainCoordinator extends Coordinator {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, meteredEnvironment(env));
  }
}

export default {
  fetch: (request, env, ctx) => app.fetch(request, meteredEnvironment(env), ctx),
} satisfies ExportedHandler<Env>;
