import { type Context, Hono } from "hono";
import type { DomainError } from "../../domain/errors.ts";
import type { AuthEvidence, DeviceProof } from "../../domain/types.ts";
import { AuthTokenVerifier } from "../auth/auth-tokens.ts";
import { isRequestKey } from "../auth/device-requests.ts";
import { configOf, type DomainCreation } from "../config.ts";
import { importSealingKey, type SealingKey, sealPrivateKeys } from "../crypto/sealed-keys.ts";
import { type AppEnv, domainName, isoTime, serverUrl } from "../http/context.ts";
import { deviceBody } from "../http/device-bodies.ts";
import { askCoordinator } from "../http/domain-objects.ts";
import { registrationFailure } from "../http/full-domain.ts";
import { invalidRequest } from "../http/problems.ts";
import { deregisterBody, registerBody } from "../http/schemas.ts";
import { keysInPlace } from "../middleware/key-encryption.ts";
import { clientAddress, limited } from "../middleware/rate-limit.ts";
import type { Credential } from "../object/keyring.ts";

/** What devices ask for: to join or renew, and to leave. */
export const devices = new Hono<AppEnv>()
  .post("/domains/:domain/register", limited, keysInPlace, async (c) => {
    const domain = domainName(c);
    const [{ body, proof }, auth] = await Promise.all([deviceBody(c, registerBody), authEvidence(c)]);
    const { machineGuid, afterKeyVersion, encryptionKey } = body;
    const sealTo = encryptionKey ? await sealingKey(encryptionKey) : null;
    const requestId = c.get("requestId");
    const issuer = serverUrl(c);
    const sealed = sealTo !== null;
    const creationRefusal = CREATION_REFUSALS[configOf(c.env).domainCreation](auth);
    const { newMember, keyVersion, credentials } = await askCoordinator(c.env, domain, (coordinator, repeated) =>
      coordinator.register(
        { type: "register", requestId, machineGuid, auth, afterKeyVersion, proof, sealed, creationRefusal },
        { issuer, repeated, creator: clientAddress(c) },
      ),
    ).catch((error) => registrationFailure(c, domain, { auth, proof }, error));
    return c.json(
      { domain, machineGuid, newMember, keyVersion, ...(await credentialBodies(credentials, sealTo)) },
      newMember ? 201 : 200,
    );
  })
  .post("/domains/:domain/deregister", keysInPlace, async (c) => {
    const domain = domainName(c);
    const [{ body, proof }, auth] = await Promise.all([deviceBody(c, deregisterBody), authEvidence(c)]);
    const { machineGuid, preview } = body;
    const requestKey = idempotencyKey(c, proof);
    const requestId = c.get("requestId");
    const issuer = serverUrl(c);
    const { deregistered } = await askCoordinator(c.env, domain, (coordinator, repeated) =>
      coordinator.deregister(
        { type: "deregister", requestId, machineGuid, auth, preview, proof, requestKey },
        { issuer, repeated },
      ),
    );
    return c.json({ domain, machineGuid, preview, deregistered });
  });

/** A key to seal to. @throws Problem `INVALID_REQUEST` if nothing can be sealed to it */
async function sealingKey(jwk: SealingKey): Promise<CryptoKey> {
  const key = await importSealingKey(jwk);
  if (key) return key;
  throw invalidRequest({ field: "encryptionKey", detail: "is not a public key that can be encrypted to" });
}

/** What keeps a device from creating a domain by asking for it, under each policy. */
const CREATION_REFUSALS: Readonly<Record<DomainCreation, (auth: AuthEvidence) => DomainError | null>> = {
  open: () => null,
  authenticated: ({ kind }) => {
    if (kind === "verified") return null;
    return kind === "unavailable" ? "TEMPORARILY_UNAVAILABLE" : "DOM_AUTHENTICATION_REQUIRED";
  },
  operators: () => "DOMAIN_NOT_FOUND",
};

/** The credentials with their private keys in the clear, or without them and all of them sealed. */
async function credentialBodies(credentials: readonly Credential[], sealTo: CryptoKey | null) {
  const statements = credentials.map(({ keyVersion, token, expiresAt }) => ({
    keyVersion,
    token,
    expiresAt: isoTime(expiresAt),
  }));
  const privateKeys = credentials.map(({ privateKey }) => privateKey);
  return sealTo
    ? { credentials: statements, sealedKeys: await sealPrivateKeys(privateKeys, sealTo) }
    : { credentials: statements.map((each, index) => ({ ...each, privateKey: privateKeys[index] })) };
}

/**
 * The key under which a leave may be asked again: the header's, or the `jti` of a signed request.
 *
 * @throws Problem `INVALID_REQUEST` if it is malformed, or the two differ
 */
function idempotencyKey(c: Context<AppEnv>, proof: DeviceProof | null): string | null {
  const field = "idempotency-key";
  const header = c.req.header(field);
  if (header === undefined) return proof?.requestKey ?? null;
  if (!isRequestKey(header)) throw invalidRequest({ field, detail: "must be 1 to 128 visible ASCII characters" });
  if (proof && proof.requestKey !== header) throw invalidRequest({ field, detail: "must equal the jti" });
  return header;
}

const verifiers = new WeakMap<object, AuthTokenVerifier>();

/** What the request's auth token proves. The issuers' keys are kept across the requests of an isolate. */
function authEvidence(c: Context<AppEnv>): Promise<AuthEvidence> {
  const config = configOf(c.env);
  const verifier = verifiers.get(config) ?? new AuthTokenVerifier(config.trustedIssuers);
  verifiers.set(config, verifier);
  return verifier.verify(c.req.header("authorization"));
}
