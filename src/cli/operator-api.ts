import { createInterface } from "node:readline";
import { Readable } from "node:stream";

/** The server did not answer an operator's question. */
export class OperatorApiError extends Error {
  override readonly name = "OperatorApiError";
}

/** Asks a server as an operator of one of its domains. */
export class OperatorApi {
  readonly #origin: string;
  readonly #domain: string;
  readonly #token: string;
  readonly #signal: AbortSignal | undefined;

  /** @param domainUrl as devices know it: https://host/domains/NAME */
  constructor(domainUrl: string, token: string, signal?: AbortSignal) {
    const { origin, pathname } = new URL(domainUrl);
    this.#origin = origin;
    this.#domain = pathname.slice("/domains/".length);
    this.#token = token;
    this.#signal = signal;
  }

  /** The server's origin, the `iss` of what it signs. */
  get origin(): string {
    return this.#origin;
  }

  /** The answer to a question about the domain. @throws OperatorApiError */
  async get<Answer>(path = ""): Promise<Answer> {
    return (await this.#ask(path)).json() as Promise<Answer>;
  }

  /** All rows of a paged list. @throws OperatorApiError */
  async *list<Row>(path: string, name: string): AsyncGenerator<Row> {
    for (let cursor: string | null = ""; cursor !== null; ) {
      const query: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const answer: Record<string, unknown> = await this.get(`${path}?limit=200${query}`);
      yield* answer[name] as Row[];
      cursor = answer.nextCursor as string | null;
    }
  }

  /** The lines of an answer, as JSON. @throws OperatorApiError */
  async *lines<Line>(path: string): AsyncGenerator<Line> {
    const { body } = await this.#ask(path);
    if (!body) return;
    yield* jsonLines<Line>(Readable.fromWeb(body as import("node:stream/web").ReadableStream));
  }

  async #ask(path: string): Promise<Response> {
    const headers = { authorization: `Bearer ${this.#token}` };
    const url = `${this.#origin}/admin/domains/${this.#domain}${path}`;
    const response = await fetch(url, { headers, redirect: "error", signal: this.#signal ?? null }).catch((cause) => {
      throw new OperatorApiError(`${this.#origin} cannot be reached`, { cause });
    });
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as { title?: string };
    throw new OperatorApiError(`the server refused with ${response.status}: ${problem.title ?? "no reason given"}`);
  }
}

/** The lines of a stream, as JSON. */
export async function* jsonLines<Line>(stream: NodeJS.ReadableStream): AsyncGenerator<Line> {
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line !== "") yield JSON.parse(line) as Line;
  }
}
