import {
  CompactEncrypt,
  compactDecrypt,
  createLocalJWKSet,
  decodeProtectedHeader,
  importJWK,
  type JSONWebKeySet,
  type JWK,
  type JWTPayload,
  jwtVerify,
} from "jose";
import type { DomainClient, SealedPage } from "./domain-client.ts";
import { read } from "./reads.ts";
import { currentVersions } from "./rollover-rules.ts";
import type { ModelServer } from "./server.ts";

const SECRET = new TextEncoder().encode("what only members may read");
const ALGORITHM = "ECDH-ES+A256KW";

/** A public key as it is published. */
type PublishedKey = JWK & Readonly<{ key_version: number }>;

/** The published keys that a domain's credentials are checked against. */
type Published = Readonly<{ authority: JSONWebKeySet; keys: ReadonlyMap<number, PublishedKey> }>;

/** How many keys of the history were opened, and in words, what was wrong. */
type Trial = Readonly<{ opened: number; found: readonly string[] }>;

/** Of how many of the newest keys that devices hold the history is asked for. */
const HISTORIES_ASKED = 3;

/**
 * The faults of all that a domain ever returned. Each token and statement must verify against the authority's published
 * keys; a statement must be right for its revision, going by the log. Each private key must open what is encrypted to the domain's published key of its version. So must those
 * sealed in the history; a page must open with the key that it is sealed to, as far as a device was given that.
 */
export async function tryCredentials({ origin, objects }: ModelServer, client: DomainClient): Promise<Trial> {
  const { domain, credentials, statements, pages } = client;
  if (credentials.size + statements.size + pages.size === 0) return { opened: 0, found: [] };
  const published = await publishedBy(origin, domain);
  const { log, deletion } = objects.domain(domain);
  // Of a domain that was deleted no public key is left: what it gave out is held to its own tokens alone.
  const lost = Number(deletion?.key_version ?? 0);
  const verify = async (jws: string, typ: string): Promise<JWTPayload> => {
    const options = { issuer: origin, subject: domain, typ };
    return (await jwtVerify(jws, createLocalJWKSet(published.authority), options)).payload;
  };
  const found: string[] = [];
  const attempt = async (what: string, trial: () => Promise<void>) => {
    await trial().catch((error) => found.push(`${domain}: ${what} is worth nothing: ${error}`));
  };
  /** The private keys that were found to be right, by version. */
  const held = new Map<number, JWK>();
  const take = async (keyVersion: number, token: string, privateKey: JWK) => {
    const { key_version, cnf } = await verify(token, "domain-token+jwt");
    if (key_version !== keyVersion) throw new Error(`the token is for version ${key_version}`);
    const stated = (cnf as { jwk: JWK }).jwk;
    const publicKey = keyVersion <= lost ? stated : publishedKey(published, keyVersion);
    if (stated.x !== publicKey.x) throw new Error("the token is for another key");
    if (held.get(keyVersion)?.d === privateKey.d) return;
    await open(publicKey, privateKey);
    held.set(keyVersion, privateKey);
  };
  for (const { keyVersion, token, privateKey } of credentials.values()) {
    await attempt(`the credential of version ${keyVersion}`, () => take(keyVersion, token, privateKey));
  }
  for (const [statement, current] of statements) {
    await attempt(`the statement of version ${current}`, async () => {
      const { key_version, revision, cnf } = await verify(statement, "domain-key-statement+jwt");
      if (Number(revision) <= Number(deletion?.revision ?? 0)) return;
      const right = currentVersions(log, Number(revision));
      if (!right.has(current)) throw new Error(`at revision ${revision} there was version ${[...right]}`);
      if (key_version !== current) throw new Error(`it states version ${key_version}`);
      const stated = (cnf as { jwk: JWK } | undefined)?.jwk.kid;
      const kid = current === null ? undefined : publishedKey(published, current).kid;
      if (stated !== kid) throw new Error("it states another key");
    });
  }
  const present = [...held.keys()].filter((version) => version > lost);
  const newest = present.sort((a, b) => b - a).slice(0, HISTORIES_ASKED);
  const asked = await Promise.all(
    newest.map((version) => json<SealedPage>(`${origin}/domains/${domain}/keys/${version}/history`)),
  );
  let opened = 0;
  for (const page of [...pages.values(), ...asked]) {
    const key = held.get(page.keyVersion);
    if (!key) continue;
    await attempt(`a page of the history of version ${page.keyVersion}`, async () => {
      const privateKeys = await unsealed(page, key);
      const given = privateKeys.map((privateKey) => privateKey.key_version);
      const listed = page.credentials.map(({ keyVersion }) => keyVersion);
      if (given.join() !== listed.join()) throw new Error(`it lists ${listed}, and holds ${given}`);
      for (const [index, { keyVersion, token }] of page.credentials.entries()) {
        await take(keyVersion, token, privateKeys[index] as JWK);
        opened++;
      }
    });
  }
  return { opened, found };
}

/** The private keys of a page of the history. */
async function unsealed({ keyVersion, sealedKeys }: SealedPage, privateKey: JWK): Promise<readonly PublishedKey[]> {
  const { kid } = decodeProtectedHeader(sealedKeys);
  if (kid !== privateKey.kid)
    throw new Error(`it is sealed to ${kid}, and the key of version ${keyVersion} to open it`);
  const { plaintext } = await compactDecrypt(sealedKeys, await importJWK(privateKey, ALGORITHM));
  return (JSON.parse(new TextDecoder().decode(plaintext)) as { keys: PublishedKey[] }).keys;
}

/** Opens with a private key what is encrypted to a public one. */
async function open(publicKey: JWK, privateKey: JWK): Promise<void> {
  const jwe = await new CompactEncrypt(SECRET)
    .setProtectedHeader({ alg: ALGORITHM, enc: "A256GCM" })
    .encrypt(await importJWK(publicKey, ALGORITHM));
  await compactDecrypt(jwe, await importJWK(privateKey, ALGORITHM));
}

function publishedKey({ keys }: Published, keyVersion: number): PublishedKey {
  const key = keys.get(keyVersion);
  if (!key) throw new Error(`no key of version ${keyVersion} is published`);
  return key;
}

/** The keys that a server publishes: the authority's, and all of a domain. */
async function publishedBy(origin: string, domain: string): Promise<Published> {
  const keys = new Map<number, PublishedKey>();
  const authority = json<JSONWebKeySet>(`${origin}/.well-known/jwks.json`);
  for (let query: string | null = ""; query !== null; ) {
    const page: KeyPage = await json<KeyPage>(`${origin}/domains/${domain}/keys${query}`);
    for (const key of page.keys ?? []) keys.set(key.key_version, key);
    query = page.olderKeyVersions ? `?before=${page.olderKeyVersions.to + 1}` : null;
  }
  return { authority: await authority, keys };
}

/** A page of public keys; without keys where there is no such domain. */
type KeyPage = Readonly<{ keys?: readonly PublishedKey[]; olderKeyVersions?: Readonly<{ to: number }> }>;

async function json<T>(url: string): Promise<T> {
  return (await (await read(url)).json()) as T;
}
