import { type Context, Hono } from "hono";
import { AuthTokenVerifier } from "../../auth/auth-tokens.ts";
import { configOf } from "../../config.ts";
import type { Credential } from "../../coordinator/keyring.ts";
import type { AuthEvidence } from "../../domain/types.ts";
import { jsonBody } from "../bodies.ts";
import { type AppEnv, domainName, isoTime, serverUrl } from "../context.ts";
import { askCoordinator } from "../coordinator-client.ts";
import { deregisterBody, registerBody } from "../schemas.ts";

/** What devices ask for: to join or renew, and to leave. */
export const devices = new Hono<AppEnv>()
  .post("/domains/:domain/register", async (c) => {
    const domain = domainName(c);
    const { machineGuid, afterKeyVersion } = await jsonBody(c, registerBody);
    const auth = await authEvidence(c);
    const requestId = c.get("requestId");
    const issuer = serverUrl(c);
    const { newMember, keyVersion, credentials } = await askCoordinator(c.env, domain, (coordinator, repeated) =>
      coordinator.register({ type: "register", requestId, machineGuid, auth, afterKeyVersion }, { issuer, repeated }),
    );
    return c.json(
      { domain, machineGuid, newMember, keyVersion, credentials: credentials.map(credentialBody) },
      newMember ? 201 : 200,
    );
  })
  .post("/domains/:domain/deregister", async (c) => {
    const domain = domainName(c);
    const { machineGuid, preview } = await jsonBody(c, deregisterBody);
    const auth = await authEvidence(c);
    const requestId = c.get("requestId");
    const issuer = serverUrl(c);
    const { deregistered } = await askCoordinator(c.env, domain, (coordinator, repeated) =>
      coordinator.deregister({ type: "deregister", requestId, machineGuid, auth, preview }, { issuer, repeated }),
    );
    return c.json({ domain, machineGuid, preview, deregistered });
  });

function credentialBody({ keyVersion, token, expiresAt, privateKey }: Credential) {
  return { keyVersion, token, expiresAt: isoTime(expiresAt), privateKey };
}

const verifiers = new WeakMap<object, AuthTokenVerifier>();

/** What the request's auth token proves. The issuers' keys are kept across the requests of an isolate. */
function authEvidence(c: Context<AppEnv>): Promise<AuthEvidence> {
  const config = configOf(c.env);
  const verifier = verifiers.get(config) ?? new AuthTokenVerifier(config.trustedIssuers);
  verifiers.set(config, verifier);
  return verifier.verify(c.req.header("authorization"));
}
