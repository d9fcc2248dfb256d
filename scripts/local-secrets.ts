import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from "jose";
import { SCOPES } from "../src/server/auth/scopes.ts";
import type { TrustedIssuer } from "../src/server/auth/trusted-issuers.ts";

/** Where local runs keep their secrets; git ignores it. */
export const SECRETS_FILE = ".dev.vars";

/** The `iss` and `aud` of tokens for local work. */
export const DEVELOPMENT_ISSUER = "urn:device-domain-server:development-issuer";
export const DEVELOPMENT_AUDIENCE = "urn:device-domain-server:local";

/** The claim in which a development token names its auth namespace. */
export const NAMESPACE_CLAIM = "auth_namespace";

const ISSUER_KEY = "DEVELOPMENT_ISSUER_KEY";

/** Writes a file of fresh secrets, readable by its owner alone. Never touches one that is there. @returns if it wrote */
export async function writeSecretsOnce(): Promise<boolean> {
  if (existsSync(SECRETS_FILE)) return false;
  const secrets = { ...(await newSecrets()), [ISSUER_KEY]: JSON.stringify(await newSigningKey()) };
  const lines = Object.entries(secrets).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(SECRETS_FILE, lines.join(""), { mode: 0o600, flag: "wx" });
  return true;
}

/** New random secrets for a server: every variable it must be given. */
export async function newSecrets(): Promise<Record<string, string>> {
  return {
    ADMIN_TOKEN: randomBytes(32).toString("base64url"),
    KEY_ENCRYPTION_KEYS: JSON.stringify({ keys: [newKeyEncryptionKey()] }),
    DOMAIN_AUTHORITY_KEYS: JSON.stringify({ keys: [await newSigningKey()] }),
  };
}

/** The variables in the secrets file: one NAME=value a line. */
export function readSecrets(): Record<string, string> {
  const lines = readFileSync(SECRETS_FILE, "utf8").split(/\r?\n/);
  return Object.fromEntries(
    lines.flatMap((line) => {
      const match = /^\s*([A-Z_][A-Z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line);
      return match ? [[match[1] as string, unquoted(match[2] as string)]] : [];
    }),
  );
}

/** A variable of the environment, or else of the secrets file; undefined if neither has it. */
export function givenVariable(name: string): string | undefined {
  return process.env[name] ?? (existsSync(SECRETS_FILE) ? readSecrets()[name] : undefined);
}

/** The development issuer's private key, or null if the secrets file has none. */
export function developmentIssuerKey(secrets: Record<string, string>): JWK | null {
  const text = secrets[ISSUER_KEY];
  return text ? (JSON.parse(text) as JWK) : null;
}

/** The development issuer as the server is told to trust it; only a local run is. */
export function developmentIssuer(privateKey: JWK): Omit<TrustedIssuer, "cooldownSeconds" | "timeoutSeconds"> {
  const { kty, crv, x, y, kid } = privateKey;
  return {
    operatorScopes: [...SCOPES],
    namespaceClaim: NAMESPACE_CLAIM,
    namespaces: ["*"],
    issuer: DEVELOPMENT_ISSUER,
    audience: DEVELOPMENT_AUDIENCE,
    jwks: { keys: [{ kty, crv, x, y, kid, alg: "ES256", use: "sig" } as JWK] },
  };
}

/** A new key-encryption key: 256 random bits. */
export function newKeyEncryptionKey(): JWK {
  return { kty: "oct", alg: "A256GCM", kid: newKid("kek"), k: randomBytes(32).toString("base64url") };
}

/** A new signing key: EC P-256, its thumbprint as `kid`. */
export async function newSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, alg: "ES256", kid: await calculateJwkThumbprint(jwk) };
}

function newKid(prefix: string): string {
  return `${prefix}-${randomBytes(6).toString("hex")}`;
}

function unquoted(value: string): string {
  return /^(['"`])(.*)\1$/.exec(value)?.[2] ?? value;
}
