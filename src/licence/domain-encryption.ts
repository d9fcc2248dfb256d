import { CompactEncrypt, type JWK, type JWTVerifyGetKey } from "jose";
import { type Authority, keysOf, keysOfAny } from "../client/authority.ts";
import { isSameKey } from "../client/device-keys.ts";
import { type DomainAddress, domainAddress } from "../client/domain-url.ts";
import { type ClientRequest, exchange } from "../client/exchange.ts";
import { DEFAULT_RETRIES, type Pause, pauseByClock, withRetries } from "../client/retries.ts";
import { keptKeys } from "./kept-keys.ts";
import { type CurrentKey, checkKeyStatement, untrusted } from "./key-statement.ts";
import { isOlder, MemoryRevisionStore, type RevisionStore, type SeenRevision } from "./revision-store.ts";

/** How a secret is encrypted to a domain. */
export type EncryptionOptions = Readonly<{
  /**
   * The domain authority to trust, or several. Left out, it is the server of the domain's URL: give it where something
   * between here and there ends TLS.
   */
  authority?: Authority | readonly Authority[] | undefined;
  /** The server's issuer name; any if left out: its authority and the domain are checked in any case. */
  issuer?: string | undefined;
  /** Keeps which statements were seen; in memory if left out. */
  revisions?: RevisionStore | undefined;
  fetch?: typeof fetch | undefined;
  signal?: AbortSignal | undefined;
  /** How often a request that failed in a way that may pass is repeated; 4 times if left out. */
  retries?: number | undefined;
  /** How the time between two tries is passed. */
  pause?: Pause | undefined;
}>;

const revisionsSeen = new MemoryRevisionStore();

/**
 * Encrypts a secret to all members of a domain, present and future, and to nobody who left: with the domain's current
 * key only, as the domain authority signed it a moment ago. A rollover that is due is carried out first.
 *
 * @param url the domain's URL, such as `https://host/domains/den`
 * @param secret bytes, or a text that is encrypted as UTF-8
 * @returns a compact JWE, ECDH-ES+A256KW and A256GCM, with the `kid` and the `key_version` of the key
 * @throws DeviceDomainError `UNTRUSTED_ANSWER`, `INVALID_DOMAIN_URL` or `UNREACHABLE`; DomainServerError such as
 *   `DOMAIN_NOT_FOUND`
 * @see RFC 7516, JSON Web Encryption (JWE), section 3.1; RFC 7518, JSON Web Algorithms (JWA), section 4.6
 */
export async function encryptToDomain(
  url: string | URL,
  secret: Uint8Array | string,
  options: EncryptionOptions = {},
): Promise<string> {
  const { retries = DEFAULT_RETRIES, pause = pauseByClock, signal } = options;
  const address = domainAddress(url);
  const { jwk, kid, keyVersion } = await withRetries({ retries, pause }, signal, () => currentKey(address, options));
  const bytes = typeof secret === "string" ? new TextEncoder().encode(secret) : secret;
  return new CompactEncrypt(bytes)
    .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM", kid, key_version: keyVersion })
    .encrypt(jwk);
}

/** The domain's current key; made now, if a rollover is due. */
async function currentKey(address: DomainAddress, options: EncryptionOptions): Promise<CurrentKey> {
  return (await readCurrentKey(address, options)) ?? rollOver(address, options);
}

/** The key that a due rollover makes. Its response states that key, also if a device leaves at the same moment. */
async function rollOver(address: DomainAddress, options: EncryptionOptions): Promise<CurrentKey> {
  const newest = await (options.revisions ?? revisionsSeen).load(address.url);
  const body = await ask({ method: "POST", url: `${address.url}/rollover?statement=true` }, options);
  const { keyVersion, statement } = (body ?? {}) as { keyVersion?: unknown; statement?: unknown };
  const key = await statedKey(statement, address, newest, options);
  if (key !== null && key.keyVersion === keyVersion) return key;
  throw untrusted("it names another key than its statement");
}

/** The key that a signed statement calls current; null while a rollover is due. */
async function readCurrentKey(address: DomainAddress, options: EncryptionOptions): Promise<CurrentKey | null> {
  const newest = await (options.revisions ?? revisionsSeen).load(address.url);
  const body = (await ask({ method: "GET", url: `${address.url}/keys` }, options)) as KeySet | null;
  if (!Array.isArray(body?.keys)) throw untrusted("it holds no keys");
  const key = await statedKey(body.statement, address, newest, options);
  if (key && !body.keys.some((each) => isSameKey(each ?? {}, key.jwk))) throw untrusted("it lacks the key it states");
  if ((key?.keyVersion ?? null) !== body.currentKeyVersion) throw untrusted("it names another key than its statement");
  return key;
}

type KeySet = Readonly<{ keys?: readonly (JWK | null)[]; currentKeyVersion?: unknown; statement?: unknown }>;

/**
 * The key of a statement that holds.
 *
 * @param newest what was seen before it was asked for: responses to requests at the same time may overtake each other
 */
async function statedKey(
  statement: unknown,
  { url, domain, origin }: DomainAddress,
  newest: SeenRevision | null,
  options: EncryptionOptions,
): Promise<CurrentKey | null> {
  const { revisions = revisionsSeen, issuer } = options;
  if (typeof statement !== "string") throw untrusted("it is not signed");
  const { seen, key } = await checkKeyStatement(statement, domain, issuer, keysToTrust(origin, options));
  if (newest && isOlder(seen, newest)) throw untrusted("it is older than one that was seen");
  await revisions.save(url, seen);
  return key;
}

function keysToTrust(origin: string, { authority = origin, fetch }: EncryptionOptions): JWTVerifyGetKey {
  const authorities = [authority].flat() as readonly Authority[];
  return keysOfAny(authorities.map((each) => keysOf(each, origin, (at) => keptKeys(at, fetch))));
}

async function ask(request: ClientRequest, { fetch = globalThis.fetch, signal }: EncryptionOptions): Promise<unknown> {
  return exchange((input, init) => fetch(input, init), request, signal);
}
