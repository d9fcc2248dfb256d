import { type Context, Hono } from "hono";
import type { JWK } from "jose";
import type { Deregistration } from "../../domain/deregistration.ts";
import type { DomainError } from "../../domain/refusals.ts";
import type { Registration } from "../../domain/registration.ts";
import { overlay } from "../../domain/settings.ts";
import { type AuthEvidence, DEFAULT_SETTINGS, type DeviceProof } from "../../domain/types.ts";
import type { ResponseBody } from "../../openapi/response-types.ts";
import { MAX_CREDENTIALS } from "../../protocol/limits.ts";
import { isIdempotencyKey } from "../auth/device-requests.ts";
import { configOf, type DomainCreation } from "../config.ts";
import { sealDeviceName } from "../crypto/device-names.ts";
import { importSealingKey, type SealingKey, sealPrivateKeys } from "../crypto/sealed-keys.ts";
import { authEvidence } from "../http/auth-evidence.ts";
import { deviceBody } from "../http/device-bodies.ts";
import { execute } from "../http/domain-objects.ts";
import { registrationFailure } from "../http/full-domain.ts";
import { isBanned } from "../http/known-bans.ts";
import { invalidRequest, Problem } from "../http/problems.ts";
import { type AppEnv, domainName } from "../http/request-context.ts";
import { deregisterBody, registerBody } from "../http/schemas.ts";
import { knownBans } from "../http/server-wide-bans.ts";
import { addressExcess, clientAddresses, limitedByAddress } from "../middleware/rate-limit.ts";
import { span } from "../spans.ts";

/** Routes of devices: to join or renew, and to leave. */
export const devices = new Hono<AppEnv>()
  .post("/domains/:domain/register", limitedByAddress, async (c) => {
    const domain = domainName(c);
    const [{ body, proof }, auth, banned] = await Promise.all([
      deviceBody(c, registerBody),
      authEvidence(c),
      knownBans(c.env).names(),
    ]);
    const { machineGuid, afterKeyVersion, encryptionKey, deviceName } = body;
    const sealTo = encryptionKey ? await sealingKey(encryptionKey) : null;
    const sealed = sealTo !== null;
    const command: Registration = {
      type: "register",
      requestId: c.get("requestId"),
      machineGuid,
      auth,
      afterKeyVersion,
      maxCredentials: body.credentials === "newest" ? 1 : MAX_CREDENTIALS,
      proof,
      bannedEverywhere: isBanned(banned, machineGuid, proof),
      ...(deviceName === undefined ? {} : { sealedName: await sealedName(c, domain, machineGuid, deviceName) }),
      sealed,
      ...birthFor(c, auth),
      creationRefusal: CREATION_REFUSALS[configOf(c.env).domainCreation](auth),
    };
    const grant = await execute(c, domain, command, { addresses: clientAddresses(c) }).catch((error) =>
      registrationFailure(c, domain, error),
    );
    const { newMember, keyVersion, olderKeyVersions, credentials } = grant;
    const head = { domain, machineGuid, newMember, keyVersion, olderKeyVersions };
    const answer = sealTo
      ? JSON.stringify({ ...head, ...(await sealedCredentials(JSON.parse(credentials), sealTo)) })
      : `${JSON.stringify(head).slice(0, -1)},"credentials":${credentials}}`;
    return c.body(answer, newMember ? 201 : 200, { "content-type": "application/json" });
  })
  .post("/domains/:domain/deregister", async (c) => {
    const excess = await addressExcess(c);
    // A member can always leave. Over the limit, nobody else is told anything.
    return deregister(c, excess !== null).catch((error) => {
      throw excess && error instanceof Problem ? excess : error;
    });
  });

