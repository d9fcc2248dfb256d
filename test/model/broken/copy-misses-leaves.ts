// The server with a copy that keeps the devices that left.
import { DatabaseWriter as Server } from "../../../src/server/index.ts";

export { DeviceBans, DomainObject, Door, default } from "../variants/watched.ts";

/** Forgets which members to remove. */
export class DatabaseWriter extends Server {
  override write(...[change]: Parameters<Server["write"]>) {
    return super.write({ ...change, removed: { ...change.removed, members: [] } });
  }
}
