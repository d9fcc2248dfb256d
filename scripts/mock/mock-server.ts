import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { HOST } from "../local-worker.ts";
import { ClockServers } from "./clock-servers.ts";
import {
  deliver,
  type MockRequest,
  type MockResponse,
  machineGuidIn,
  readRequest,
  send,
  sendHalf,
  targetOf,
} from "./proxied-requests.ts";
import { type Effect, type Operation, readScript, type Script, ScriptError, stepFor } from "./script.ts";

/** A running mock server. */
export type MockServer = Readonly<{ url: string; adminToken: string; stop(): Promise<void> }>;

/** A domain in play: its script, and what has happened so far. */
type Play = Readonly<{
  script: Script;
  counts: Map<Operation, number>;
  firsts: Map<Operation, MockResponse>;
  ready: Promise<void>;
}>;

const REFUSALS: Partial<Record<Effect, readonly [status: number, error: string, title: string]>> = {
  "429": [429, "RATE_LIMITED", "Too many requests"],
  "500": [500, "INTERNAL_ERROR", "Internal error"],
  "503": [503, "TEMPORARILY_UNAVAILABLE", "Temporarily unavailable"],
};

/** Starts the real server behind a proxy that plays the script in each domain's name. @param port 0 for any */
export async function startMockServer(port: number): Promise<MockServer> {
  const listener = createServer((incoming, response) => {
    readRequest(incoming)
      .then((request) => mock.answer(request, response))
      .catch((error) => {
        console.error(error);
        response.destroy();
      });
  });
  listener.listen(port, HOST);
  await once(listener, "listening");
  const url = `http://${HOST}:${(listener.address() as { port: number }).port}`;
  const servers = await ClockServers.build(url);
  const mock = new Mock(servers);
  await servers.origin(0);
  return {
    url,
    adminToken: servers.adminToken,
    stop: async () => {
      listener.close();
      listener.closeAllConnections();
      await servers.stop();
    },
  };
}

class Mock {
  readonly #servers: ClockServers;
  readonly #plays = new Map<string, Play>();

  constructor(servers: ClockServers) {
    this.#servers = servers;
  }

  async answer(request: MockRequest, response: ServerResponse): Promise<void> {
    const target = targetOf(request);
    if (target === null) return send(response, await deliver(await this.#servers.origin(0), request));
    try {
      const play = this.#play(target.domain);
      await play.ready;
      const origin = await this.#servers.origin(play.script.clock);
      if (target.operation === null) return send(response, await deliver(origin, request));
      await this.#act(play, { ...target, operation: target.operation, origin, request, response });
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error;
      send(response, problem(400, "INVALID_REQUEST", "Invalid request", error.message));
    }
  }

  /** A domain's play, begun if it has not been. */
  #play(domain: string): Play {
    const known = this.#plays.get(domain);
    if (known) return known;
    const script = readScript(domain);
    const play = { script, counts: new Map(), firsts: new Map(), ready: this.#prepare(domain, script) };
    this.#plays.set(domain, play);
    return play;
  }

  /** Makes the domain with the settings that its script asks for. */
  async #prepare(domain: string, { settings, clock }: Script): Promise<void> {
    if (Object.keys(settings).length > 0) await this.#administer(clock, "PUT", domain, "", settings);
  }

  async #act({ script, counts, firsts }: Play, { domain, operation, origin, request, response }: Act): Promise<void> {
    const count = (counts.get(operation) ?? 0) + 1;
    counts.set(operation, count);
    const effect = stepFor(script, operation, count)?.effect;
    const refusal = effect && REFUSALS[effect];
    if (effect === "unreached") return void response.socket?.resetAndDestroy();
    if (refusal) return send(response, problem(...refusal, "A script of the mock server asked for this."));
    if (effect) await this.#intervene(effect, domain, script.clock, request);

    const first = firsts.get(operation);
    if (effect === "replayed" && first) return send(response, first);
    if (effect === "twice") await deliver(origin, request);
    const delivered = await deliver(origin, request);
    if (!first) firsts.set(operation, delivered);
    if (effect === "lost") response.socket?.resetAndDestroy();
    else if (effect === "cut") sendHalf(response, delivered);
    else send(response, delivered);
  }

  /** Does what an operator does before a request. */
  async #intervene(effect: Effect, domain: string, clock: number, request: MockRequest): Promise<void> {
    const device = machineGuidIn(request);
    if (effect === "rollover")
      await this.#administer(clock, "POST", domain, "/rollover", { when: "next-registration" });
    if (device === null) return;
    if (effect === "evicted") await this.#administer(clock, "DELETE", domain, `/members/${device}`);
    if (effect === "banned") await this.#administer(clock, "PUT", domain, `/bans/${device}`, { reason: "mock" });
  }

  async #administer(clock: number, method: string, domain: string, path: string, body?: object): Promise<void> {
    const origin = await this.#servers.origin(clock);
    const response = await fetch(`${origin}/admin/domains/${encodeURIComponent(domain)}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#servers.adminToken}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    // A device that is no longer a member need not be removed.
    if (!response.ok && response.status !== 404) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  }
}

type Act = Readonly<{
  domain: string;
  operation: Operation;
  origin: string;
  request: MockRequest;
  response: ServerResponse;
}>;

function problem(status: number, error: string, title: string, detail: string): MockResponse {
  const headers = new Headers({ "content-type": "application/problem+json", "cache-control": "no-store" });
  if (status === 429 || status === 503) headers.set("retry-after", "1");
  return { status, headers, body: Buffer.from(JSON.stringify({ title, status, detail, error })) };
}
