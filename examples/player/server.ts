import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { EPISODES, licenceFor } from "./licences.ts";

/** The server of the domains, and, if the page may switch it off and on, how. */
export type PlayerOptions = Readonly<{
  domainServer: string;
  port: number;
  switchServer?: ((on: boolean) => Promise<void>) | undefined;
}>;

/** A running player page. */
export type Player = Readonly<{ url: string; stop(): void }>;

const HOST = "127.0.0.1";
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css",
  ".js": "text/javascript",
  ".mpd": "application/dash+xml",
  ".mp4": "video/mp4",
};

/** Serves the page, the episodes and their licences, on the loopback address. */
export async function startPlayer(options: PlayerOptions): Promise<Player> {
  const files = await pageFiles();
  // Shaka Player hands ClearKey licences over as data: URLs, and films as blob: ones.
  const policy = `default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; media-src blob:; connect-src 'self' data: ${options.domainServer}`;
  const server = createServer((request, response) => {
    response.setHeader("content-security-policy", policy);
    answer(request, response, files, options).catch((error) => {
      response.writeHead(503, { "content-type": "text/plain" }).end(String(error.message));
    });
  });
  server.listen(options.port, HOST);
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://${HOST}:${port}`, stop };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  files: ReadonlyMap<string, Buffer>,
  { domainServer, switchServer }: PlayerOptions,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  const file = files.get(pathname);
  if (file) return send(request, response, file, TYPES[extname(pathname)] ?? "text/html; charset=utf-8");
  if (pathname === "/settings") {
    const settings = JSON.stringify({ domainServer, canSwitch: switchServer !== undefined });
    return send(request, response, Buffer.from(settings), "application/json");
  }
  const [, , episode = ""] = pathname.split("/");
  if (request.method === "POST" && pathname.startsWith("/licences/") && EPISODES.includes(episode)) {
    const domain = encodeURIComponent(searchParams.get("domain") ?? "");
    const licence = await licenceFor(episode, `${domainServer}/domains/${domain}`);
    return send(request, response, Buffer.from(licence), "application/jose");
  }
  if (request.method === "POST" && pathname === "/server" && switchServer) {
    await switchServer(searchParams.get("on") === "true");
    return void response.writeHead(204).end();
  }
  response.writeHead(404).end();
}

/** Sends bytes, or the range of them that was asked for (RFC 9110, section 14). */
function send({ headers }: IncomingMessage, response: ServerResponse, body: Buffer, type: string): void {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
  const common = { "content-type": type, "cache-control": "no-store", "accept-ranges": "bytes" };
  if (from === undefined) return void response.writeHead(200, common).end(body);
  const last = Math.min(to ? Number(to) : body.length - 1, body.length - 1);
  const range = { "content-range": `bytes ${from}-${last}/${body.length}` };
  response.writeHead(206, { ...common, ...range }).end(body.subarray(Number(from), last + 1));
}

/** The files of the page, by path: read once, for they are small. */
async function pageFiles(): Promise<ReadonlyMap<string, Buffer>> {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url));
  const entry = fileURLToPath(new URL("page/main.ts", import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false });
  const shaka = createRequire(import.meta.url).resolve("shaka-player");
  return new Map([
    ["/", read("page/index.html")],
    ["/style.css", read("page/style.css")],
    ["/main.js", Buffer.from(outputFiles[0]?.contents ?? [])],
    ["/shaka-player.js", readFileSync(shaka)],
    ...EPISODES.flatMap((name) => [`${name}.mpd`, `${name}.mp4`]).map(
      (name) => [`/media/${name}`, read(`media/${name}`)] as const,
    ),
  ]);
}
