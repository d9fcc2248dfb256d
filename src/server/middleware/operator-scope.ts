import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { OperatorVerifier } from "../auth/operators.ts";
import type { Scope } from "../auth/scopes.ts";
import { type Config, configOf } from "../config.ts";
import { Problem } from "../http/problems.ts";
import type { AppEnv } from "../http/request-context.ts";

/** Lets nobody past without an operator's credential, whatever they asked for. */
export const requireOperator = createMiddleware<AppEnv>(async (c, next) => {
  const evidence = await operatorOf(c);
  if (evidence.kind === "unavailable") throw new Problem("TEMPORARILY_UNAVAILABLE", { reason: evidence.reason });
  if (evidence.kind === "invalid") throw new Problem("ADMIN_AUTHENTICATION_REQUIRED", { reason: evidence.reason });
  c.set("operator", evidence.operator);
  await next();
});

/**
 * Lets operators past who may do this.
 *
 * @see RFC 6750, The OAuth 2.0 Authorization Framework: Bearer Token Usage, section 3.1
 */
export function may(scope: Scope) {
  return createMiddleware<AppEnv>(async (c, next) => {
    if (c.get("operator").scopes.includes(scope)) return next();
    throw new Problem("ADMIN_SCOPE_REQUIRED", {
      detail: `This needs the scope ${scope}.`,
      headers: { "www-authenticate": `Bearer error="insufficient_scope", scope="${scope}"` },
    });
  });
}

/** Whether the request shows the credential of an operator who may look. */
export async function mayLook(c: Context<AppEnv>): Promise<boolean> {
  const evidence = await operatorOf(c);
  return evidence.kind === "verified" && evidence.operator.scopes.includes("domains:read");
}

const verifiers = new WeakMap<Config, OperatorVerifier>();

/** Who asks, as an operator. The issuers' keys are kept across the requests of an isolate. */
function operatorOf(c: Context<AppEnv>) {
  const config = configOf(c.env);
  const verifier = verifiers.get(config) ?? new OperatorVerifier(config);
  verifiers.set(config, verifier);
  return verifier.verify({
    authorization: c.req.header("authorization"),
    accessAssertion: c.req.header("cf-access-jwt-assertion"),
  });
}
