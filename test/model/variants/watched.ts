// The server as it is deployed, and a word in the log of every rejection that nobody handled: the runtime says nothing.
// Beside it is a door to its objects for tests, on a socket of its own.
import { DomainObject as Server } from "../../../src/server/index.ts";

export { DatabaseWriter, DeviceBans, default } from "../../../src/server/index.ts";
export { Door } from "./door.ts";

addEventListener("unhandledrejection", ({ reason }) => console.error(`nobody handled a rejection: ${reason}`));

/** An object that can be told to abort itself. */
export class DomainObject extends Server {
  /** Loses the instance, in the middle of whatever it is doing. */
  lose(): void {
    this.ctx.abort("lost on purpose");
  }
}
