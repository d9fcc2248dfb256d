import { isDeepStrictEqual } from "node:util";
import type { TestedServer } from "./tested-server.ts";

/** Credentials that a stranger lacks, and that some rules cannot be proved without. */
export type Credential = "admin token" | "auth token";

/** One rule of the contract, and the function that holds a server to it. */
export type Check = Readonly<{
  /** Where the contract has the rule: a step of the reference logic, or a part of the protocol. */
  section: string;
  rule: string;
  needs?: readonly Credential[];
  /** @throws Deviation if the server does otherwise */
  prove: (server: TestedServer) => Promise<void>;
}>;

/** The server does otherwise than the contract says. */
export class Deviation extends Error {
  override readonly name = "Deviation";
}

/** A response with its body read. */
export type Reply = Readonly<{
  /** Which request it is to, such as "POST …/register". */
  request: string;
  status: number;
  headers: Headers;
  text: string;
  /** The body's members; none if it is not a JSON object. */
  body: Members;
}>;

// biome-ignore lint/suspicious/noExplicitAny: what another server sends may have any shape; each check asserts its own
export type Members = Readonly<Record<string, any>>;

/** @throws Deviation if two values differ */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Deviation(`${what} is ${textOf(actual)}, and not ${textOf(expected)}`);
}

/** @throws Deviation if something does not hold */
export function expectThat(holds: boolean, otherwise: string): void {
  if (!holds) throw new Deviation(otherwise);
}

/** Expects a status, and a body with at least these members. @returns the reply */
export function expectReply(reply: Reply, status: number, members: Members = {}): Reply {
  const { request, body } = reply;
  if (reply.status !== status) {
    const named = typeof body.error === "string" ? ` (${body.error})` : "";
    throw new Deviation(`the status of ${request} is ${reply.status}${named}, and not ${status}`);
  }
  for (const [name, value] of Object.entries(members)) expectEqual(`${name} of ${request}`, body[name], value);
  return reply;
}

/** Expects a problem document of an error, with its number if it has one. @see RFC 9457, section 3 */
export function expectProblem(reply: Reply, status: number, error: string, code?: number): Reply {
  const { request, headers, body } = expectReply(reply, status, { status, error, code });
  const type = headers.get("content-type")?.split(";", 1)[0];
  expectEqual(`the media type of ${request}`, type, "application/problem+json");
  for (const name of ["type", "title"]) {
    expectThat(typeof body[name] === "string" && body[name] !== "", `the problem of ${request} has no ${name}`);
  }
  return reply;
}

function textOf(value: unknown): string {
  const text = JSON.stringify(value) ?? "absent";
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
