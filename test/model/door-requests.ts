import type { Command } from "../../src/domain/commands.ts";

/** The deletion of a domain as its object is asked for it. */
export type DoorDeletion = Readonly<{ requestId: string; by: string }>;

/** What the door to a server's objects is asked for; see `variants/door.ts`. */
export type DoorRequest =
  /** To lose the object of a domain. */
  | Readonly<{ domain: string; lose: true }>
  /** To have it carry out a command, several times at once. */
  | Readonly<{ domain: string; command: Command; context: Readonly<{ issuer: string }>; times: number }>
  /** To have it delete the domain, several times at once. */
  | Readonly<{ domain: string; deletion: DoorDeletion; times: number }>;

/** What D1 does with a query: is well, takes its time, fails before or after it did everything, or never answers. */
export type DatabaseMode = "well" | "slow" | "failing" | "failing-after" | "hanging";

/** What the door of a server with a faulty database is asked for besides. */
export type DatabaseRequest = Readonly<{ database: DatabaseMode }>;
