import { expect } from "vitest";
import { type Answer, type ApiDocument, Contract, type Operation } from "./contract.ts";

/** A request for an operation. */
export type Request = {
  path?: Record<string, string>;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  type?: string;
  body?: unknown;
};

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape, and assert what they find
export type Reply = Answer & { body: any };

/** The machine GUID of the device that most requests are about. */
export const GUID = "6f1c7a52-9f0e-4b0b-8a3e-0d6f2c9b1a77";

/** Sends requests to a server, and checks each response against the server's own description. */
export class ContractClient {
  readonly contract: Contract;
  /** Every kind of response so far: operation, status, error. */
  readonly had = new Set<string>();
  /** The `type` of every problem so far. */
  readonly problemTypes = new Set<string>();
  readonly #server: Readonly<{ url: string; adminToken: string }>;
  #domains = 0;

  private constructor(server: Readonly<{ url: string; adminToken: string }>, document: ApiDocument) {
    this.#server = server;
    this.contract = new Contract(document);
  }

  /** A client of a server, with the description that the server itself has. */
  static async of(server: Readonly<{ url: string; adminToken: string }>): Promise<ContractClient> {
    const response = await fetch(`${server.url}/openapi.json`);
    expect(response.headers.get("content-type")).toContain("application/json");
    return new ContractClient(server, (await response.json()) as ApiDocument);
  }

  /** Sends a request, and checks the response; `method` sends it by another than the operation's own. */
  async ask(operation: Operation, request: Request, method = operation.method): Promise<Reply> {
    const { type = "application/json", headers = {}, query = {} } = request;
    const body = method === "GET" ? undefined : request.body;
    const response = await fetch(this.urlOf(operation.id, request.path, query), {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": type }), ...headers },
      body: body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body),
    });
    const answer = { status: response.status, headers: response.headers, text: await response.text() };
    const { contract } = this;
    expect(contract.violations(operation, answer), `${operation.id} ${answer.status} ${answer.text}`).toEqual([]);
    const isJson =
      answer.headers.get("content-type")?.includes("json") && !answer.headers.get("content-type")?.includes("jsonl");
    const json = isJson ? JSON.parse(answer.text) : null;
    if (json?.error) {
      expect(json.status).toBe(answer.status);
      expect(new URL(json.type).origin).toBe(this.#server.url);
      this.problemTypes.add(json.type);
    }
    if (response.ok && operation.requestBody) {
      expect(contract.requestViolations(operation, type, body)).toEqual([]);
    }
    if (response.ok) expect(contract.queryViolations(operation, query)).toEqual([]);
    this.had.add(kind(operation, answer.status, json?.error ?? null));
    return { ...answer, body: json };
  }

  /** Sends a request, and expects this status and, of a problem, this error. @returns the response's body */
  async expectAnswer(status: number, error: string | null, id: string, request: Request): Promise<unknown> {
    const { body, ...answer } = await this.ask(this.contract.operation(id), request);
    expect({ id, status: answer.status, error: body?.error ?? null }).toEqual({ id, status, error });
    return body;
  }

  /** Expects a response that has an entity tag, and 304 to the same request with that tag. @returns its body */
  async expectRevalidated(id: string, request: Request): Promise<unknown> {
    const operation = this.contract.operation(id);
    for (const last of [false, true]) {
      const { status, headers, body } = await this.ask(operation, request);
      expect(status).toBe(200);
      const known = { ...request, headers: { ...request.headers, "if-none-match": headers.get("etag") ?? "" } };
      const again = await this.ask(operation, known);
      // A tag that is renewed each minute, or each day, may change once in between.
      if (again.status === 304) return body;
      expect(last).toBe(false);
    }
    return undefined;
  }

  /** The URL of an operation. */
  urlOf(id: string, path: Record<string, string> = {}, query: Record<string, string> = {}): string {
    const filled = this.contract
      .operation(id)
      .path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] as string));
    const search = new URLSearchParams(query).toString();
    return `${this.#server.url}${filled}${search === "" ? "" : `?${search}`}`;
  }

  /** Whether the document says that an operation may fail so. */
  promises(operation: Operation, error: string): boolean {
    return this.contract.promises().some((each) => each.operation.id === operation.id && each.error === error);
  }

  /** The same request, of an operator. */
  admin(request: Request): Request {
    return { ...request, headers: { ...request.headers, ...bearer(this.#server.adminToken) } };
  }

  /** The name of a domain that does not exist. */
  newDomain(): string {
    return `domain-${++this.#domains}`;
  }

  /** A new domain, which exists. */
  async createdDomain(settings: object = {}): Promise<string> {
    const domain = this.newDomain();
    const request = this.admin({ path: { domain }, body: settings });
    await this.expectAnswer(201, null, "replaceSettings", request);
    return domain;
  }

  /** A new domain with one member. */
  async newMemberDomain(): Promise<string> {
    const domain = await this.createdDomain();
    await this.expectAnswer(201, null, "register", { path: { domain }, body: { machineGuid: GUID } });
    return domain;
  }

  /** A new domain with one member and this many keys. */
  async newDomainOfKeys(count: number): Promise<string> {
    const domain = await this.newMemberDomain();
    for (let version = 2; version <= count; version++) await this.rollOver(domain);
    return domain;
  }

  /** Has a new key made. */
  rollOver(domain: string): Promise<unknown> {
    return this.expectAnswer(200, null, "rollOver", this.admin({ path: { domain }, body: { when: "now" } }));
  }
}

/** A kind of response. */
export function kind({ id }: Operation, status: number, error: string | null): string {
  return `${id} ${status} ${error ?? ""}`.trim();
}

/** The header of a bearer token. */
export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}
