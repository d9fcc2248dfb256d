import { once } from "node:events";

/**
 * A workerd process's inspector, attached to one of its isolates.
 *
 * @see Chrome DevTools Protocol, domains Profiler, HeapProfiler and Runtime
 */
export class Inspector {
  readonly #socket: WebSocket;
  #next = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** @param isolate the name of a service of the process, such as `core:user:bench` */
  static async of(url: URL, isolate: string): Promise<Inspector> {
    const socket = new WebSocket(new URL(`/${isolate}`, url));
    await once(socket, "open");
    return new Inspector(socket);
  }

  /** Calls a method of the protocol. @returns its result */
  call<Result>(method: string, params: object = {}): Promise<Result> {
    const id = ++this.#next;
    return new Promise((resolve, reject) => {
      const listen = ({ data }: MessageEvent) => {
        const reply = JSON.parse(String(data)) as { id?: number; result?: unknown; error?: { message: string } };
        if (reply.id !== id) return;
        this.#socket.removeEventListener("message", listen);
        if (reply.error) reject(new Error(`${method}: ${reply.error.message}`));
        else resolve(reply.result as Result);
      };
      this.#socket.addEventListener("message", listen);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  close(): void {
    this.#socket.close();
  }
}
