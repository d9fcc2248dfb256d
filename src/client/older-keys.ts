import { DeviceDomainError, DomainServerError } from "./client-errors.ts";
import type { DeviceRecord } from "./device-record.ts";
import type { StoredCredential } from "./device-state.ts";
import type { DomainAddress } from "./domain-url.ts";
import type { NamedKey } from "./encrypted-secrets.ts";
import { checkHistory, historyUrl } from "./key-history.ts";
import { withCredentials } from "./registration-response.ts";
import type { ServerConnection } from "./server-connection.ts";

/**
 * The credential of an older key, from the page of the domain's history that holds it. The device keeps the whole page.
 *
 * @param hint the key's version, if that is known
 * @throws DeviceDomainError `KEY_NOT_HELD`, `KEY_RETIRED`, `UNTRUSTED_ANSWER` or `UNREACHABLE`
 */
export async function olderCredential(
  { url, domain }: DomainAddress,
  record: DeviceRecord,
  server: ServerConnection,
  { kid, keyVersion: hint }: NamedKey,
  signal: AbortSignal | undefined,
): Promise<StoredCredential> {
  const keyVersion = hint ?? (await versionOf(`${url}/keys?kid=${encodeURIComponent(kid)}`, kid, server, signal));
  const { credentials } = record.state;
  const newest = credentials.at(-1);
  const known = credentials.find((each) => each.kid === kid);
  if (known) return known;
  if (!newest || keyVersion === null || keyVersion >= newest.keyVersion) throw keyNotHeld(kid);
  const body = await server.get(historyUrl(url, newest.keyVersion, keyVersion), signal);
  const { nextPins, ...trust } = server.trust(record.state);
  const context = { ...trust, keepsCryptoKeys: record.keepsCryptoKeys };
  const page = await server.retried(signal, () => checkHistory(body, domain, newest, context));
  // Sealed to another key of that version: it was made anew since, and the device has to renew.
  if (page === null) throw keyNotHeld(kid);
  const held = [...withCredentials(credentials, page, newest.kid), newest];
  await record.save({ ...record.state, credentials: held, authority: await nextPins() });
  const credential = page.find((each) => each.kid === kid);
  if (credential) return credential;
  if (page.some((each) => each.keyVersion === keyVersion)) throw keyNotHeld(kid);
  throw new DeviceDomainError("KEY_RETIRED", `The key of version ${keyVersion} is retired: nobody gets it any more`);
}

/** The version of a domain key, for a secret that does not say; null if the domain has no such key. */
async function versionOf(
  url: string,
  kid: string,
  server: ServerConnection,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  try {
    const body = await server.get(url, signal);
    const { keys } = (body ?? {}) as { keys?: readonly { kid?: unknown; key_version?: unknown }[] };
    const version = Array.isArray(keys) ? keys.find((key) => key?.kid === kid)?.key_version : undefined;
    return Number.isSafeInteger(version) ? (version as number) : null;
  } catch (error) {
    if (error instanceof DomainServerError && error.error === "NOT_FOUND") return null;
    throw error;
  }
}

function keyNotHeld(kid: string): DeviceDomainError {
  return new DeviceDomainError("KEY_NOT_HELD", `The device does not hold the key ${kid}`);
}
