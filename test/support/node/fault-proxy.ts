import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { type Fault, pass } from "./faults.ts";

const HOST = "127.0.0.1";

/** Which line a request came by; the server never sees it. */
const LINE_HEADER = "x-line";

/** The headers that concern one connection only, or are made anew for each body. */
const NOT_PASSED_ON = ["connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length", "host"];

/** A request, kept whole so that it can be delivered at any time and any number of times. */
export type CapturedRequest = Readonly<{ method: string; path: string; headers: Headers; body: Buffer }>;

/** An answer of the server. */
export type ServerAnswer = Readonly<{ status: number; headers: Headers; body: Buffer }>;

/** A request that reached the server, and what came of it. */
export type Delivery = Readonly<{ request: CapturedRequest; answer: ServerAnswer }>;

/** A proxy on the loopback address that does to requests what networks do. */
export type FaultProxy = {
  /** Its origin. */
  url: string;
  /** A new line through it, without faults as yet. */
  line(): Line;
  stop(): Promise<void>;
};

/** Starts a proxy in front of the server at an origin, which may be started later. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const lines = new Map<string, Line>();
  const server = createServer(async (incoming, response) => {
    const request = await captured(incoming);
    const line = lines.get(String(incoming.headers[LINE_HEADER]));
    if (line) await line.take(request, response);
    else response.writeHead(400).end("A request must name the line it comes by.\n");
  });
  // Connections fail by plan alone: none is closed for having been idle just when its client uses it again.
  server.keepAliveTimeout = 600_000;
  server.listen(0, HOST);
  await once(server, "listening");
  return {
    url: `http://${HOST}:${(server.address() as { port: number }).port}`,
    line() {
      const line = new Line(String(lines.size), target);
      lines.set(line.name, line);
      return line;
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

/** One device's line to the server: its requests pass one after the other, and each meets the fault planned for it. */
export class Line {
  readonly name: string;
  /** Everything the server was sent by this line, in order. */
  readonly deliveries: Delivery[] = [];
  /** Why the server gave no answer, each time that it did not. */
  readonly breakdowns: unknown[] = [];
  /** The fate of the next request. */
  plan: () => Fault = () => pass;
  readonly #target: string;
  #late: CapturedRequest[] = [];
  #last: CapturedRequest[] = [];
  #lastTurn: Promise<void> = Promise.resolve();

  constructor(name: string, target: string) {
    this.name = name;
    this.#target = target;
  }

  /** `fetch` by this line. */
  readonly fetch: typeof fetch = (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set(LINE_HEADER, this.name);
    return fetch(input, { ...init, headers });
  };

  /** Plans the next requests, one fault each; those after them pass. */
  meet(...faults: Fault[]): void {
    this.plan = () => faults.shift() ?? pass;
  }

  /** Plans the next request, whatever was planned for it. */
  interrupt(fault: Fault): void {
    const { plan } = this;
    this.plan = () => {
      this.plan = plan;
      return fault;
    };
  }

  /** Waits until nothing is on its way any more; what was held up is delivered. */
  settle(): Promise<void> {
    return this.#inTurn(async () => {
      this.#late.push(...this.#last.splice(0));
      await this.#deliverLate();
    });
  }

  /** Takes a request that came by this line. */
  take(request: CapturedRequest, response: ServerResponse): Promise<void> {
    return this.#inTurn(async () => {
      const overtaken = this.#late.length > 0;
      try {
        await this.plan()(new Exchange(request, this, response));
      } catch (error) {
        this.breakdowns.push(error);
        response.destroy();
      }
      if (overtaken) await this.#deliverLate();
    });
  }

  /** Has a request delivered after the line's next one, or when the line is settled. */
  holdUp(request: CapturedRequest): void {
    this.#late.push(request);
  }

  /** Has a request delivered when the line is settled. */
  holdBack(request: CapturedRequest): void {
    this.#last.push(request);
  }

  async deliver(request: CapturedRequest): Promise<ServerAnswer> {
    const { method, path, headers, body } = request;
    const init = { method, headers, ...(body.length > 0 ? { body: new Uint8Array(body) } : {}) };
    const response = await fetch(`${this.#target}${path}`, { ...init, redirect: "manual" });
    const answer = {
      status: response.status,
      headers: passedOn(response.headers),
      body: Buffer.from(await response.arrayBuffer()),
    };
    this.deliveries.push({ request, answer });
    return answer;
  }

  async #deliverLate(): Promise<void> {
    const late = this.#late;
    this.#late = [];
    for (const request of late) await this.deliver(request);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#lastTurn = this.#lastTurn.then(work);
    return this.#lastTurn;
  }
}

/** One request on its way, in the hands of a fault. */
export class Exchange {
  readonly request: CapturedRequest;
  readonly line: Line;
  readonly #response: ServerResponse;

  constructor(request: CapturedRequest, line: Line, response: ServerResponse) {
    this.request = request;
    this.line = line;
    this.#response = response;
  }

  /** Sends the request to the server. */
  deliver(): Promise<ServerAnswer> {
    return this.line.deliver(this.request);
  }

  answer({ status, headers, body }: ServerAnswer): void {
    this.#writeHead(status, headers, body.length).end(body);
  }

  /** Answers with the first half of the body, and cuts the connection. */
  answerHalf({ status, headers, body }: ServerAnswer): void {
    const half = body.subarray(0, body.length / 2);
    this.#writeHead(status, headers, body.length).write(half, () => this.#response.destroy());
  }

  /** Resets the connection. */
  reset(): void {
    this.#response.socket?.resetAndDestroy();
  }

  /** Leaves the client without an answer for as long as it stays. */
  async abandoned(): Promise<void> {
    if (!this.#response.closed) await once(this.#response, "close");
  }

  #writeHead(status: number, headers: Headers, length: number): ServerResponse {
    return this.#response.writeHead(status, { ...Object.fromEntries(headers), "content-length": length });
  }
}

async function captured(incoming: IncomingMessage): Promise<CapturedRequest> {
  const headers = passedOn(new Headers(incoming.headers as Record<string, string>));
  headers.delete(LINE_HEADER);
  headers.set("accept-encoding", "identity");
  return { method: incoming.method ?? "GET", path: incoming.url ?? "/", headers, body: await buffer(incoming) };
}

function passedOn(headers: Headers): Headers {
  const kept = new Headers(headers);
  for (const name of NOT_PASSED_ON) kept.delete(name);
  return kept;
}
