import { DurableObject } from "cloudflare:workers";

// The configuration binds objects of these names, which have nothing to do here.

/** It writes nothing. */
export class DatabaseWriter extends DurableObject<Env> {
  /** The changes that D1 lacks: none, for the objects keep nothing. */
  lag(): { domains: number } {
    return { domains: 0 };
  }
}

/** It bans nobody. */
export class DeviceBans extends DurableObject<Env> {}
