import { runInDurableObject } from "cloudflare:test";
import { compactDecrypt, createLocalJWKSet, importJWK, type JWK, type JWTPayload, jwtVerify } from "jose";
import type { DomainObject } from "../../../src/server/object/domain-object.ts";
import { newDomain, newGuid, ORIGIN, type Reply, reply } from "./client.ts";
import { joins, leaves, objectOf } from "./objects.ts";

/** A domain key as it is handed out: with the member of ours. */
export type DomainJwk = JWK & { key_version: number };

/** A credential without the private key. */
type Credential = { keyVersion: number; token: string; expiresAt: string };

/** Has one device join a domain, leave it and come back, until its keys have come to a version. */
export async function bringTo(domain: string, version: number, member = newGuid()): Promise<void> {
  await runInDurableObject(objectOf(domain), async (object: DomainObject) => {
    const execute = async (command: ReturnType<typeof joins> | ReturnType<typeof leaves>) => {
      const outcome = await object.execute(command, { issuer: ORIGIN });
      if (!outcome.granted) throw new Error(outcome.refusal.error);
      return outcome.grant as unknown as { keyVersion: number };
    };
    const newest = { afterKeyVersion: version };
    while ((await execute(joins(member, newest))).keyVersion < version) await execute(leaves(member));
  });
}

/** A new domain whose keys have come to a version, with one member. */
export async function domainAt(version: number): Promise<{ domain: string; member: string }> {
  const [domain, member] = [newDomain(), newGuid()];
  await bringTo(domain, version, member);
  return { domain, member };
}

/** Whole numbers from one to another, both included. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}

/** The versions of the credentials of a response, in its order. */
export function versionsOf({ body }: Reply): number[] {
  return body.credentials.map(({ keyVersion }: Credential) => keyVersion);
}

/** The public keys of a domain as a licence server has them. */
export function keySet(domain: string, query = "", headers: Record<string, string> = {}): Promise<Reply> {
  return reply("GET", `/domains/${domain}/keys${query}`, undefined, headers);
}

/** A page of the older keys of a domain. */
export function history(
  domain: string,
  keyVersion: number | string,
  query = "",
  headers: Record<string, string> = {},
): Promise<Reply> {
  return reply("GET", `/domains/${domain}/keys/${keyVersion}/history${query}`, undefined, headers);
}

/** The keys of an Encrypted JWK Set. @throws if the private key is another */
export async function unsealed(sealedKeys: string, privateKey: JWK): Promise<DomainJwk[]> {
  const { plaintext } = await compactDecrypt(sealedKeys, await importJWK(privateKey, "ECDH-ES+A256KW"));
  return JSON.parse(new TextDecoder().decode(plaintext)).keys;
}

/** The claims of a statement of the domain authority, checked with the keys that it publishes. */
export async function claimsOf(statement: string, typ: string): Promise<JWTPayload> {
  const jwks = (await reply("GET", "/.well-known/jwks.json")).body;
  const options = { algorithms: ["ES256"], typ, issuer: ORIGIN };
  return (await jwtVerify(statement, createLocalJWKSet(jwks), options)).payload;
}

/** The claims of a domain token. */
export function tokenClaims(token: string): Promise<JWTPayload> {
  return claimsOf(token, "domain-token+jwt");
}
