import type { Context } from "hono";
import { domainNameProblem } from "../../domain/names.ts";
import type { Operator } from "../auth/operators.ts";
import { configOf } from "../config.ts";
import { invalidRequest } from "./problems.ts";

/** What routes find in a request's context; the operator under `/admin` alone. */
export type AppEnv = { Bindings: Env; Variables: { requestId: string; operator: Operator } };

/** The public origin of this server: as configured, or else as the request has it. */
export function serverUrl(c: Context<AppEnv>): string {
  return configOf(c.env).serverUrl ?? new URL(c.req.url).origin;
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
