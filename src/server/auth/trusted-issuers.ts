import type { JWK } from "jose";
import * as z from "zod";
import { isSafeUrl } from "../loopback.ts";
import { overlap } from "./namespaces.ts";
import { SCOPES } from "./scopes.ts";

const publicKey = z
  .looseObject({ kty: z.enum(["EC", "RSA", "OKP"]) })
  .refine((jwk) => !("d" in jwk), "must hold public keys only") as unknown as z.ZodType<JWK>;

const namespace = z.string().min(1).max(128);

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
    /** What its tokens may let operators do, as far as their `scope` says so; nothing unless listed here. */
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
  });

/** An issuer whose tokens domains may require. */
export type TrustedIssuer = z.infer<typeof trustedIssuer>;

/**
 * Where an issuer could name the namespace of another in a claim, and so let its own tokens into the other's domains: the
 * places of two such issuers. Entries of one `issuer` may overlap, for they differ in audience alone.
 */
export function conflict(issuers: readonly TrustedIssuer[]): readonly [number, number] | null {
  for (const [later, issuer] of issuers.entries()) {
    const earlier = issuers.slice(0, later).findIndex((other) => inConflict(issuer, other));
    if (earlier !== -1) return [earlier, later];
  }
  return null;
}

function inConflict(one: TrustedIssuer, other: TrustedIssuer): boolean {
  // Two issuers of one fixed `namespace` are what the operator wrote down; only a claim lets an issuer choose.
  if (one.issuer === other.issuer || (!one.namespaces && !other.namespaces)) return false;
  return overlap(namespacesOf(one), namespacesOf(other));
}

function namespacesOf({ namespace, namespaces }: TrustedIssuer): readonly string[] {
  return namespaces ?? [namespace as string];
}
