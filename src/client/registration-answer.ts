import { compactDecrypt, decodeJwt, type JWK, type JWTVerifyGetKey } from "jose";
import { JWK_SET_CONTENT_TYPE } from "../protocol/media-types.ts";
import { importPrivateKey, isPair, isSameKey, privateMembers, usableKey } from "./device-keys.ts";
import type { StoredCredential, StoredKey } from "./device-state.ts";
import { checkDomainToken, type DomainTokenClaims, type TokenExpectations } from "./domain-tokens.ts";
import { domainKeyId } from "./domain-url.ts";
import { DeviceDomainError } from "./errors.ts";

/** What a registration was to bring, and what its answer is checked with. */
export type RegistrationContext = Readonly<{
  domain: string;
  machineGuid: string;
  /** The highest key version that was not asked for. */
  afterKeyVersion: number;
  held: readonly StoredCredential[];
  sealingKey: StoredKey;
  authorityKeys: JWTVerifyGetKey;
  expectations: TokenExpectations;
  /** Whether the store keeps `CryptoKey`s. */
  keepsCryptoKeys: boolean;
}>;

/** A registration that holds up: all credentials that the device has from now on. */
export type CheckedRegistration = Readonly<{
  newMember: boolean;
  keyVersion: number;
  credentials: readonly StoredCredential[];
}>;

/**
 * Checks a registration's answer in every part before anything of it is kept.
 *
 * @throws DeviceDomainError `UNTRUSTED_ANSWER`, or `UNREACHABLE` if the authority's keys cannot be had
 */
export async function checkRegistration(body: unknown, context: RegistrationContext): Promise<CheckedRegistration> {
  const { domain, afterKeyVersion, held } = context;
  const { newMember, keyVersion, credentials, sealedKeys } = answerFor(body, context);
  // It brings the newest, without a gap. Where they begin above what was asked for, the ones before are retired.
  const before = keyVersion - credentials.length;
  const dense = credentials.every((credential, index) => credential.keyVersion === before + 1 + index);
  const retired = credentials.length > 0 && before > afterKeyVersion;
  const begins = retired || before === afterKeyVersion;
  if (!dense || !begins || keyVersion < (held.at(-1)?.keyVersion ?? 0))
    throw untrusted("its key versions have gaps or go back");
  const kept = held
    .filter((credential) => credential.keyVersion <= before)
    .map((credential) => (retired ? { ...credential, retired } : credential));

  const privateKeys = await openSealedKeys(sealedKeys, context.sealingKey);
  if (privateKeys.length !== credentials.length) throw untrusted("there is not one private key for each token");
  const checked = await Promise.all(
    credentials.map((credential) => {
      const kid = domainKeyId(domain, credential.keyVersion);
      return checkCredential(
        credential,
        privateKeys.find((key) => key.kid === kid),
        context,
      );
    }),
  );
  return { newMember, keyVersion, credentials: [...kept, ...checked] };
}

/** A registration's answer as far as it can be read, which must be this device's. @throws DeviceDomainError `UNTRUSTED_ANSWER` */
export function answerFor(
  body: unknown,
  { domain, machineGuid }: Pick<RegistrationContext, "domain" | "machineGuid">,
): RegistrationAnswer {
  const answer = readAnswer(body);
  if (answer.domain !== domain || answer.machineGuid !== machineGuid) throw untrusted("it is for another device");
  return answer;
}

async function checkCredential(
  { keyVersion, token }: ListedCredential,
  privateJwk: JWK | undefined,
  context: RegistrationContext,
): Promise<StoredCredential> {
  const name = `the credential of key version ${keyVersion}`;
  const claims = await checkToken(token, context);
  if (claims.key_version !== keyVersion) throw untrusted(`${name} has the token of another`);
  const publicJwk = claims.cnf.jwk;
  const before = context.held.find((credential) => credential.keyVersion === keyVersion);
  if (before && !isSameKey(publicJwk, decodeJwt<DomainTokenClaims>(before.token).cnf.jwk)) {
    throw untrusted(`${name} has another key than it used to`);
  }
  if (!privateJwk || !isSameKey(privateJwk, publicJwk)) throw untrusted(`${name} has a private key of another`);
  const privateKey = await importPrivateKey(privateJwk, "deriveBits").catch(() => null);
  const fits = privateKey !== null && (await isPair(privateKey, publicJwk).catch(() => false));
  if (!fits) throw untrusted(`${name} has a private key that does not fit`);
  return {
    keyVersion,
    token,
    expiresAt: claims.exp * 1000,
    privateKey: context.keepsCryptoKeys ? privateKey : privateMembers(privateJwk),
  };
}

async function checkToken(token: string, context: RegistrationContext): Promise<DomainTokenClaims> {
  try {
    return await checkDomainToken(token, context.authorityKeys, context.expectations);
  } catch (error) {
    const { error: name, message } = error as DeviceDomainError;
    throw name === "INVALID_DOMAIN_TOKEN" ? untrusted(message, error) : error;
  }
}

/** @see RFC 7517, JSON Web Key (JWK), section 7, and RFC 7518, JSON Web Algorithms (JWA), section 4.6 */
async function openSealedKeys(sealedKeys: string, sealingKey: StoredKey): Promise<JWK[]> {
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(
      sealedKeys,
      await usableKey(sealingKey, "deriveBits"),
      SEALING,
    );
    if (protectedHeader.cty !== JWK_SET_CONTENT_TYPE) throw new Error(`cty is not ${JWK_SET_CONTENT_TYPE}`);
    const { keys } = JSON.parse(new TextDecoder().decode(plaintext)) as { keys: JWK[] };
    return [...keys];
  } catch (cause) {
    throw untrusted("the sealed keys do not open", cause);
  }
}

/** The only way this client has anything opened: a server cannot talk it into another. */
export const SEALING = {
  keyManagementAlgorithms: ["ECDH-ES+A256KW"],
  contentEncryptionAlgorithms: ["A256GCM"],
};

type ListedCredential = { keyVersion: number; token: string };

type RegistrationAnswer = {
  domain: string;
  machineGuid: string;
  newMember: boolean;
  keyVersion: number;
  credentials: ListedCredential[];
  sealedKeys: string;
};

function readAnswer(body: unknown): RegistrationAnswer {
  const answer = body as RegistrationAnswer | null;
  const wellFormed =
    typeof answer === "object" &&
    answer !== null &&
    typeof answer.newMember === "boolean" &&
    Number.isSafeInteger(answer.keyVersion) &&
    typeof answer.sealedKeys === "string" &&
    Array.isArray(answer.credentials) &&
    answer.credentials.every((each) => Number.isSafeInteger(each?.keyVersion) && typeof each.token === "string");
  if (!wellFormed) throw untrusted("it is not what a registration is answered with");
  return answer;
}

/** An answer that does not hold up. */
export function untrusted(problem: string, cause?: unknown): DeviceDomainError {
  return new DeviceDomainError("UNTRUSTED_ANSWER", `The server's answer is refused: ${problem}`, { cause });
}
