// `npm run token -- --namespace NAME`: prints an auth token that a local server accepts for that auth namespace.
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { SignJWT } from "jose";
import {
  DEVELOPMENT_AUDIENCE,
  DEVELOPMENT_ISSUER,
  developmentIssuerKey,
  NAMESPACE_CLAIM,
  readSecrets,
  SECRETS_FILE,
} from "./local-secrets.ts";

const USAGE = "usage: npm run token -- --namespace NAME [--subject WHO] [--minutes 60]";

const { values } = parseArgs({
  options: {
    namespace: { type: "string" },
    subject: { type: "string", default: "local-developer" },
    minutes: { type: "string", default: "60" },
  },
  strict: true,
});
const minutes = Number(values.minutes);
const key = existsSync(SECRETS_FILE) ? developmentIssuerKey(readSecrets()) : null;

if (!values.namespace || !(minutes > 0)) give(USAGE);
if (!key) give(`There is no development issuer yet: "npm run dev" makes one, in ${SECRETS_FILE}.`);

console.log(
  await new SignJWT({ [NAMESPACE_CLAIM]: values.namespace })
    .setProtectedHeader({ alg: "ES256", kid: key.kid as string, typ: "JWT" })
    .setIssuer(DEVELOPMENT_ISSUER)
    .setAudience(DEVELOPMENT_AUDIENCE)
    .setSubject(values.subject)
    .setIssuedAt()
    .setExpirationTime(`${minutes} minutes`)
    .sign(key),
);

function give(sentence: string): never {
  console.error(sentence);
  process.exit(1);
}
