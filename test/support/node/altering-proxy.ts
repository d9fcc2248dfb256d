import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";

const HOST = "127.0.0.1";
/** The headers that concern one connection only, or are made anew for each body. */
const NOT_PASSED_ON = ["connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length", "host"];

/** A response on its way, for an alteration to change. */
type AlterableResponse = {
  status: number;
  headers: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of every shape are altered
  body: any;
};

/** Changes a response. @param request such as "POST /domains/den/register" */
export type Alteration = (response: AlterableResponse, request: string) => unknown;

/** A proxy on the loopback address that makes a deviating server of a right one. */
export type AlteringProxy = {
  url: string;
  /** The server behind it, an origin. */
  target: string;
  /** Applied to each response that has a JSON body. */
  alter: Alteration;
  /** The headers of requests that the server never sees. */
  dropped: readonly string[];
  stop(): Promise<void>;
};

export async function startAlteringProxy(): Promise<AlteringProxy> {
  const server = createServer(async (incoming, outgoing) => {
    const { status, headers, body } = await passedOn(incoming, proxy).catch((error) => {
      return { status: 502, headers: {} as Record<string, string>, body: String(error) };
    });
    outgoing.writeHead(status, headers).end(body);
  });
  server.listen(0, HOST);
  await once(server, "listening");
  const proxy: AlteringProxy = {
    url: `http://${HOST}:${(server.address() as { port: number }).port}`,
    target: "",
    alter: () => {},
    dropped: [],
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  return proxy;
}

async function passedOn(incoming: IncomingMessage, { target, alter, dropped }: AlteringProxy) {
  const { method = "GET", url = "/" } = incoming;
  const sent = await buffer(incoming);
  const response = await fetch(`${target}${url}`, {
    method,
    headers: kept(Object.entries(incoming.headers) as [string, string][], dropped),
    redirect: "manual",
    ...(sent.length > 0 ? { body: new Uint8Array(sent) } : {}),
  });
  const text = await response.text();
  const altered = { status: response.status, headers: kept(response.headers), body: parsed(text) };
  if (typeof altered.body === "object") alter(altered, `${method} ${url}`);
  const body = typeof altered.body === "object" ? JSON.stringify(altered.body) : text;
  return { ...altered, body: altered.status === 304 ? "" : body };
}

function kept(headers: Iterable<[string, string]>, dropped: readonly string[] = []): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => ![...NOT_PASSED_ON, ...dropped].includes(name)));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
