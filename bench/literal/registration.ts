import type { JWK } from "jose";
import { type AuthEvidence, DEFAULT_SETTINGS, type DeviceProof } from "../../src/domain/types.ts";
import type { Config } from "../../src/server/config.ts";
import { signDomainToken } from "../../src/server/crypto/domain-tokens.ts";
import { generateDomainKeyPair } from "../../src/server/crypto/key-pairs.ts";
import { unwrapPrivateKey, wrapPrivateKey } from "../../src/server/crypto/key-wrapping.ts";
import { type Answer, authenticationRefused, proofRefused, refuse } from "./answers.ts";
import type { InfoRow, KeyRow, Tables } from "./tables.ts";

/** A device asks to join, or to renew. */
export type RegisterRequest = Readonly<{
  machineGuid: string;
  afterKeyVersion: number;
  auth: AuthEvidence;
  proof: DeviceProof | null;
  sealed: boolean;
  issuer: string;
  requestId: string;
}>;

/** A domain credential; `expiresAt` in milliseconds since the Unix epoch. */
type LiteralCredential = Readonly<{ keyVersion: number; token: string; expiresAt: number; privateKey: JWK }>;

/** The credentials of a registered device. */
export type Registered = Readonly<{
  newMember: boolean;
  keyVersion: number;
  credentials: readonly LiteralCredential[];
}>;

/** The registration logic of the reference. */
export async function register(tables: Tables, config: Config, request: RegisterRequest): Promise<Answer<Registered>> {
  const { machineGuid, auth, proof, sealed, requestId } = request;
  const changes: object[] = [];

  // Step 2: look up the domain name; if there is no entry, insert one.
  let info = await tables.info();
  if (!info) {
    await tables.insertInfo();
    info = NEW_DOMAIN;
    changes.push({ type: "domain-created" });
  }

  // Steps 3 and 4: authentication, if it is required.
  const unauthenticated = authenticationRefused(info, auth);
  if (unauthenticated) return unauthenticated;

  // Step 5: is the device registered with the domain? If not, and there is room, add it.
  const member = await tables.member(machineGuid);
  const unproven = proofRefused(info, member, proof, auth);
  if (unproven) return unproven;
  if (proof) {
    const leftAt = await tables.lastSignedLeave(machineGuid);
    if (leftAt !== null && proof.signedAt < leftAt) return refuse("DEVICE_PROOF_INVALID", "signed before the leave");
    if (!sealed && (await tables.requestedAction(machineGuid, proof.idempotencyKey)) !== null) {
      return refuse("DEVICE_PROOF_INVALID", "the request was used before");
    }
  }
  const binding = { deviceKeyThumbprint: proof?.thumbprint ?? null, signedAt: proof?.signedAt ?? null };
  if (!member) {
    if (info.maxMembership !== null && info.memberCount >= info.maxMembership) {
      return refuse("DOM_LIMIT_REACHED", `${info.memberCount} of ${info.maxMembership} members`);
    }
    await tables.insertMember(machineGuid, binding);
    changes.push({ type: "device-joined", machineGuid, requestId, ...binding });
  } else if (member.deviceKeyThumbprint === null && proof) {
    await tables.bindDeviceKey(machineGuid, binding);
    changes.push({ type: "device-key-bound", machineGuid, requestId, ...binding });
  }
  if (proof && !sealed) {
    await tables.insertRequest(machineGuid, proof.idempotencyKey, "register", null);
    changes.push({ type: "request-used", machineGuid, requestId });
  }

  // Step 6: look up all the domain keys; if they need to be rolled over, make one more.
  const keys = [...(await tables.keys())];
  if (info.keyRolloverRequired) {
    const key = await newKey(tables.domain, keys.length + 1, config);
    await tables.insertKey(key);
    keys.push(key);
    changes.push({ type: "key-made", keyVersion: key.keyVersion });
  }
  if (changes.length > 0) await tables.record({ members: member ? 0 : 1, keyRolloverRequired: false }, changes);

  // For each domain key, generate a domain credential.
  const credentials = [];
  for (const key of keys) {
    if (key.keyVersion > request.afterKeyVersion) {
      credentials.push(await credential(tables.domain, key, config, request.issuer));
    }
  }
  return { granted: true, grant: { newMember: !member, keyVersion: keys.length, credentials } };
}

const NEW_DOMAIN: InfoRow = { ...DEFAULT_SETTINGS, keyRolloverRequired: true, memberCount: 0 };

async function newKey(domain: string, keyVersion: number, config: Config): Promise<KeyRow> {
  const { publicJwk, privateJwk } = await generateDomainKeyPair(keyVersion);
  return {
    keyVersion,
    publicJwk: JSON.stringify(publicJwk),
    wrappedPrivateJwk: await wrapPrivateKey(privateJwk, { domain, keyVersion }, config.keyEncryptionKeys),
  };
}

async function credential(domain: string, key: KeyRow, config: Config, issuer: string): Promise<LiteralCredential> {
  const { keyVersion, publicJwk, wrappedPrivateJwk } = key;
  const privateKey = await unwrapPrivateKey(wrappedPrivateJwk, { domain, keyVersion }, config.keyEncryptionKeys);
  const { d, ...publicHalf } = privateKey;
  if (JSON.stringify(publicHalf) !== publicJwk) throw new Error(`the halves of key ${keyVersion} do not fit`);
  const { token, expiresAt } = await signDomainToken(
    { keyVersion, publicJwk: publicHalf },
    { issuer, domain, issuedAt: Date.now(), lifetimeSeconds: config.domainTokenLifetimeSeconds },
    config.domainAuthorityKeys[0] as JWK,
  );
  return { keyVersion, token, expiresAt, privateKey };
}
