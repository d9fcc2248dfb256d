import type { JWK } from "jose";
import * as z from "zod";
import { isSafeUrl } from "../../protocol/loopback.ts";
import { overlap } from "../../protocol/namespace-patterns.ts";
import { settings } from "../settings-shape.ts";
import { templateProblem } from "./identity-domains.ts";
import { ownerSignIn, signInProblem } from "./owner-sign-in.ts";
import { SCOPES } from "./scopes.ts";

const publicKey = z
  .looseObject({ kty: z.enum(["EC", "RSA", "OKP"]) })
  .refine((jwk) => !("d" in jwk), "must hold public keys only") as unknown as z.ZodType<JWK>;

const namespace = z.string().min(1).max(128);

/**
 * The domains that an issuer's tokens make, one for each subject, and their initial settings. The token settings and
 * the per-subject quota are fixed: each domain has one subject.
 */
const identityDomains = z
  .strictObject(settings)
  .omit({ authenticationRequired: true, authNamespace: true, ownerSubject: true, maxMembershipPerSubject: true })
  .partial()
  .extend({
    /** The template of their names. */
    name: z.string(),
    /** The claim that says how many devices may be members. */
    maxMembershipClaim: z.string().min(1).optional(),
  });

/** An issuer whose tokens domains may require, as the configuration has it. */
export const trustedIssuer = z
  .strictObject({
    /** The auth namespace its tokens count for. */
    namespace: namespace.optional(),
    /** The claim that names the auth namespace, for an issuer that speaks for several. */
    namespaceClaim: z.string().min(1).optional(),
    /** The namespaces that the claim may name: exact names, or prefixes that end in `*`. */
    namespaces: z
      .array(namespace.regex(/^[^*]*\*?$/, "may have a * at its end alone"))
      .min(1)
      .optional(),
    issuer: z.string().min(1),
    audience: z.string().min(1),
    jwksUri: z.string().refine(isSafeUrl, "must be an https URL, or http on a loopback address").optional(),
    jwks: z.object({ keys: z.array(publicKey).min(1) }).optional(),
    /** Its tokens create and enter only these domains. Left out: any domain that accepts them. */
    domains: identityDomains.optional(),
    /** How owners sign in with it at their page; without, they do not. */
    signIn: ownerSignIn.optional(),
    /** The operator scopes that its tokens may carry in `scope`; a scope that is not listed here does not count. */
    operatorScopes: z.array(z.enum(SCOPES)).default([]),
    /** How long after a fetch an unknown `kid` does not cause another. */
    cooldownSeconds: z.number().min(0).default(30),
    /** How long a fetch of the keys may take. */
    timeoutSeconds: z.number().min(0.001).max(30).default(5),
  })
  .refine((issuer) => (issuer.namespace === undefined) !== (issuer.namespaceClaim === undefined), {
    error: "needs either namespace or namespaceClaim",
  })
  .refine((issuer) => issuer.namespaceClaim === undefined || issuer.namespaces !== undefined, {
    error: 'needs namespaces, a list of what namespaceClaim may name, such as "acme" or "acme/*"',
  })
  .refine((issuer) => issuer.namespaceClaim !== undefined || issuer.namespaces === undefined, {
    error: "has namespaces, which need namespaceClaim",
  })
  .refine((issuer) => (issuer.jwksUri === undefined) !== (issuer.jwks === undefined), {
    error: "needs either jwksUri or jwks",
  })
  .superRefine(({ domains, ...issuer }, { addIssue }) => {
    if (!domains) return;
    const problem = templateProblem({ ...issuer, domains });
    if (problem) addIssue({ code: "custom", path: ["domains", "name"], message: problem });
  })
  .superRefine((issuer, { addIssue }) => {
    const problem = issuer.signIn ? signInProblem(issuer) : null;
    if (problem) addIssue({ code: "custom", path: ["signIn"], message: problem });
  });

/** An issuer whose tokens domains may require. */
export type TrustedIssuer = z.infer<typeof trustedIssuer>;

/** The places of the first two issuers that have something in common which no two may; null if there are none. */
export function conflict(
  issuers: readonly TrustedIssuer[],
  areInConflict: (one: TrustedIssuer, other: TrustedIssuer) => boolean,
): readonly [number, number] | null {
  for (const [later, issuer] of issuers.entries()) {
    const earlier = issuers.slice(0, later).findIndex((other) => areInConflict(issuer, other));
    if (earlier !== -1) return [earlier, later];
  }
  return null;
}

/**
 * Whether an issuer could name the namespace of another, and so let its own tokens into the other's domains. Entries of one
 * `issuer` may overlap, for they differ in audience alone.
 */
export function shareNamespaces(one: TrustedIssuer, other: TrustedIssuer): boolean {
  if (one.issuer === other.issuer) return false;
  // Two issuers of one fixed `namespace` are what the operator wrote down: only a claim lets an issuer choose. But where
  // subjects have domains, the same subject of another issuer is somebody else.
  if (!one.namespaces && !other.namespaces && !one.domains && !other.domains) return false;
  return overlap(namespacesOf(one), namespacesOf(other));
}

/** The auth namespaces that an issuer's tokens may have: exact names, or prefixes that end in `*`. */
export function namespacesOf({ namespace, namespaces }: TrustedIssuer): readonly string[] {
  return namespaces ?? [namespace as string];
}
