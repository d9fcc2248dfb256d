// The literal Worker: the reference logic written step by step, to measure against. It speaks the same wire contract
// and takes from src/ what both need alike: reading and checking requests, writing problems, the cryptography. What it does
// not take is what is under measurement: the object with its storage, and the copy.
import { DurableObject } from "cloudflare:workers";
import { app } from "./routes.ts";

export { DomainObject } from "./domain-object.ts";

/** It writes nothing: the configuration binds an object of this name. */
export class DatabaseWriter extends DurableObject<Env> {
  /** How far D1 is behind the objects, which keep nothing. */
  lag(): { domains: number } {
    return { domains: 0 };
  }
}

/** It bans nobody: the configuration binds an object of this name. */
export class DeviceBans extends DurableObject<Env> {}

export default app;
