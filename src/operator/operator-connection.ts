import { serverOrigin } from "../client/domain-url.ts";
import { problemDocument, refusalDetails } from "../client/exchange.ts";
import { DEFAULT_RETRIES, orAborted, type Pause, pauseByClock, withRetries } from "../client/retries.ts";
import { PROBLEM_MEDIA_TYPE } from "../protocol/media-types.ts";
import { chunksOf, jsonLines } from "./json-lines.ts";
import { OperatorError, refused, unreachable, wasNotBegun } from "./operator-errors.ts";

/** How a server is reached. */
export type OperatorOptions = Readonly<{
  /** The credential. Left out, or empty, where something in front of the server adds one. */
  token?: string | undefined;
  fetch?: typeof fetch | undefined;
  /** Ends everything that is under way. */
  signal?: AbortSignal | undefined;
  /** How often a request that failed in a way that may pass is repeated; 4 times if left out. */
  retries?: number | undefined;
  /** How the time between two tries is passed. */
  pause?: Pause | undefined;
  /** Told of each error before it is thrown. */
  onError?: ((error: OperatorError) => void) | undefined;
}>;

/** How one call is made. */
export type CallOptions = Readonly<{ signal?: AbortSignal | undefined }>;

/** A request of an operator. */
export type OperatorRequest = Readonly<{
  method?: "GET" | "PUT" | "PATCH" | "POST" | "DELETE";
  /** The segments of its path. */
  path: readonly string[];
  query?: Readonly<Record<string, string | number | undefined>>;
  body?: unknown;
  /** Whether it is refused if there already is what it names. */
  isNew?: boolean;
  /** Whether it may be carried out twice, and answers the second time as the first. */
  repeatable?: boolean;
  /** A status that is no refusal, although it is not below 300, unless a problem document comes with it. */
  failingStatus?: number;
  /** Whether anybody may ask that: then no credential is sent. */
  isPublic?: boolean;
}>;

/** How long a server may take over one response: a copy of a large domain takes some seconds. */
const TRY_MILLISECONDS = 60_000;

/** The server as one operator reaches it: requests, repeated where that is safe. */
export class OperatorConnection {
  /** The server's origin, the `iss` of what it signs. */
  readonly origin: string;
  readonly #options: OperatorOptions;
  readonly #fetch: typeof fetch;

  /** @throws OperatorError `INVALID_SERVER_URL` */
  constructor(url: string | URL, options: OperatorOptions) {
    this.origin = originOf(url);
    this.#options = options;
    // Called as a method of anything but the global object, a browser's fetch throws.
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
  }

  /** The response's JSON. @throws OperatorError, or the signal's reason */
  ask<Answer>(request: OperatorRequest, call: CallOptions = {}): Promise<Answer> {
    return this.#send(request, this.#signalOf(call), async (response) => JSON.parse(await response.text()) as Answer);
  }

  /** The lines of the response, as JSON. One that breaks off is not repeated. @throws OperatorError, or the signal's reason */
  async *lines<Line>(request: OperatorRequest, call: CallOptions = {}): AsyncGenerator<Line> {
    const signal = this.#signalOf(call);
    const body = await this.#send(request, signal, async (response) => response.body);
    try {
      if (body) yield* jsonLines<Line>(chunksOf(body));
    } catch (error) {
      signal?.throwIfAborted();
      throw unreachable(this.origin, error);
    }
  }

  async #send<T>(
    request: OperatorRequest,
    signal: AbortSignal | undefined,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const { retries = DEFAULT_RETRIES, pause = pauseByClock } = this.#options;
    const { method = "GET", repeatable = ["GET", "PUT", "PATCH"].includes(method) } = request;
    const mayPass = (error: unknown) =>
      error instanceof OperatorError && error.retryable && (repeatable || wasNotBegun(error));
    try {
      return await withRetries({ retries, pause, mayPass }, signal, () => this.#try(request, signal, read));
    } catch (error) {
      if (error instanceof OperatorError) this.#options.onError?.(error);
      throw error;
    }
  }

  async #try<T>(
    request: OperatorRequest,
    signal: AbortSignal | undefined,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    // A body that is read bit by bit may take longer than the response.
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), TRY_MILLISECONDS);
    const either = signal ? AbortSignal.any([signal, limit.signal]) : limit.signal;
    try {
      const response = await orAborted(this.#fetch(this.#urlOf(request), this.#initOf(request, either)), either);
      const isProblem = response.headers.get("content-type") === PROBLEM_MEDIA_TYPE;
      if (response.ok || (response.status === request.failingStatus && !isProblem)) {
        return await orAborted(read(response), either);
      }
      const problem = problemDocument(await orAborted(response.text(), either));
      throw refused(refusalDetails(response, problem), problem);
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof OperatorError ? error : unreachable(this.origin, error);
    } finally {
      clearTimeout(timer);
    }
  }

  #urlOf({ path, query = {} }: OperatorRequest): string {
    const given = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]],
    );
    return `${this.origin}${pathOf(path)}${given.length === 0 ? "" : `?${new URLSearchParams(given)}`}`;
  }

  #initOf(
    { method = "GET", body, isNew = false, isPublic = false }: OperatorRequest,
    signal: AbortSignal,
  ): RequestInit {
    const { token = "" } = this.#options;
    return {
      method,
      headers: {
        accept: "application/json",
        ...(token === "" || isPublic ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(isNew ? { "if-none-match": "*" } : {}),
      },
      // A server that redirects must not get the credential.
      redirect: "manual",
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
  }

  #signalOf({ signal }: CallOptions): AbortSignal | undefined {
    const { signal: whole } = this.#options;
    return signal && whole ? AbortSignal.any([signal, whole]) : (signal ?? whole);
  }
}

/** A path of these segments, each of which stays one. @throws OperatorError `INVALID_REQUEST` */
function pathOf(segments: readonly string[]): string {
  const lost = segments.find((segment) => /^\.{0,2}$/.test(segment));
  if (lost !== undefined) throw new OperatorError("INVALID_REQUEST", { title: `"${lost}" names nothing` });
  return segments.map((segment) => `/${encodeURIComponent(segment)}`).join("");
}

function originOf(url: string | URL): string {
  try {
    return serverOrigin(url);
  } catch (cause) {
    throw new OperatorError("INVALID_SERVER_URL", { title: (cause as Error).message }, { cause });
  }
}
