import { Connection } from "../support/node/connection.ts";
import type { ModelServer } from "./server.ts";

/** The connections of one client: to the server, and to the door to its objects. Each opens with its first request. */
export type ClientConnection = Readonly<{ front: Connection; door: Connection; close(): void }>;

/** Connections of so many clients. */
export function connect({ origin, door }: ModelServer, count: number): readonly ClientConnection[] {
  return Array.from({ length: count }, () => {
    const both = { front: new Connection(origin), door: new Connection(door) };
    const close = () => {
      for (const connection of Object.values(both)) connection.close();
    };
    return { ...both, close };
  });
}
