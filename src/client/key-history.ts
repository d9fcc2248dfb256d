import { decodeProtectedHeader } from "jose";
import { MAX_CREDENTIALS } from "../protocol/limits.ts";
import type { StoredCredential } from "./device-state.ts";
import {
  type CredentialContext,
  checkCredentials,
  hasSealedCredentials,
  type SealedCredentials,
  untrusted,
} from "./sealed-credentials.ts";

/**
 * The URL of the page of a domain's history that holds a key version. Pages begin at multiples of 100, so that devices
 * share what is cached.
 *
 * @param domainUrl the domain's URL
 * @param opener the key version that the page is sealed to, above `keyVersion`
 */
export function historyUrl(domainUrl: string, opener: number, keyVersion: number): string {
  const before = Math.min(opener, Math.ceil(keyVersion / MAX_CREDENTIALS) * MAX_CREDENTIALS + 1);
  return `${domainUrl}/keys/${opener}/history?before=${before}`;
}

/**
 * Checks a page of the history.
 *
 * @param opener the credential whose key it is sealed to
 * @returns null if it is sealed to another key than the device holds of that version
 * @throws DeviceDomainError `UNTRUSTED_ANSWER`, or `UNREACHABLE` if the authority's keys cannot be had
 */
export async function checkHistory(
  body: unknown,
  domain: string,
  opener: StoredCredential,
  context: CredentialContext,
): Promise<readonly StoredCredential[] | null> {
  const page = body as (SealedCredentials & { domain: unknown; keyVersion: unknown }) | null;
  const isPage = typeof page === "object" && page !== null && hasSealedCredentials(page);
  if (!isPage || page.domain !== domain || page.keyVersion !== opener.keyVersion) {
    throw untrusted("it is not the history that was asked for");
  }
  if (page.credentials.some(({ keyVersion }) => keyVersion >= opener.keyVersion)) {
    throw untrusted("its keys are not older than the one they are sealed to");
  }
  if (kidOf(page.sealedKeys) !== opener.kid) return null;
  return checkCredentials(page, opener.privateKey, context);
}

function kidOf(sealedKeys: string): unknown {
  try {
    return decodeProtectedHeader(sealedKeys).kid;
  } catch (cause) {
    throw untrusted("its sealed keys are not a JWE", cause);
  }
}
