// The Worker as it is deployed, on a metered database.
import app, { DomainObject as Coordinator } from "../../src/server/index.ts";
import { meteredEnvironment } from "./metered-environment.ts";

export { MeterControl } from "./metered-environment.ts";

/** The Durable Object as it is deployed. */
export class DomainObject extends Coordinator {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, meteredEnvironment(env));
  }
}

export default {
  fetch: (request, env, ctx) => app.fetch(request, meteredEnvironment(env), ctx),
} satisfies ExportedHandler<Env>;
