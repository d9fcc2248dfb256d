import { CompactEncrypt, type JWK } from "jose";
import { publicMembers } from "../client/device-keys.ts";
import { type DomainAddress, domainAddress, domainKeyId } from "../client/domain-url.ts";
import { DeviceDomainError } from "../client/errors.ts";
import { type ClientRequest, exchange } from "../client/exchange.ts";
import { DEFAULT_RETRIES, type Pause, pauseByClock, retryDelay, withRetries } from "../client/retries.ts";

/** How a secret is encrypted to a domain. */
export type EncryptionOptions = Readonly<{
  /** While the newest key may be in the hands of a device that left: refuse (the default), or wait for the next key. */
  whenRolloverDue?: "refuse" | "wait" | undefined;
  /** How long to wait for the next key, in milliseconds; a minute if left out. */
  waitMilliseconds?: number | undefined;
  /** The admin token, for a licence server that may have the domain make its next key at once. */
  requestRollover?: Readonly<{ adminToken: string }> | undefined;
  fetch?: typeof fetch | undefined;
  signal?: AbortSignal | undefined;
  /** How often a request that failed in a way that may pass is repeated; 4 times if left out. */
  retries?: number | undefined;
  /** How the time between two tries is passed. */
  pause?: Pause | undefined;
}>;

const WAIT_MILLISECONDS = 60_000;

/**
 * Encrypts a secret to all members of a domain, present and future, and to nobody who left: with the domain's current
 * key only.
 *
 * @param url the domain's URL, such as `https://host/domains/den`
 * @param secret bytes, or a text that is encrypted as UTF-8
 * @returns a compact JWE, ECDH-ES+A256KW and A256GCM, with `kid` `{domain}/{keyVersion}`
 * @throws DeviceDomainError `ROLLOVER_DUE` while there is no current key, `INVALID_DOMAIN_URL`, `UNTRUSTED_ANSWER` or
 *   `UNREACHABLE`; DomainServerError such as `DOMAIN_NOT_FOUND`
 * @see RFC 7516, JSON Web Encryption (JWE), section 3.1; RFC 7518, JSON Web Algorithms (JWA), section 4.6
 */
export async function encryptToDomain(
  url: string | URL,
  secret: Uint8Array | string,
  options: EncryptionOptions = {},
): Promise<string> {
  const key = await currentKey(domainAddress(url), options);
  const bytes = typeof secret === "string" ? new TextEncoder().encode(secret) : secret;
  return new CompactEncrypt(bytes)
    .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM", kid: key.kid as string })
    .encrypt(key);
}

/** The domain's current public key, once there is one. */
async function currentKey(address: DomainAddress, options: EncryptionOptions): Promise<JWK> {
  const { whenRolloverDue = "refuse", retries = DEFAULT_RETRIES, pause = pauseByClock, signal } = options;
  const find = () => withRetries({ retries, pause }, signal, () => findCurrentKey(address, options));
  let key = await find();
  let left = whenRolloverDue === "wait" ? (options.waitMilliseconds ?? WAIT_MILLISECONDS) : 0;
  for (let attempt = 1; !key && left > 0; attempt++) {
    const delay = Math.min(retryDelay(attempt), left);
    await pause(delay, signal);
    // A delay of next to nothing counts as well: the loop must come to an end.
    left -= Math.max(delay, 1);
    key = await find();
  }
  if (key) return key;
  throw new DeviceDomainError(
    "ROLLOVER_DUE",
    `A device left ${address.domain}, or none ever joined: the next registration makes the key to encrypt to`,
  );
}

/** One try to find it. A rollover whose answer was lost is not asked for again: the next try finds the key it made. */
async function findCurrentKey(address: DomainAddress, options: EncryptionOptions): Promise<JWK | null> {
  const key = await readCurrentKey(address, options);
  if (key || !options.requestRollover) return key;
  await ask(rolloverRequest(address, options.requestRollover.adminToken), options);
  return readCurrentKey(address, options);
}

/** The key that the domain's key set calls current; null while it calls none so. */
async function readCurrentKey(address: DomainAddress, options: EncryptionOptions): Promise<JWK | null> {
  const { url, domain } = address;
  const body = await ask({ method: "GET", url: `${url}/keys` }, options);
  const { keys, currentKeyVersion } = (body ?? {}) as { keys?: unknown; currentKeyVersion?: unknown };
  if (currentKeyVersion === null && Array.isArray(keys)) return null;
  const kid = domainKeyId(domain, Number(currentKeyVersion));
  const found = Array.isArray(keys) ? (keys as JWK[]).find((each) => each?.kid === kid) : undefined;
  const key = publicMembers(found ?? {});
  if (await isUsable(key)) return { ...key, kid };
  throw new DeviceDomainError("UNTRUSTED_ANSWER", "The server's answer is refused: it has no usable current key");
}

async function isUsable(key: JWK): Promise<boolean> {
  return crypto.subtle.importKey("jwk", key as JsonWebKey, { name: "ECDH", namedCurve: "P-256" }, false, []).then(
    () => true,
    () => false,
  );
}

function rolloverRequest({ origin, domain }: DomainAddress, adminToken: string): ClientRequest {
  return {
    method: "POST",
    url: `${origin}/admin/domains/${domain}/rollover`,
    headers: { "content-type": "application/json", authorization: `Bearer ${adminToken}` },
    body: JSON.stringify({ when: "now" }),
  };
}

async function ask(request: ClientRequest, { fetch = globalThis.fetch, signal }: EncryptionOptions): Promise<unknown> {
  const { body } = await exchange((input, init) => fetch(input, init), request, signal);
  return body;
}
