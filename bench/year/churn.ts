import { Connection } from "../../test/model/connection.ts";
import { memberGuid } from "../load/member-guids.ts";
import { send } from "./newcomers.ts";

/** How many devices leave at once, and how many join at once after them. */
export const AT_ONCE = 4;

/**
 * Devices that leave a domain and others that join it, without a change in the number of members. Members are those of
 * `member-guids.ts`: the oldest leave, and new ones join.
 */
export class Churn {
  readonly #domain: string;
  readonly #connections: readonly Connection[];
  #oldest = 0;
  #next: number;

  /** @param members how many members the domain has */
  constructor(origin: string, domain: string, members: number) {
    this.#domain = domain;
    this.#connections = Array.from({ length: AT_ONCE }, () => new Connection(origin));
    this.#next = members;
  }

  /** Has some devices leave, then as many join. @returns the key version after it */
  async cycle(): Promise<number> {
    await Promise.all(
      this.#connections.map((connection) =>
        send(connection, `/domains/${this.#domain}/deregister`, { machineGuid: memberGuid(this.#oldest++) }),
      ),
    );
    const responses = await Promise.all(
      this.#connections.map((connection) =>
        send(connection, `/domains/${this.#domain}/register`, {
          machineGuid: memberGuid(this.#next++),
          credentials: "newest",
        }),
      ),
    );
    return Math.max(...responses.map((body) => (JSON.parse(body) as { keyVersion: number }).keyVersion));
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}
