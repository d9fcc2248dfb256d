import type { JWTPayload } from "jose";
import type { Config } from "../config.ts";
import { isAdmin } from "./admin-token.ts";
import { AuthTokenVerifier, bearerToken, type Rejected } from "./auth-tokens.ts";
import { SCOPES, type Scope } from "./scopes.ts";
import type { TrustedIssuer } from "./trusted-issuers.ts";

/** Who steers the service: a name for the log, and what they may do. */
export type Operator = Readonly<{ identity: string; scopes: readonly Scope[] }>;

/** The credentials an operator may come with: the values of the two headers. */
type OperatorCredentials = Readonly<{ authorization: string | undefined; accessAssertion: string | undefined }>;

/** An operator, or why there is none: no or a worthless credential, or keys that cannot be had to check it. */
type OperatorEvidence = Readonly<{ kind: "verified"; operator: Operator }> | Rejected;

const MAX_IDENTITY_LENGTH = 200;

/** Tells operators by the admin token, by Cloudflare Access, or by a scoped token of a trusted issuer. */
export class OperatorVerifier {
  readonly #adminTokens: readonly string[];
  readonly #issuers: AuthTokenVerifier;
  readonly #access: AuthTokenVerifier | null;

  constructor({ adminTokens, trustedIssuers, access }: Pick<Config, "adminTokens" | "trustedIssuers" | "access">) {
    this.#adminTokens = adminTokens;
    this.#issuers = new AuthTokenVerifier(trustedIssuers.filter(({ operatorScopes }) => operatorScopes.length > 0));
    this.#access = access && new AuthTokenVerifier([access]);
  }

  /** Who shows these credentials. */
  async verify({ authorization, accessAssertion }: OperatorCredentials): Promise<OperatorEvidence> {
    if (await isAdmin(authorization, this.#adminTokens)) {
      return { kind: "verified", operator: { identity: "admin-token", scopes: SCOPES } };
    }
    const byAccess = accessAssertion && this.#access ? await this.#access.check(accessAssertion, accessUser) : null;
    if (byAccess?.kind === "verified") return byAccess;
    const token = bearerToken(authorization);
    const byToken = token === null ? null : await this.#issuers.check(token, scopedOperator);
    if (byToken?.kind === "verified") return byToken;
    const unavailable = [byAccess, byToken].find((each) => each?.kind === "unavailable");
    return unavailable ?? byToken ?? byAccess ?? { kind: "invalid", reason: "no operator's credential" };
  }
}

/** A user, or a service token, that Cloudflare Access let through: it guards all of the administration. */
function accessUser(_issuer: TrustedIssuer, claims: JWTPayload): OperatorEvidence {
  return named(`access:${claims.email ?? claims.common_name ?? claims.sub ?? ""}`, SCOPES);
}

/** @see RFC 9068, JWT Profile for OAuth 2.0 Access Tokens, section 2.2.3 */
function scopedOperator({ issuer, operatorScopes }: TrustedIssuer, claims: JWTPayload): OperatorEvidence {
  // Such a token is worth nothing without a proof of possession, which these routes do not ask for.
  if (claims.cnf !== undefined) return { kind: "invalid", reason: "the token is bound to a key" };
  const granted = typeof claims.scope === "string" ? claims.scope.split(" ") : [];
  return named(
    `${issuer}#${claims.sub ?? ""}`,
    operatorScopes.filter((scope) => granted.includes(scope)),
  );
}

function named(identity: string, scopes: readonly Scope[]): OperatorEvidence {
  return { kind: "verified", operator: { identity: identity.slice(0, MAX_IDENTITY_LENGTH), scopes } };
}
