import * as z from "zod";
import { isSafeUrl } from "../../protocol/loopback.ts";
import type { TrustedIssuer } from "./trusted-issuers.ts";

/** Scope values with a space between two. @see RFC 6749, The OAuth 2.0 Authorization Framework, section 3.3 */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;

/** The client as which the owners' page signs people in at an issuer: a public one, which has no secret. */
export const ownerSignIn = z.strictObject({
  clientId: z.string().min(1),
  scope: z.string().regex(SCOPE, "must be scopes with one space between two").default("openid"),
});

/** An issuer at which owners sign in, as their page needs to know it. */
export type SignInIssuer = Readonly<{ issuer: string; clientId: string; scope: string; audience: string }>;

/**
 * The fault of an issuer that people are to sign in at; null if it has none. A browser reads its configuration.
 *
 * @see RFC 8414, OAuth 2.0 Authorization Server Metadata, section 2
 */
export function signInProblem({ issuer }: Readonly<{ issuer: string }>): string | null {
  // The page's policy names the origin. A host with other characters could end the directive.
  if (!isSafeUrl(issuer) || !/^https?:\/\/[\w.:[\]-]+$/.test(new URL(issuer).origin)) {
    return "needs an issuer that is an https URL, or http on a loopback address";
  }
  return /[?#]/.test(issuer) ? "needs an issuer without query and fragment" : null;
}

/** The issuers at which owners sign in, in the order of the configuration. */
export function signInIssuers(issuers: readonly TrustedIssuer[]): readonly SignInIssuer[] {
  return issuers.flatMap(({ issuer, audience, signIn }) => (signIn ? [{ issuer, ...signIn, audience }] : []));
}
