import type { Context } from "hono";
import type { AuthEvidence } from "../../domain/types.ts";
import { AuthTokenVerifier } from "../auth/auth-tokens.ts";
import { configOf } from "../config.ts";
import { span } from "../spans.ts";
import type { AppEnv } from "./request-context.ts";

const verifiers = new WeakMap<object, AuthTokenVerifier>();

/** The evidence of the request's auth token. The issuers' keys are kept across the requests of an isolate. */
export function authEvidence(c: Context<AppEnv>): Promise<AuthEvidence> {
  const config = configOf(c.env);
  const verifier = verifiers.get(config) ?? new AuthTokenVerifier(config.trustedIssuers);
  verifiers.set(config, verifier);
  const authorization = c.req.header("authorization");
  const verify = () => verifier.verify(authorization);
  return authorization === undefined ? verify() : span("verify token", verify);
}
