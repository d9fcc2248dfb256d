import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { mintToken, newTestIssuers } from "../issuers.ts";
import { startServer, type TestServer } from "../node/server.ts";
import { type Answer, Hold } from "./hold.ts";

const HOST = "127.0.0.1";
const PAGE =
  '<!doctype html><meta charset="utf-8"><title>A device</title><script type="module" src="/page.js"></script>';

/** One origin, as a browser wants it: the page with the library, and behind the same address the real server. */
export type Site = {
  url: string;
  adminToken: string;
  /** A token of an operator who may do this and nothing else, such as `domains:read`. */
  operatorToken(scope: string): Promise<string>;
  /** Stops the next request for a path on its way to the server, or the answer to it on its way back. */
  hold(path: string, what: "request" | "answer"): Hold;
  /** Has the server end, and start again on what it kept, with other secrets. */
  restart(change: (secretsFile: string) => void): Promise<void>;
  stop(): Promise<void>;
};

/** Starts the real server, and in front of it the site that browsers see. */
export async function startSite(): Promise<Site> {
  const holds: { path: string; what: "request" | "answer"; hold: Hold }[] = [];
  const holdOf = (path: string, what: "request" | "answer") => {
    const index = holds.findIndex((each) => each.path === path && each.what === what);
    return index === -1 ? null : (holds.splice(index, 1)[0]?.hold ?? null);
  };
  const files = await pageFiles();
  const issuers = await newTestIssuers();
  const dir = mkdtempSync(join(tmpdir(), "site-"));
  let server: TestServer | undefined;
  /** The bodies of requests that were lost: a device signs each try anew, so that the same again is Chromium's doing. */
  const lost = new Set<string>();

  const front = createServer((incoming, response) => {
    // Over a connection that was used before, Chromium repeats a request by itself: each gets its own. It does so over
    // one that it opened ahead, too; hence `lost`.
    response.setHeader("connection", "close");
    const file = files.get(incoming.url ?? "");
    const served = file ? response.writeHead(200, file.headers).end(file.body) : forward(incoming, response);
    Promise.resolve(served).catch((error) => response.writeHead(500).end(String(error)));
  });

  async function forward(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = incoming.url ?? "";
    const body = await buffer(incoming);
    const hungUp = new Promise<void>((resolve) => response.once("close", resolve));
    const exchange = { body: body.toString(), hungUp };
    const lose = () => {
      lost.add(exchange.body);
      response.destroy();
    };
    if (lost.has(exchange.body) || (await holdOf(path, "request")?.stop(exchange)) === "lost") return lose();
    const answer = await ask((server as TestServer).url, incoming, body);
    const fate = (await holdOf(path, "answer")?.stop({ ...exchange, answer })) ?? "passed";
    if (fate === "lost") return lose();
    const { status, headers, body: text } = fate === "passed" ? answer : fate;
    response.writeHead(status, { ...headers, connection: "close" }).end(text);
  }

  const stop = async () => {
    front.close();
    front.closeAllConnections();
    await server?.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  front.listen(0, HOST);
  await once(front, "listening");
  const url = `http://${HOST}:${(front.address() as AddressInfo).port}`;
  const start = () =>
    startServer({ dir, vars: { DOMAIN_SERVER_URL: url, TRUSTED_ISSUERS: JSON.stringify(issuers.trusted) } });
  try {
    server = await start();
  } catch (error) {
    await stop();
    throw error;
  }
  const hold: Site["hold"] = (path, what) => {
    const held = new Hold();
    holds.push({ path, what, hold: held });
    return held;
  };
  const restart: Site["restart"] = async (change) => {
    await server?.stop();
    change(join(dir, "secrets.env"));
    server = await start();
  };
  const operatorToken = (scope: string) => mintToken("office", issuers.keys.office, { claims: { scope } });
  return { url, adminToken: server.adminToken, operatorToken, hold, restart, stop };
}

type File = { headers: Record<string, string>; body: string };

/** The page and its script: the library, bundled as a web application would do it. */
async function pageFiles(): Promise<Map<string, File>> {
  const entry = fileURLToPath(new URL("page.ts", import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false });
  const headers = {
    "content-type": "text/html",
    // As strict as can be: the library must live with it.
    "content-security-policy": "default-src 'none'; script-src 'self'; connect-src 'self'",
  };
  return new Map([
    ["/", { headers, body: PAGE }],
    ["/page.js", { headers: { "content-type": "text/javascript" }, body: outputFiles[0]?.text ?? "" }],
  ]);
}

/** Asks the server what the page asked. */
function ask(origin: string, { url, method, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
  // Uncompressed, so that a test can read what is held.
  const { host, connection, "accept-encoding": coding, ...passed } = headers;
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(url ?? "/", origin), { method: method ?? "GET", headers: passed }, (answer) => {
      buffer(answer).then((text) => {
        resolve({ status: answer.statusCode ?? 0, headers: withoutHops(answer.headers), body: text.toString() });
      }, reject);
    });
    outgoing.on("error", reject).end(body);
  });
}

/** The headers that are meant for the client, and hold for a body that is sent in one piece. */
function withoutHops({
  connection,
  "keep-alive": keepAlive,
  "transfer-encoding": coding,
  ...headers
}: IncomingHttpHeaders) {
  return headers;
}
