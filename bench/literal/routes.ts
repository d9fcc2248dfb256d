import { type Context, Hono } from "hono";
import type { AuthEvidence } from "../../src/domain/types.ts";
import { isAdmin } from "../../src/server/auth/admin-token.ts";
import { AuthTokenVerifier } from "../../src/server/auth/auth-tokens.ts";
import { isIdempotencyKey } from "../../src/server/auth/device-requests.ts";
import { configOf } from "../../src/server/config.ts";
import { importSealingKey, sealPrivateKeys } from "../../src/server/crypto/sealed-keys.ts";
import { jsonBody } from "../../src/server/http/bodies.ts";
import { deviceBody } from "../../src/server/http/device-bodies.ts";
import { invalidRequest, Problem, refusalProblem } from "../../src/server/http/problems.ts";
import { type AppEnv, domainName, isoTime, serverUrl } from "../../src/server/http/request-context.ts";
import { deregisterBody, registerBody, settingsBody } from "../../src/server/http/schemas.ts";
import { newRequestId } from "../../src/server/request-ids.ts";
import { jwks } from "../../src/server/routes/jwks.ts";
import { errorFields, log } from "../../src/server/worker-log.ts";
import type { Answer } from "./answers.ts";
import type { DomainObject } from "./domain-object.ts";
import { reads, settingsOf } from "./reads.ts";

/** The routes of the literal Worker. */
export const app = new Hono<AppEnv>()
  .use(async (c, next) => {
    c.set("requestId", newRequestId());
    await next();
    if (!c.res.headers.has("cache-control")) c.header("cache-control", "no-store");
  })
  .post("/domains/:domain/register", async (c) => {
    const domain = domainName(c);
    const [{ body, proof }, auth] = await Promise.all([deviceBody(c, registerBody), authEvidence(c)]);
    const { machineGuid, afterKeyVersion, encryptionKey } = body;
    const sealTo = encryptionKey ? await importSealingKey(encryptionKey) : null;
    if (encryptionKey && !sealTo) {
      throw invalidRequest({ field: "encryptionKey", detail: "is not a public key that can be encrypted to" });
    }
    const { newMember, keyVersion, credentials } = granted(
      await object(c, domain).register({
        machineGuid,
        afterKeyVersion,
        auth,
        proof,
        sealed: encryptionKey !== undefined,
        issuer: serverUrl(c),
        requestId: c.get("requestId"),
      }),
    );
    const privateKeys = credentials.map(({ privateKey }) => privateKey);
    const statements = credentials.map(({ keyVersion, token, expiresAt, privateKey }) => ({
      keyVersion,
      token,
      expiresAt: isoTime(expiresAt),
      ...(encryptionKey ? {} : { privateKey }),
    }));
    return c.json(
      {
        domain,
        machineGuid,
        newMember,
        keyVersion,
        credentials: statements,
        ...(sealTo ? { sealedKeys: await sealPrivateKeys(privateKeys, sealTo) } : {}),
      },
      newMember ? 201 : 200,
    );
  })
  .post("/domains/:domain/deregister", async (c) => {
    const domain = domainName(c);
    const [{ body, proof }, auth] = await Promise.all([deviceBody(c, deregisterBody), authEvidence(c)]);
    const { machineGuid, preview } = body;
    const idempotencyKey = c.req.header("idempotency-key") ?? proof?.idempotencyKey ?? null;
    const differs = proof && proof.idempotencyKey !== idempotencyKey;
    if (idempotencyKey !== null && (!isIdempotencyKey(idempotencyKey) || differs)) {
      throw invalidRequest({ field: "idempotency-key", detail: "must be visible ASCII, and equal the jti if signed" });
    }
    const requestId = c.get("requestId");
    const { deregistered } = granted(
      await object(c, domain).deregister({ machineGuid, preview, auth, proof, idempotencyKey, requestId }),
    );
    return c.json({ domain, machineGuid, preview, allowed: true, deregistered });
  })
  .put("/admin/domains/:domain", async (c) => {
    if (!(await isAdmin(c.req.header("authorization"), configOf(c.env).adminTokens))) {
      throw new Problem("ADMIN_AUTHENTICATION_REQUIRED");
    }
    const domain = domainName(c);
    const { created } = granted(await object(c, domain).changeSettings({ patch: await jsonBody(c, settingsBody) }));
    return c.json(await settingsOf(c), created ? 201 : 200);
  })
  .route("/", reads)
  .route("/", jwks)
  .onError((error, c) => {
    const requestId = c.get("requestId");
    if (!(error instanceof Problem)) log("error", "a request failed", { requestId, ...errorFields(error) });
    const problem = error instanceof Problem ? error : new Problem("INTERNAL_ERROR");
    const { reason } = problem.details;
    if (reason !== undefined) log("info", "refused", { requestId, error: problem.problem, reason });
    return problem.response(serverUrl(c), requestId);
  });

function object(c: Context<AppEnv>, domain: string): DurableObjectStub<DomainObject> {
  // The binding's type is that of the object which is deployed.
  const namespace = c.env.DOMAIN_OBJECT as unknown as DurableObjectNamespace<DomainObject>;
  return namespace.getByName(domain);
}

function granted<Grant>(answer: Answer<Grant>): Grant {
  if (answer.granted) return answer.grant;
  throw refusalProblem(answer.refusal);
}

let verifier: AuthTokenVerifier | undefined;

function authEvidence(c: Context<AppEnv>): Promise<AuthEvidence> {
  verifier ??= new AuthTokenVerifier(configOf(c.env).trustedIssuers);
  return verifier.verify(c.req.header("authorization"));
}
