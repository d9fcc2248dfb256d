import type { CallOptions, OperatorConnection } from "./operator-connection.ts";
import { PagedList } from "./paged-list.ts";
import type { Device, DomainOfDevice, LiftedServerWideBan, NewServerWideBan, ServerWideEviction } from "./responses.ts";

/** One device in all its domains, as operators reach it. */
export class OperatedDevice {
  readonly #connection: OperatorConnection;
  readonly #path: readonly string[];

  /** @param device a `handle` from any list, or a whole machine GUID */
  constructor(connection: OperatorConnection, device: string) {
    this.#connection = connection;
    this.#path = ["admin", "devices", device];
  }

  /** Its server-wide ban, and the first of its domains. */
  overview(call: CallOptions = {}): Promise<Device> {
    return this.#connection.ask({ path: this.#path }, call);
  }

  /** The domains it is a member of, by name, as the database has them. */
  domains(call: CallOptions = {}): PagedList<DomainOfDevice> {
    return new PagedList(async (query, options) => {
      const { domains: items, nextCursor } = await this.#connection.ask<Device>({ path: this.#path, query }, options);
      return { items, nextCursor };
    }, call);
  }

  /** Removes it from its domains, as many as one request reaches: again while there are `more`. */
  evict(call: CallOptions = {}): Promise<ServerWideEviction> {
    return this.#connection.ask({ method: "DELETE", path: [...this.#path, "domains"] }, call);
  }

  /** Keeps it out of all domains. @param reason for operators to read */
  ban(reason: string, call: CallOptions = {}): Promise<NewServerWideBan> {
    const path = [...this.#path, "ban"];
    // Repeated, it does not name again the domains that the device was removed from.
    return this.#connection.ask({ method: "PUT", path, body: { reason }, repeatable: false }, call);
  }

  unban(call: CallOptions = {}): Promise<LiftedServerWideBan> {
    return this.#connection.ask({ method: "DELETE", path: [...this.#path, "ban"] }, call);
  }
}
