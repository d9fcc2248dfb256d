import { canonicalJson, type LogEntry } from "../domain/log-entry.ts";

/** The hash of a log entry, which covers all entries before it: SHA-256 over its canonical JSON, in base64url. */
export function logHash(entry: LogEntry): Promise<string> {
  return sha256(canonicalJson(entry));
}

/**
 * What a device goes by where its machine GUID must not be read: a hash over the domain and the GUID, in base64url. A
 * machine GUID has 122 random bits, so that nobody finds it by trying; and the same device has another id in each domain.
 */
export function deviceId(domain: string, machineGuid: string): Promise<string> {
  return sha256(`${domain}\n${machineGuid}`);
}

async function sha256(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return btoa(String.fromCharCode(...digest))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
