import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** An answer as it came: its headers by lower-case name. */
export type RawAnswer = Readonly<{ status: number; headers: Readonly<Record<string, string>>; body: string }>;

/** The connection ended before the answer was there: nobody knows what became of the request. */
export class ConnectionLostError extends Error {
  override readonly name = "ConnectionLostError";
}

/**
 * One kept connection that carries one request at a time, byte for byte as it is given: a test may want to send what no
 * HTTP library would, and many thousands of them a second.
 */
export class Connection {
  readonly #host: string;
  readonly #port: number;
  #socket: Socket | null = null;
  #received: Buffer = Buffer.alloc(0);
  #waiting: { resolve: (answer: RawAnswer) => void; reject: (error: Error) => void; isHead: boolean } | null = null;

  constructor(origin: string) {
    const { hostname, port } = new URL(origin);
    this.#host = hostname;
    this.#port = Number(port);
  }

  /**
   * Sends a request with JSON or nothing in it.
   *
   * @throws ConnectionLostError
   */
  ask(method: string, path: string, headers: Readonly<Record<string, string>> = {}, body?: string): Promise<RawAnswer> {
    const all: Record<string, string> = {
      host: `${this.#host}:${this.#port}`,
      ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    return this.send(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body ?? ""}`);
  }

  /**
   * Sends these bytes, which must be one request.
   *
   * @throws ConnectionLostError
   */
  async send(request: string | Buffer): Promise<RawAnswer> {
    const socket = this.#socket ?? (await this.#open());
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject, isHead: request.slice(0, 5).toString() === "HEAD " };
      socket.write(request);
    });
  }

  /** Opens it ahead of its first request. */
  async open(): Promise<void> {
    await this.#open();
  }

  /** Ends it. It opens again with the next request. */
  close(): void {
    this.#socket?.destroy();
  }

  async #open(): Promise<Socket> {
    const socket = connect(this.#port, this.#host).setNoDelay(true);
    try {
      await once(socket, "connect");
    } catch (error) {
      throw new ConnectionLostError("the server cannot be reached", { cause: error });
    }
    this.#socket = socket;
    this.#received = Buffer.alloc(0);
    socket.on("data", (bytes) => this.#take(bytes));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#socket = null;
      this.#waiting?.reject(new ConnectionLostError("the connection ended before the answer was there"));
      this.#waiting = null;
    });
    return socket;
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    const waiting = this.#waiting;
    const parsed = waiting && parse(this.#received, waiting.isHead);
    if (!waiting || !parsed) return;
    this.#received = this.#received.subarray(parsed.end);
    this.#waiting = null;
    if (parsed.answer.headers.connection === "close") {
      this.#socket?.destroy();
      this.#socket = null;
    }
    waiting.resolve(parsed.answer);
  }
}

/** The answer at the beginning of what was received, and where it ends; null while some of it is missing. */
function parse(received: Buffer, isHead: boolean): { answer: RawAnswer; end: number } | null {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const [statusLine = "", ...lines] = received.toString("latin1", 0, headEnd).split("\r\n");
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const status = Number(statusLine.split(" ")[1]);
  const start = headEnd + 4;
  if (isHead || status === 204 || status === 304) return { answer: { status, headers, body: "" }, end: start };
  const body = headers["transfer-encoding"] === "chunked" ? chunks(received, start) : plain(received, start, headers);
  return body && { answer: { status, headers, body: body.text }, end: body.end };
}

function plain(received: Buffer, start: number, headers: Record<string, string>): { text: string; end: number } | null {
  const end = start + Number(headers["content-length"] ?? 0);
  return received.length < end ? null : { text: received.toString("utf8", start, end), end };
}

function chunks(received: Buffer, start: number): { text: string; end: number } | null {
  const parts: Buffer[] = [];
  for (let at = start; ; ) {
    const lineEnd = received.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(received.toString("latin1", at, lineEnd), 16);
    const chunkEnd = lineEnd + 2 + size;
    if (received.length < chunkEnd + 2) return null;
    if (size === 0) return { text: Buffer.concat(parts).toString("utf8"), end: chunkEnd + 2 };
    parts.push(received.subarray(lineEnd + 2, chunkEnd));
    at = chunkEnd + 2;
  }
}
