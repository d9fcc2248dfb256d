// `npm run token -- --namespace NAME`: prints an auth token that a local server accepts for that auth namespace.
import { existsSync } from "node:fs";
import { SignJWT } from "jose";
import {
  DEVELOPMENT_AUDIENCE,
  DEVELOPMENT_ISSUER,
  developmentIssuerKey,
  NAMESPACE_CLAIM,
  readSecrets,
  SECRETS_FILE,
} from "./local-secrets.ts";
import { give, scriptOptions } from "./script-options.ts";

const values = scriptOptions<{ namespace?: string; subject: string; minutes: string }>(
  "token",
  "Prints an auth token that a local server accepts.",
  [
    ["--namespace <name>", "the auth namespace that it counts for"],
    ["--subject <who>", "whose token it is", "local-developer"],
    ["--minutes <number>", "how long it is good", "60"],
  ],
);
const minutes = Number(values.minutes);
const key = existsSync(SECRETS_FILE) ? developmentIssuerKey(readSecrets()) : null;

if (!values.namespace) give("Name the auth namespace: npm run token -- --namespace NAME.", 2);
if (!(minutes > 0)) give("--minutes must be a number above 0.", 2);
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
