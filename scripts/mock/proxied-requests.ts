import type { IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { decodeJwt } from "jose";
import type { Operation } from "./script.ts";

/** Headers of one connection, which are not passed on. */
const HOP_BY_HOP = ["connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length", "host"];

/** A request of a client, kept whole. */
export type MockRequest = Readonly<{ method: string; path: string; headers: Headers; body: Buffer<ArrayBuffer> }>;

/** A response, kept whole. */
export type MockResponse = Readonly<{ status: number; headers: Headers; body: Buffer }>;

export async function readRequest(incoming: IncomingMessage): Promise<MockRequest> {
  const headers = endToEnd(new Headers(incoming.headers as Record<string, string>));
  headers.set("accept-encoding", "identity");
  const body = Buffer.from(await buffer(incoming));
  return { method: incoming.method ?? "GET", path: incoming.url ?? "/", headers, body };
}

/** The domain that a request is about, and which of a client's operations it is; null for what is neither. */
export function targetOf({ method, path }: MockRequest): { domain: string; operation: Operation | null } | null {
  const [, domain, rest = ""] = /^\/(?:admin\/)?domains\/([^/?]+)([^?]*)/.exec(path) ?? [];
  if (domain === undefined) return null;
  const isAdministration = path.startsWith("/admin/");
  return { domain: decoded(domain), operation: isAdministration ? null : operationOf(method, rest) };
}

function operationOf(method: string, rest: string): Operation | null {
  if (method === "POST" && rest === "/register") return "register";
  if (method === "POST" && rest === "/deregister") return "deregister";
  if (method === "POST" && rest === "/rollover") return "rollover";
  if (method !== "GET") return null;
  if (rest === "/keys") return "keys";
  if (rest === "") return "domain";
  return /^\/keys\/\d+\/history$/.test(rest) ? "history" : null;
}

/** The machine GUID in a request of a device, signed or not; null if there is none. */
export function machineGuidIn({ headers, body }: MockRequest): string | null {
  try {
    const text = body.toString();
    const isSigned = headers.get("content-type")?.startsWith("application/jose") === true;
    const { machineGuid } = isSigned ? decodeJwt<{ machineGuid?: unknown }>(text) : JSON.parse(text);
    return typeof machineGuid === "string" ? machineGuid : null;
  } catch {
    return null;
  }
}

/** Sends a request on to a server. */
export async function deliver(origin: string, { method, path, headers, body }: MockRequest): Promise<MockResponse> {
  const init = { method, headers, ...(body.length > 0 ? { body } : {}) };
  const response = await fetch(`${origin}${path}`, { ...init, redirect: "manual" });
  const { status } = response;
  return { status, headers: endToEnd(response.headers), body: Buffer.from(await response.arrayBuffer()) };
}

export function send(response: ServerResponse, { status, headers, body }: MockResponse): void {
  response.writeHead(status, { ...Object.fromEntries(headers), "content-length": body.length }).end(body);
}

/** Sends the first half of a body, and ends the connection. */
export function sendHalf(response: ServerResponse, { status, headers, body }: MockResponse): void {
  response.writeHead(status, { ...Object.fromEntries(headers), "content-length": body.length });
  response.write(body.subarray(0, body.length / 2), () => response.destroy());
}

function endToEnd(headers: Headers): Headers {
  const kept = new Headers(headers);
  for (const name of HOP_BY_HOP) kept.delete(name);
  return kept;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
