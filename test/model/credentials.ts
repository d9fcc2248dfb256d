import { CompactEncrypt, compactDecrypt, createLocalJWKSet, importJWK, type JSONWebKeySet, jwtVerify } from "jose";
import type { DomainClient } from "./domain-client.ts";
import type { ModelServer } from "./server.ts";

const SECRET = new TextEncoder().encode("what only members may read");

/**
 * What is wrong with the credentials a domain ever returned: each token must verify against the authority's published
 * keys, and each private key must open what is encrypted to the domain's published key of its version.
 */
export async function worthless({ origin }: ModelServer, { domain, credentials }: DomainClient): Promise<string[]> {
  if (credentials.size === 0) return [];
  const [authority, published] = await Promise.all([
    json<JSONWebKeySet>(`${origin}/.well-known/jwks.json`),
    json<JSONWebKeySet>(`${origin}/domains/${domain}/keys`),
  ]);
  const found: string[] = [];
  const opened = new Set<string>();
  for (const { keyVersion, token, privateKey } of credentials.values()) {
    try {
      const options = { issuer: origin, subject: domain, typ: "domain-token+jwt" };
      const { payload } = await jwtVerify(token, createLocalJWKSet(authority), options);
      if (payload.key_version !== keyVersion) throw new Error(`the token is for version ${payload.key_version}`);
      const id = `${keyVersion} ${privateKey.d}`;
      if (opened.has(id)) continue;
      const publicKey = published.keys.find(({ kid }) => kid === `${domain}/${keyVersion}`);
      if (!publicKey) throw new Error("no such key is published");
      const jwe = await new CompactEncrypt(SECRET)
        .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM" })
        .encrypt(await importJWK(publicKey, "ECDH-ES+A256KW"));
      await compactDecrypt(jwe, await importJWK(privateKey, "ECDH-ES+A256KW"));
      opened.add(id);
    } catch (error) {
      found.push(`${domain}: the credential of version ${keyVersion} is worth nothing: ${error}`);
    }
  }
  return found;
}

async function json<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T;
}
