import type { Context } from "hono";
import { domainNameProblem } from "../../domain/names.ts";
import { isLoopback } from "../../protocol/loopback.ts";
import type { Operator } from "../auth/operators.ts";
import { configOf } from "../config.ts";
import { invalidRequest, Problem } from "./problems.ts";

/** Variables of a request's context: its id, its caller's trace if it names one; the operator under `/admin` alone. */
export type AppEnv = {
  Bindings: Env;
  Variables: { requestId: string; traceId: string | undefined; operator: Operator };
};

/**
 * The public origin of this server: as configured, or else as a request to this very machine has it. Anywhere else, the sender
 * of a request would choose by its `Host` what tokens say they are from, and what devices sign for.
 *
 * @throws Problem `TEMPORARILY_UNAVAILABLE` if nobody configured it
 */
export function serverUrl(c: Context<AppEnv>): string {
  const configured = configOf(c.env).serverUrl;
  if (configured !== null) return configured;
  const { origin, hostname } = new URL(c.req.url);
  if (isLoopback(hostname)) return origin;
  throw new Problem("TEMPORARILY_UNAVAILABLE", { reason: "DOMAIN_SERVER_URL is not set: npm run deploy asks for it" });
}

/**
 * The domain name in a request's path, percent-decoded once.
 *
 * @throws Problem `INVALID_REQUEST` that says which rule the name breaks
 */
export function domainName(c: Context<AppEnv>): string {
  const domain = c.req.param("domain") ?? "";
  const problem = domainNameProblem(domain);
  if (problem) throw invalidRequest({ field: "domain", detail: problem });
  return domain;
}

/** Milliseconds since the Unix epoch as the contract writes times: ISO 8601 in UTC. */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
