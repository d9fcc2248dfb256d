import type { IncomingHttpHeaders } from "node:http";

/** An answer of the server. */
export type Answer = Readonly<{ status: number; headers: IncomingHttpHeaders; body: string }>;

/** Something that was stopped: the request's body, the server's answer if it has given one, and when the page hangs up. */
export type Exchange = Readonly<{ body: string; answer?: Answer; hungUp: Promise<void> }>;

/** The fate of something that was stopped. */
export type Fate = "passed" | "lost" | Answer;

/** One request or answer that is stopped on its way, until a test says how it goes on. */
export class Hold {
  readonly #reached = Promise.withResolvers<Exchange>();
  readonly #fate = Promise.withResolvers<Fate>();

  /** Called by its carrier: waits there. */
  stop(exchange: Exchange): Promise<Fate> {
    this.#reached.resolve(exchange);
    return this.#fate.promise;
  }

  /** Settles once it is there. */
  get reached(): Promise<Exchange> {
    return this.#reached.promise;
  }

  /** Lets it pass; or, instead of the server's answer, another. */
  release(instead?: Answer): void {
    this.#fate.resolve(instead ?? "passed");
  }

  /** Closes the connection instead. */
  lose(): void {
    this.#fate.resolve("lost");
  }
}
