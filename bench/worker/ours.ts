// The Worker as it is deployed, on a metered database and metered storage.
import { DomainObject as DeployedObject } from "../../src/server/index.ts";
import { meterStorage } from "./metered.ts";

export { DatabaseWriter, DeviceBans, default } from "../../src/server/index.ts";
export { MeterControl } from "./metered.ts";

/** A domain's object as it is deployed. */
export class DomainObject extends DeployedObject {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    meterStorage(ctx.storage);
  }
}
