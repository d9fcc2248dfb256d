import { decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import type { AuthEvidence } from "../../domain/types.ts";
import { covers } from "../../protocol/namespace-patterns.ts";
import { sha256 } from "../crypto/log-hashes.ts";
import { ownDomain } from "./identity-domains.ts";
import { keysOf } from "./issuer-keys.ts";
import type { TrustedIssuer } from "./trusted-issuers.ts";

/** Asymmetric signatures only: a shared secret would let every holder of a key set mint tokens. */
export const ALGORITHMS = [
  "ES256",
  "ES384",
  "ES512",
  "PS256",
  "PS384",
  "PS512",
  "RS256",
  "RS384",
  "RS512",
  "EdDSA",
  "Ed25519",
];
const LEEWAY_SECONDS = 60;
const MAX_TOKEN_LENGTH = 8_192;

/** A trusted issuer with the source of its keys. */
type Authority = Readonly<{ issuer: TrustedIssuer; keys: JWTVerifyGetKey }>;

/** Checks auth tokens against the trusted issuers. Keys fetched from an issuer are kept for as long as this lives. */
export class AuthTokenVerifier {
  readonly #authorities: readonly Authority[];

  constructor(issuers: readonly TrustedIssuer[]) {
    this.#authorities = issuers.map((issuer) => ({ issuer, keys: keysOf(issuer, issuers) }));
  }

  /**
   * The evidence of an `Authorization` header. Whether that is enough, or matters at all, is the domain's to say.
   *
   * @see RFC 6750, The OAuth 2.0 Authorization Framework: Bearer Token Usage, section 2.1
   */
  async verify(authorization: string | undefined): Promise<AuthEvidence> {
    const token = bearerToken(authorization);
    if (token === null) return { kind: "none" };
    return this.check(token, namespaceEvidence);
  }

  /**
   * Checks a token against every issuer entry that may be its own, and has `accept` say what it is worth there.
   *
   * @see RFC 8725, JSON Web Token Best Current Practices, section 3
   */
  async check<Verified extends { kind: "verified" }>(
    token: string,
    accept: (issuer: TrustedIssuer, claims: JWTPayload) => Verified | Rejected,
  ): Promise<Verified | Rejected> {
    if (token.length > MAX_TOKEN_LENGTH) return { kind: "invalid", reason: "the token is too long" };
    const authorities = this.#authorities.filter(({ issuer }) => issuer.issuer === claimedIssuer(token));
    let result: Verified | Rejected = { kind: "invalid", reason: "the token is of no trusted issuer" };
    for (const authority of authorities) {
      const next = await checkWith(authority, token, accept);
      // Several entries may share an issuer and differ in audience; one that fits is enough.
      if (next.kind === "verified") return next;
      // An entry whose keys cannot be had may be the one that fits: what the others say is not final then.
      // Keep the first result that explains a claim error (`detail`).
      if (result.kind !== "unavailable" && !("detail" in result)) result = next;
    }
    return result;
  }
}

/** A token that is worth nothing, or of which nothing is known, and why. */
export type Rejected = Extract<AuthEvidence, { kind: "invalid" | "unavailable" }>;

/** The token of an `Authorization: Bearer` header; null if there is none. */
export function bearerToken(authorization: string | undefined): string | null {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1] ?? null;
}

async function checkWith<Verified>(
  { issuer, keys }: Authority,
  token: string,
  accept: (issuer: TrustedIssuer, claims: JWTPayload) => Verified | Rejected,
): Promise<Verified | Rejected> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: issuer.issuer,
      audience: issuer.audience,
      algorithms: ALGORITHMS,
      clockTolerance: LEEWAY_SECONDS,
      requiredClaims: ["exp"],
    });
    return accept(issuer, payload);
  } catch (error) {
    const reason = error instanceof errors.JOSEError ? error.code : "the issuer's keys could not be fetched";
    return { kind: isTokensFault(error) ? "invalid" : "unavailable", reason };
  }
}

function namespaceEvidence(
  issuer: TrustedIssuer,
  payload: JWTPayload,
): Extract<AuthEvidence, { kind: "verified" }> | Rejected {
  const namespace = issuer.namespace ?? payload[issuer.namespaceClaim as string];
  if (typeof namespace !== "string" || namespace === "") {
    return { kind: "invalid", reason: `the token has no ${issuer.namespaceClaim} claim` };
  }
  if (issuer.namespaces && !covers(issuer.namespaces, namespace)) {
    return {
      kind: "invalid",
      reason: `the token's ${issuer.namespaceClaim} claim is not among its issuer's namespaces`,
    };
  }
  const confirmation = payload.cnf as { jkt?: unknown } | undefined;
  const jkt = confirmation?.jkt;
  if (confirmation !== undefined && typeof jkt !== "string") {
    return { kind: "invalid", reason: "the token is bound to a key in a way that is not understood" };
  }
  const { sub } = payload;
  const subject = sub === undefined ? {} : { subject: sub, subjectHash: sha256(JSON.stringify([issuer.issuer, sub])) };
  const evidence = {
    kind: "verified",
    namespace,
    keyThumbprint: typeof jkt === "string" ? jkt : null,
    ...subject,
  } as const;
  const { domains } = issuer;
  if (!domains) return evidence;
  const own = ownDomain({ ...issuer, domains }, namespace, payload);
  return "problem" in own
    ? { kind: "invalid", reason: own.problem, detail: own.problem }
    : { ...evidence, ownDomain: own };
}

/** The errors of jose that say something of the token; every other one says that its keys could not be had. */
const TOKEN_FAULTS: readonly string[] = [
  errors.JWTClaimValidationFailed.code,
  errors.JWTExpired.code,
  errors.JWTInvalid.code,
  errors.JWSInvalid.code,
  errors.JWSSignatureVerificationFailed.code,
  errors.JOSEAlgNotAllowed.code,
  errors.JOSENotSupported.code,
  errors.JWKSNoMatchingKey.code,
  errors.JWKSMultipleMatchingKeys.code,
];

function isTokensFault(error: unknown): boolean {
  return error instanceof errors.JOSEError && TOKEN_FAULTS.includes(error.code);
}

/** Who the token says it is from, to look up the keys to check that with. */
function claimedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}
