import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from "jose";
import { DeviceDomainError } from "../../client/client-errors.ts";
import { pauseByClock } from "../../client/retries.ts";
import { DomainOperator } from "../../operator/index.ts";
import { type Credential, Deviation, expectReply, type Reply } from "./expectations.ts";
import { TestedDomain } from "./tested-domain.ts";

/** With what a server is reached. */
export type Access = Readonly<{
  adminToken?: string | undefined;
  authToken?: string | undefined;
  signal?: AbortSignal | undefined;
}>;

/** A request, as far as checks make any. */
export type Request = Readonly<{ method?: string; headers?: Record<string, string>; body?: string | object }>;

const TRY_MILLISECONDS = 30_000;
/** How often a request is repeated that the server is too busy for. */
const RETRIES = 3;

/** Any server, as a stranger reaches it by its public address. It remembers what it made there, and removes it. */
export class TestedServer {
  /** The address, and what the server should call itself. */
  readonly origin: string;
  readonly #access: Access;
  readonly #domains: TestedDomain[] = [];
  #isCleaningUp = false;
  readonly #shared = new Map<string, Promise<TestedDomain>>();

  /** @throws OperatorError `INVALID_SERVER_URL` */
  constructor(url: string, access: Access) {
    this.origin = new DomainOperator(url).origin;
    this.#access = access;
  }

  has(credential: Credential): boolean {
    return Boolean(credential === "admin token" ? this.#access.adminToken : this.#access.authToken);
  }

  /** Ends what is under way, but not the cleaning up after it. */
  get #signal(): AbortSignal | undefined {
    return this.#isCleaningUp ? undefined : this.#access.signal;
  }

  get authToken(): string {
    return this.#access.authToken ?? "";
  }

  /** @throws DeviceDomainError `UNREACHABLE` if nothing answers */
  async expectReachable(): Promise<void> {
    await this.ask("/health").catch((cause) => {
      this.#signal?.throwIfAborted();
      throw new DeviceDomainError("UNREACHABLE", `No answer came from ${this.origin}`, { cause });
    });
  }

  /** Sends a request; again, if the server says that it is too busy at the moment. */
  async ask(path: string, request: Request = {}): Promise<Reply> {
    for (let attempt = 0; ; attempt++) {
      const reply = await this.#try(path, request);
      const seconds = Number(reply.headers.get("retry-after") ?? Number.NaN);
      if (attempt === RETRIES || ![429, 503].includes(reply.status) || Number.isNaN(seconds)) return reply;
      await pauseByClock(Math.min(seconds, 60) * 1_000, this.#signal);
    }
  }

  /** Sends a request as an operator. */
  operate(path: string, request: Request = {}): Promise<Reply> {
    const authorization = `Bearer ${this.#access.adminToken}`;
    return this.ask(path, { ...request, headers: { ...request.headers, authorization } });
  }

  /** A domain that does not exist. @param mark something to have in its name */
  domain(mark = ""): TestedDomain {
    const domain = new TestedDomain(this, `conformance-${mark}${crypto.randomUUID()}`);
    this.#domains.push(domain);
    return domain;
  }

  /** A domain that an operator makes. */
  async domainWith(settings: object): Promise<TestedDomain> {
    const domain = this.domain();
    expectReply(await domain.configure(settings), 201);
    return domain;
  }

  /** A domain that checks share, made when it is first asked for. They add members at most. */
  shared(name: string, make: () => Promise<TestedDomain>): Promise<TestedDomain> {
    const domain = this.#shared.get(name) ?? make();
    this.#shared.set(name, domain);
    return domain;
  }

  /** The claims of a statement that the server's published keys signed. @throws Deviation */
  async stated(statement: unknown, typ: string): Promise<JWTPayload> {
    const { body } = expectReply(await this.ask("/.well-known/jwks.json"), 200);
    try {
      const options = { algorithms: ["ES256"], typ, issuer: this.origin };
      return (await jwtVerify(String(statement), createLocalJWKSet(body as JSONWebKeySet), options)).payload;
    } catch (cause) {
      throw new Deviation(`the ${typ} does not hold: ${(cause as Error).message}`, { cause });
    }
  }

  /** Removes what the checks made, as far as it can. @returns the names of domains that stay, without members */
  async cleanUp(): Promise<readonly string[]> {
    this.#isCleaningUp = true;
    const left: string[] = [];
    for (const domain of this.#domains) if (!(await domain.remove().catch(() => false))) left.push(domain.name);
    return left;
  }

  async #try(path: string, { method = "GET", headers = {}, body }: Request): Promise<Reply> {
    const limit = AbortSignal.timeout(TRY_MILLISECONDS);
    const signal = this.#signal;
    const isJson = typeof body === "object";
    const request = `${method} ${path}`;
    const response = await fetch(`${this.origin}${path}`, {
      method,
      headers: { ...(isJson ? { "content-type": "application/json" } : {}), ...headers },
      redirect: "manual",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      ...(body === undefined ? {} : { body: isJson ? JSON.stringify(body) : body }),
    }).catch((cause) => {
      signal?.throwIfAborted();
      throw new Deviation(`no response came to ${request}`, { cause });
    });
    const text = await response.text();
    return { request, status: response.status, headers: response.headers, text, body: membersOf(text) };
  }
}

function membersOf(text: string): Reply["body"] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}
