import { calculateJwkThumbprint, type JWK, type JWTVerifyGetKey } from "jose";
import { DeviceDomainError } from "../client/client-errors.ts";
import { publicMembers } from "../client/device-keys.ts";
import { checkStatement, isStatedKey } from "../client/domain-tokens.ts";
import { KEY_STATEMENT_TYPE } from "../protocol/token-types.ts";
import { CLOCK_TOLERANCE_SECONDS } from "./clock-tolerance.ts";
import type { SeenRevision } from "./revision-store.ts";

/** The key to encrypt to: an EC P-256 public key, its thumbprint and its version. */
export type CurrentKey = Readonly<{ jwk: JWK; kid: string; keyVersion: number }>;

/** A statement that holds: the state it is of, and the key to encrypt to, null while a rollover is due. */
type CheckedStatement = Readonly<{ seen: SeenRevision; key: CurrentKey | null }>;

/**
 * Checks the signed statement of a domain's current key.
 *
 * @throws DeviceDomainError `UNTRUSTED_ANSWER`; `UNREACHABLE` if the authority's keys cannot be had
 */
export async function checkKeyStatement(
  statement: string,
  domain: string,
  issuer: string | undefined,
  keys: JWTVerifyGetKey,
): Promise<CheckedStatement> {
  const expectations = { issuer, domain, now: Date.now(), tolerance: CLOCK_TOLERANCE_SECONDS };
  const claims = await checkStatement(
    statement,
    KEY_STATEMENT_TYPE,
    ["revision", "key_version"],
    keys,
    expectations,
  ).catch((error) => {
    if (error instanceof DeviceDomainError && error.error === "UNREACHABLE") throw error;
    throw untrusted(error.message, error);
  });
  const { revision, epoch = 0, key_version: keyVersion } = claims as Readonly<Record<string, unknown>>;
  if (!Number.isSafeInteger(revision) || !Number.isSafeInteger(epoch)) throw untrusted("its statement has no revision");
  const seen = { epoch: epoch as number, revision: revision as number };
  if (keyVersion === null) return { seen, key: null };
  const jwk = publicMembers((claims.cnf as { jwk?: JWK } | undefined)?.jwk ?? {});
  if (!isStatedKey(claims) || !(await isUsable(jwk))) throw untrusted("its statement has no key that can be used");
  return { seen, key: { jwk, kid: await calculateJwkThumbprint(jwk), keyVersion: keyVersion as number } };
}

async function isUsable(key: JWK): Promise<boolean> {
  return crypto.subtle.importKey("jwk", key as JsonWebKey, { name: "ECDH", namedCurve: "P-256" }, false, []).then(
    () => true,
    () => false,
  );
}

/** A key set that is not to be believed. */
export function untrusted(problem: string, cause?: unknown): DeviceDomainError {
  return new DeviceDomainError("UNTRUSTED_ANSWER", `The domain's key set is refused: ${problem}`, { cause });
}
