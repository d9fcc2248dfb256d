import { readFileSync } from "node:fs";
import { encryptToDomain } from "device-domain-server/licence";

/** The content keys of each episode, as the packager used them: bytes in hexadecimal. */
const KEYS = JSON.parse(readFileSync(new URL("media/keys.json", import.meta.url), "utf8")) as Readonly<
  Record<string, Readonly<{ kid: string; key: string }>>
>;

/** The episodes there are licences for. */
export const EPISODES = Object.keys(KEYS);

/**
 * A licence for an episode, encrypted to a domain: its members open it, nobody who left. A real licence server asks first
 * what the domain has paid for, as the example licence-server does.
 *
 * @param domainUrl such as `http://localhost:8787/domains/den`
 * @returns a JWE; its plaintext is a ClearKey licence
 * @see Encrypted Media Extensions, section 9.1.4: the licence format of ClearKey
 */
export function licenceFor(episode: string, domainUrl: string): Promise<string> {
  const { kid, key } = KEYS[episode] as { kid: string; key: string };
  const licence = { keys: [{ kty: "oct", kid: base64url(kid), k: base64url(key) }], type: "temporary" };
  return encryptToDomain(domainUrl, JSON.stringify(licence), { retries: 0 });
}

function base64url(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64url");
}
