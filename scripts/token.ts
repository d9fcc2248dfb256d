// `npm run token`: prints a token of the development issuer, which a local server takes for that of a device's user, or of an
// operator.
import { existsSync } from "node:fs";
import { SignJWT } from "jose";
import { SCOPES } from "../src/server/auth/scopes.ts";
import {
  DEVELOPMENT_AUDIENCE,
  DEVELOPMENT_ISSUER,
  developmentIssuerKey,
  NAMESPACE_CLAIM,
  readSecrets,
  SECRETS_FILE,
} from "./local-secrets.ts";
import { give, scriptOptions } from "./script-options.ts";

const values = scriptOptions<{ namespace?: string; scope?: string; subject: string; minutes: string }>(
  "token",
  "Prints a token that a local server accepts: for devices with --namespace, for operators with --scope.",
  [
    ["--namespace <name>", "the auth namespace that it counts for"],
    ["--scope <scopes>", `what an operator may do with it, with spaces between: ${SCOPES.join(", ")}`],
    ["--subject <who>", "whose token it is", "local-developer"],
    ["--minutes <number>", "how long it is good", "60"],
  ],
);
const minutes = Number(values.minutes);
const key = existsSync(SECRETS_FILE) ? developmentIssuerKey(readSecrets()) : null;

const unknown = values.scope?.split(" ").find((each) => !SCOPES.some((scope) => scope === each));
if (!values.namespace && !values.scope) {
  give("Say what it is for: npm run token -- --namespace NAME, or --scope domains:read.", 2);
}
if (unknown !== undefined) give(`"${unknown}" is not a scope: they are ${SCOPES.join(", ")}.`, 2);
if (!(minutes > 0)) give("--minutes must be a number above 0.", 2);
if (!key) give(`There is no development issuer yet: "npm run dev" makes one, in ${SECRETS_FILE}.`);

console.log(
  await new SignJWT({ [NAMESPACE_CLAIM]: values.namespace, scope: values.scope })
    .setProtectedHeader({ alg: "ES256", kid: key.kid as string, typ: "JWT" })
    .setIssuer(DEVELOPMENT_ISSUER)
    .setAudience(DEVELOPMENT_AUDIENCE)
    .setSubject(values.subject)
    .setIssuedAt()
    .setExpirationTime(`${minutes} minutes`)
    .sign(key),
);
