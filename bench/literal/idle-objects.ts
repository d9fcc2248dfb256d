import { DurableObject } from "cloudflare:workers";

// The configuration binds objects of these names, which have nothing to do here.

/** It writes nothing. */
export class DatabaseWriter extends DurableObject<Env> {
  /** How far D1 is behind the objects, which keep nothing. */
  lag(): { domains: number } {
    return { domains: 0 };
  }
}

/** It bans nobody. */
export class DeviceBans extends DurableObject<Env> {}
