import type { Command } from "../../src/domain/commands.ts";

/** The deletion of a domain as its object is asked for it. */
export type DoorDeletion = Readonly<{ requestId: string; by: string }>;

/** Requests at the door to a server's objects; see `variants/door.ts`. */
export type DoorRequest =
  /** To lose the object of a domain. */
  | Readonly<{ domain: string; lose: true }>
  /** To have it carry out a command, several times at once. */
  | Readonly<{ domain: string; command: Command; context: Readonly<{ issuer: string }>; times: number }>
  /** To have it delete the domain, several times at once. */
  | Readonly<{ domain: string; deletion: DoorDeletion; times: number }>;

/** The behaviour of D1: well, slow, failing before or after the query took effect, or hanging. */
export type DatabaseMode = "well" | "slow" | "failing" | "failing-after" | "hanging";

/** Further requests at the door of a server with a faulty database. */
export type DatabaseRequest = Readonly<{ database: DatabaseMode }>;
