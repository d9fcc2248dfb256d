import { calculateJwkThumbprint, compactDecrypt, type JWK, type JWTVerifyGetKey } from "jose";
import { JWK_SET_CONTENT_TYPE } from "../protocol/media-types.ts";
import { DeviceDomainError } from "./client-errors.ts";
import { importPrivateKey, isPair, isSameKey, privateMembers, usableKey } from "./device-keys.ts";
import type { StoredCredential, StoredKey } from "./device-state.ts";
import { checkDomainToken, type DomainTokenClaims, type TokenExpectations } from "./domain-tokens.ts";

/** Credentials as a response has them: tokens in the open, private keys in an Encrypted JWK Set. */
export type SealedCredentials = Readonly<{
  credentials: readonly Readonly<{ keyVersion: number; token: string }>[];
  sealedKeys: string;
}>;

/** The expectations of credentials. */
export type CredentialContext = Readonly<{
  authorityKeys: JWTVerifyGetKey;
  expectations: TokenExpectations;
  /** Whether the store keeps `CryptoKey`s. */
  keepsCryptoKeys: boolean;
}>;

/** The only way this client has anything opened: a server cannot talk it into another. */
export const SEALING = {
  keyManagementAlgorithms: ["ECDH-ES+A256KW"],
  contentEncryptionAlgorithms: ["A256GCM"],
};

/** Whether a response has credentials, as far as its shape goes. */
export function hasSealedCredentials(body: object): body is SealedCredentials {
  const { credentials, sealedKeys } = body as Partial<SealedCredentials>;
  return (
    typeof sealedKeys === "string" &&
    Array.isArray(credentials) &&
    credentials.every((each) => Number.isSafeInteger(each?.keyVersion) && typeof each.token === "string")
  );
}

/**
 * Opens and checks credentials: each has a token of the authority, and the private key of the public key in it.
 *
 * @param opener the private key that they are sealed to
 * @throws DeviceDomainError `UNTRUSTED_ANSWER`, or `UNREACHABLE` if the authority's keys cannot be had
 */
export async function checkCredentials(
  { credentials, sealedKeys }: SealedCredentials,
  opener: StoredKey,
  context: CredentialContext,
): Promise<readonly StoredCredential[]> {
  const privateKeys = await openSealedKeys(sealedKeys, opener);
  if (privateKeys.length !== credentials.length) throw untrusted("there is not one private key for each token");
  return Promise.all(credentials.map((credential) => checkCredential(credential, privateKeys, context)));
}

async function checkCredential(
  { keyVersion, token }: SealedCredentials["credentials"][number],
  privateKeys: readonly JWK[],
  context: CredentialContext,
): Promise<StoredCredential> {
  const name = `the credential of key version ${keyVersion}`;
  const claims = await checkToken(token, context);
  if (claims.key_version !== keyVersion) throw untrusted(`${name} has the token of another`);
  const publicJwk = claims.cnf.jwk;
  const kid = await calculateJwkThumbprint(publicJwk);
  const privateJwk = privateKeys.find((key) => key.kid === kid);
  if (!privateJwk || !isSameKey(privateJwk, publicJwk)) throw untrusted(`${name} has a private key of another`);
  const privateKey = await importPrivateKey(privateJwk, "deriveBits").catch(() => null);
  const fits = privateKey !== null && (await isPair(privateKey, publicJwk).catch(() => false));
  if (!fits) throw untrusted(`${name} has a private key that does not fit`);
  return {
    keyVersion,
    kid,
    token,
    expiresAt: claims.exp * 1000,
    privateKey: context.keepsCryptoKeys ? privateKey : privateMembers(privateJwk),
  };
}

async function checkToken(token: string, context: CredentialContext): Promise<DomainTokenClaims> {
  try {
    return await checkDomainToken(token, context.authorityKeys, context.expectations);
  } catch (error) {
    if (error instanceof DeviceDomainError && error.error === "UNREACHABLE") throw error;
    throw untrusted(error instanceof Error ? error.message : String(error), error);
  }
}

/** @see RFC 7517, JSON Web Key (JWK), section 7, and RFC 7518, JSON Web Algorithms (JWA), section 4.6 */
async function openSealedKeys(sealedKeys: string, opener: StoredKey): Promise<readonly JWK[]> {
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(
      sealedKeys,
      await usableKey(opener, "deriveBits"),
      SEALING,
    );
    if (protectedHeader.cty !== JWK_SET_CONTENT_TYPE) throw new Error(`cty is not ${JWK_SET_CONTENT_TYPE}`);
    const { keys } = JSON.parse(new TextDecoder().decode(plaintext)) as { keys: JWK[] };
    return [...keys];
  } catch (cause) {
    throw untrusted("the sealed keys do not open", cause);
  }
}

/** A response that does not hold up. */
export function untrusted(problem: string, cause?: unknown): DeviceDomainError {
  return new DeviceDomainError("UNTRUSTED_ANSWER", `The server's answer is refused: ${problem}`, { cause });
}
