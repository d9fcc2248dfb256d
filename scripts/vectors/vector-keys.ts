import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from "jose";

/** The keys of the vectors, private halves and all: they protect nothing. Devices' keys lack `kid`, and only domain keys have
 * `key_version`. */
export type VectorKeys = Readonly<Record<(typeof NAMES)[number], JWK & Readonly<{ kid: string; key_version: number }>>>;

const NAMES = [
  "formerAuthorityKey",
  "authorityKey",
  "signingKey",
  "ed25519SigningKey",
  "sealingKey",
  "x25519SealingKey",
  "domainKey1",
  "domainKey2",
] as const;

const ALGORITHMS: { readonly [Name in (typeof NAMES)[number]]?: readonly [alg: string, crv?: string] } = {
  ed25519SigningKey: ["Ed25519"],
  x25519SealingKey: ["ECDH-ES", "X25519"],
};

/** Makes the keys. */
export async function newVectorKeys(): Promise<VectorKeys> {
  const keys = NAMES.map(async (name) => {
    const [alg, crv] = ALGORITHMS[name] ?? ["ECDH-ES", "P-256"];
    const { privateKey } = await generateKeyPair(alg, { extractable: true, ...(crv ? { crv } : {}) });
    return [name, await named(name, await exportJWK(privateKey))] as const;
  });
  return Object.fromEntries(await Promise.all(keys)) as VectorKeys;
}

/** The members that the server gives each kind of key. */
async function named(name: string, jwk: JWK): Promise<JWK> {
  if (name === "formerAuthorityKey") return { ...jwk, kid: "2025" };
  if (name === "authorityKey") return { ...jwk, kid: "2026" };
  if (!name.startsWith("domainKey")) return jwk;
  const metadata = { key_version: Number(name.at(-1)), use: "enc", alg: "ECDH-ES+A256KW" };
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), ...metadata };
}

/** The public half of a private JWK. */
export function publicHalf({ d, ...jwk }: JWK): JWK {
  return jwk as JWK;
}
