// The Worker as it is deployed, on a metered database and metered storage.
import app, { DomainObject as DeployedObject, DatabaseWriter as DeployedWriter } from "../../src/server/index.ts";
import { meteredEnvironment, meterStorage } from "./metered-environment.ts";

export { DeviceBans } from "../../src/server/index.ts";
export { MeterControl } from "./metered-environment.ts";

/** A domain's object as it is deployed. */
export class DomainObject extends DeployedObject {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, meteredEnvironment(env));
    meterStorage(ctx.storage);
  }
}

/** The database writer as it is deployed. */
export class DatabaseWriter extends DeployedWriter {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, meteredEnvironment(env));
  }
}

export default {
  fetch: (request, env, ctx) => app.fetch(request, meteredEnvironment(env), ctx),
} satisfies ExportedHandler<Env>;