async function deregister(c: Context<AppEnv>, isOverLimit: boolean): Promise<Response> {
  const domain = domainName(c);
  const [{ body, proof }, auth] = await Promise.all([deviceBody(c, deregisterBody), authEvidence(c)]);
  const { machineGuid, preview } = body;
  const command: Deregistration = {
    type: "deregister",
    requestId: c.get("requestId"),
    machineGuid,
    auth,
    preview,
    proof,
    idempotencyKey: idempotencyKey(c, proof),
  };
  const { deregistered } = await execute(c, domain, command, { isOverLimit });
  const answer = { domain, machineGuid, preview, allowed: true, deregistered } as const;
  return c.json(answer satisfies ResponseBody<"deregistrationResponse">);
}

/** Seals the name that a device gives itself, for storage. */
function sealedName(c: Context<AppEnv>, domain: string, machineGuid: string, name: string): Promise<string> {
  return sealDeviceName(name, { domain, machineGuid }, configOf(c.env).keyEncryptionKeys);
}

/** A key to seal to. @throws Problem `INVALID_REQUEST` if nothing can be sealed to it */
async function sealingKey(jwk: SealingKey): Promise<CryptoKey> {
  const key = await importSealingKey(jwk);
  if (key) return key;
  throw invalidRequest({ field: "encryptionKey", detail: "is not a public key that can be encrypted to" });
}

/**
 * The settings that a domain is born with. One that needs a token to be made belongs to the namespace of its maker: else
 * anybody could enter it. The own domain of a token has its issuer's settings.
 */
function birthFor(c: Context<AppEnv>, auth: AuthEvidence): Pick<Registration, "birth"> {
  const { domainCreation, domainDefaults } = configOf(c.env);
  const isVerified = auth.kind === "verified";
  if (isVerified && auth.ownDomain) return {};
  const ofMaker =
    isVerified && domainCreation === "authenticated"
      ? { authenticationRequired: true, authNamespace: auth.namespace }
      : null;
  if (ofMaker === null && Object.keys(domainDefaults).length === 0) return {};
  const settings = overlay(DEFAULT_SETTINGS, { ...domainDefaults, ...ofMaker });
  return { birth: { settings, by: ofMaker ? "token" : "DOMAIN_DEFAULTS" } };
}

/** The refusal of a device whose request would create a domain, by policy. */
const CREATION_REFUSALS: Readonly<Record<DomainCreation, (auth: AuthEvidence) => DomainError | null>> = {
  open: () => null,
  authenticated: ({ kind }) => {
    if (kind === "verified") return null;
    return kind === "unavailable" ? "TEMPORARILY_UNAVAILABLE" : "DOM_AUTHENTICATION_REQUIRED";
  },
  operators: () => "DOMAIN_NOT_FOUND",
};

/** A credential as the object writes it. */
type Credential = Readonly<{ keyVersion: number; token: string; expiresAt: string; privateKey: JWK }>;

/** Credentials without their private keys, and all of these sealed to the device. */
async function sealedCredentials(credentials: readonly Credential[], sealTo: CryptoKey) {
  const privateKeys = credentials.map(({ privateKey }) => privateKey);
  return {
    credentials: credentials.map(({ keyVersion, token, expiresAt }) => ({ keyVersion, token, expiresAt })),
    sealedKeys: await span("seal keys", () => sealPrivateKeys(privateKeys, sealTo)),
  };
}

/**
 * The key under which a leave may be asked again: the header's, or the `jti` of a signed request.
 *
 * @throws Problem `INVALID_REQUEST` if it is malformed, or the two differ
 */
function idempotencyKey(c: Context<AppEnv>, proof: DeviceProof | null): string | null {
  const field = "idempotency-key";
  const header = c.req.header(field);
  if (header === undefined) return proof?.idempotencyKey ?? null;
  if (!isIdempotencyKey(header)) throw invalidRequest({ field, detail: "must be 1 to 128 visible ASCII characters" });
  if (proof && proof.idempotencyKey !== header) throw invalidRequest({ field, detail: "must equal the jti" });
  return header;
}
