import { compactDecrypt, decodeProtectedHeader } from "jose";
import { DeviceDomainError } from "./client-errors.ts";
import { usableKey } from "./device-keys.ts";
import type { StoredKey } from "./device-state.ts";
import { SEALING } from "./sealed-credentials.ts";

/** The key that a secret says it is encrypted to; its version is null if that is not there. */
export type NamedKey = Readonly<{ kid: string; keyVersion: number | null }>;

/**
 * The key that a secret names.
 *
 * @throws DeviceDomainError `UNREADABLE_SECRET`
 */
export function keyNamedBy(jwe: string): NamedKey {
  try {
    const { kid, key_version: version } = decodeProtectedHeader(jwe);
    const isVersion = Number.isSafeInteger(version) && (version as number) > 0;
    return { kid: String(kid), keyVersion: isVersion ? (version as number) : null };
  } catch (cause) {
    throw unreadable(cause);
  }
}

/** Opens a secret. @throws DeviceDomainError `UNREADABLE_SECRET` */
export async function openSecret(jwe: string, privateKey: StoredKey): Promise<Uint8Array> {
  try {
    const { plaintext } = await compactDecrypt(jwe, await usableKey(privateKey, "deriveBits"), SEALING);
    return plaintext;
  } catch (cause) {
    throw unreadable(cause);
  }
}

function unreadable(cause: unknown): DeviceDomainError {
  return new DeviceDomainError("UNREADABLE_SECRET", "The secret is not a JWE that the domain's key opens", { cause });
}
