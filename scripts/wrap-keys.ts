// `npm run -s wrap-keys < KEYS`: wraps existing private keys of domains, and writes the SQL that brings them into D1.
import { createECDH } from "node:crypto";
import { createInterface } from "node:readline";
import type { JWK } from "jose";
import * as z from "zod";
import { domainNameProblem } from "../src/domain/names.ts";
import { ConfigError, type Keys, readConfig } from "../src/server/config.ts";
import { domainKeyPair } from "../src/server/crypto/key-pairs.ts";
import { wrapPrivateKey } from "../src/server/crypto/key-wrapping.ts";
import { givenVariable, newSecrets, SECRETS_FILE } from "./local-secrets.ts";
import { give, scriptOptions } from "./script-options.ts";

const base64url32 = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "must be 32 bytes in base64url");

/** A line of the input. */
const line = z.strictObject({
  domain: z.string().superRefine((name, { addIssue }) => {
    const problem = domainNameProblem(name);
    if (problem) addIssue(problem);
  }),
  keyVersion: z.int().min(1),
  privateJwk: z.looseObject({
    kty: z.literal("EC"),
    crv: z.literal("P-256"),
    d: base64url32,
    x: base64url32.optional(),
    y: base64url32.optional(),
  }),
});

/** A row of `domain_keys`, by its columns. */
type Row = Readonly<Record<(typeof COLUMNS)[number], string | number>>;

const COLUMNS = ["domain", "key_version", "public_jwk", "wrapped_private_jwk", "key_encryption_kid"] as const;

const { json } = scriptOptions<{ json?: boolean }>(
  "wrap-keys",
  'Wraps private keys of domains, given as JSON Lines {"domain", "keyVersion", "privateJwk"}, and writes SQL.',
  [["--json", "write the rows as JSON Lines instead"]],
  `Wraps with the first of KEY_ENCRYPTION_KEYS, from the environment or from ${SECRETS_FILE}.`,
);
const keyEncryptionKeys = await givenKeyEncryptionKeys();
/** The newest version of each domain so far. */
const newest = new Map<string, number>();
let lines = 0;
for await (const text of createInterface({ input: process.stdin })) {
  lines++;
  if (text.trim() === "") continue;
  const row = await wrapped(text);
  process.stdout.write(`${json ? JSON.stringify(row) : insertion(row)}\n`);
}

/** The row of a line. Ends the program if the line is not right; what it complains of holds nothing of a private key. */
async function wrapped(text: string): Promise<Row> {
  const { domain, keyVersion, privateJwk } = checked(text);
  const before = newest.get(domain);
  if (before !== undefined && keyVersion !== before + 1) {
    give(`Line ${lines}: key ${keyVersion} of ${domain} follows key ${before}. Versions must rise by one.`);
  }
  if (before === undefined && keyVersion > 1) {
    console.error(`${domain} begins with key ${keyVersion}: set its retired_up_to to ${keyVersion - 1}.`);
  }
  newest.set(domain, keyVersion);
  const pair = await domainKeyPair(withPublicHalf(privateJwk), keyVersion);
  return {
    domain,
    key_version: keyVersion,
    public_jwk: JSON.stringify(pair.publicJwk),
    wrapped_private_jwk: await wrapPrivateKey(pair.privateJwk, { domain, keyVersion }, keyEncryptionKeys),
    key_encryption_kid: keyEncryptionKeys[0].kid as string,
  };
}

function checked(text: string): z.infer<typeof line> {
  const { success, data, error } = line.safeParse(parsed(text));
  if (success) return data;
  const [issue] = error.issues;
  return give(`Line ${lines}: ${[...(issue?.path ?? []), issue?.message].join(": ")}.`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return give(`Line ${lines} is not JSON.`);
  }
}

/** A private JWK with the public half that belongs to it. Ends the program if it came with another one. */
function withPublicHalf({ kty, crv, d, x, y }: z.infer<typeof line>["privateJwk"]): JWK {
  const curve = createECDH("prime256v1");
  try {
    curve.setPrivateKey(d, "base64url");
  } catch {
    give(`Line ${lines}: privateJwk: d is not a private key of P-256.`);
  }
  // Uncompressed: one byte that says so, and two coordinates of 32 bytes.
  const point = curve.getPublicKey();
  const found = { x: point.toString("base64url", 1, 33), y: point.toString("base64url", 33) };
  if ((x ?? found.x) !== found.x || (y ?? found.y) !== found.y) {
    give(`Line ${lines}: privateJwk: x and y are not of the same key as d.`);
  }
  return { kty, crv, ...found, d };
}

function insertion(row: Row): string {
  const values = COLUMNS.map((column) => (column === "key_version" ? row[column] : quoted(String(row[column]))));
  return `insert into domain_keys (${COLUMNS.join(", ")}) values (${values.join(", ")});`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

async function givenKeyEncryptionKeys(): Promise<Keys> {
  const KEY_ENCRYPTION_KEYS = givenVariable("KEY_ENCRYPTION_KEYS");
  try {
    // Nothing else that a server is given has a part in this.
    return readConfig({ ...(await newSecrets()), KEY_ENCRYPTION_KEYS }).keyEncryptionKeys;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return give(error.message);
  }
}
