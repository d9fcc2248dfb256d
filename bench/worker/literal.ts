// The literal Worker on a metered database.
import literal, { DomainObject as LiteralDomain } from "../literal/index.ts";
import { meteredEnvironment } from "./metered-environment.ts";

export { DatabaseWriter, DeviceBans } from "../literal/index.ts";
export { MeterControl } from "./metered-environment.ts";

/** The literal Worker's Durable Object. */
export class DomainObject extends LiteralDomain {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, meteredEnvironment(env));
  }
}

export default {
  fetch: (request, env, ctx) => literal.fetch(request, meteredEnvironment(env), ctx),
} satisfies ExportedHandler<Env>;
