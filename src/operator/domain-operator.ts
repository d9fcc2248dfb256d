import { OperatedDevice } from "./operated-device.ts";
import { OperatedDomain } from "./operated-domain.ts";
import { type CallOptions, OperatorConnection, type OperatorOptions } from "./operator-connection.ts";
import { PagedList } from "./paged-list.ts";
import type {
  DeletedDomain,
  DeletionPage,
  DomainPage,
  DomainRow,
  Health,
  IdleDomainPage,
  IdleDomains,
  KeyEncryption,
  Operator,
  RewrapRun,
  ServerWideBan,
  ServerWideBanPage,
} from "./responses.ts";

/** The most domains that one request deletes. */
const MAX_DELETIONS = 100;

/** A server's administration, as one operator reaches it. Everything throws `OperatorError`, or the signal's reason. */
export class DomainOperator {
  readonly #connection: OperatorConnection;

  /**
   * @param url the server's URL, such as https://domains.example.com
   * @throws OperatorError `INVALID_SERVER_URL`
   */
  constructor(url: string | URL, options: OperatorOptions = {}) {
    this.#connection = new OperatorConnection(url, options);
  }

  /** The server's origin. */
  get origin(): string {
    return this.#connection.origin;
  }

  /** One domain, whether or not it exists. */
  domain(name: string): OperatedDomain {
    return new OperatedDomain(this.#connection, name);
  }

  /** One device in all its domains. @param device a `handle` from any list, or a whole machine GUID */
  device(device: string): OperatedDevice {
    return new OperatedDevice(this.#connection, device);
  }

  /** The devices that are kept out of all domains. */
  deviceBans(call: CallOptions = {}): PagedList<ServerWideBan> {
    return new PagedList(async (query, options) => {
      const request = { path: ["admin", "device-bans"], query };
      const { bans: items, nextCursor } = await this.#connection.ask<ServerWideBanPage>(request, options);
      return { items, nextCursor };
    }, call);
  }

  /** The domains whose names begin with a prefix, by name, as the database has them. */
  domains({ prefix, ...call }: CallOptions & { prefix?: string } = {}): PagedList<DomainRow> {
    return new PagedList(async (page, options) => {
      const request = { path: ["admin", "domains"], query: { prefix: prefix || undefined, ...page } };
      const { domains: items, nextCursor } = await this.#connection.ask<DomainPage>(request, options);
      return { items, nextCursor };
    }, call);
  }

  /** The domains that were deleted, by name. */
  deletions(call: CallOptions = {}): PagedList<DeletedDomain> {
    return new PagedList(async (query, options) => {
      const request = { path: ["admin", "deletions"], query };
      const { deletions: items, nextCursor } = await this.#connection.ask<DeletionPage>(request, options);
      return { items, nextCursor };
    }, call);
  }

  /**
   * Deletes the domains that nobody uses, a page at a time as the list is read, and names them. A dry run, the default,
   * only names them.
   */
  deleteIdleDomains(
    { dryRun = true, ...idle }: Omit<IdleDomains, "limit" | "cursor">,
    call: CallOptions = {},
  ): PagedList<string> {
    return new PagedList(
      async (page, options) => {
        const path = ["admin", "domains", "delete-idle"];
        // Repeated, it does not name again what it has deleted.
        const request = { method: "POST", path, body: { ...idle, dryRun, ...page }, repeatable: dryRun } as const;
        const { domains: items, nextCursor } = await this.#connection.ask<IdleDomainPage>(request, options);
        return { items, nextCursor };
      },
      call,
      MAX_DELETIONS,
    );
  }

  /** Who this operator is to the server, and with which scopes. */
  identity(call: CallOptions = {}): Promise<Operator> {
    return this.#connection.ask({ path: ["admin", "operator"] }, call);
  }

  /** Which key-encryption keys wrap the domain keys. */
  keyEncryption(call: CallOptions = {}): Promise<KeyEncryption> {
    return this.#connection.ask({ path: ["admin", "key-encryption"] }, call);
  }

  /** Wraps the keys of up to 200 domains with the first key-encryption key. Repeat until `done` is true. */
  rewrapKeys(call: CallOptions = {}): Promise<RewrapRun> {
    const path = ["admin", "key-encryption", "rewrap"];
    return this.#connection.ask({ method: "POST", path, repeatable: true }, call);
  }

  /** How the server is, also if it is not well. */
  health(call: CallOptions = {}): Promise<Health> {
    return this.#connection.ask({ path: ["health"], failingStatus: 503, isPublic: true }, call);
  }
}
