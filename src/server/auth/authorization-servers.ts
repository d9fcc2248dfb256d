import type { DomainSettings } from "../../domain/types.ts";
import { covers } from "../../protocol/namespace-patterns.ts";
import { reserves } from "./identity-domains.ts";
import { namespacesOf, type TrustedIssuer } from "./trusted-issuers.ts";

/** The part of a domain that says whose tokens it takes. */
type Guarded = Pick<DomainSettings, "authenticationRequired" | "authNamespace" | "ownerSubject"> &
  Readonly<{ domain: string }>;

/** The issuers whose tokens a domain takes; none if it asks for no token. */
export function authorizationServers(
  issuers: readonly TrustedIssuer[],
  { domain, authenticationRequired, authNamespace, ownerSubject }: Guarded,
): readonly string[] {
  const isReserved = issuers.some((issuer) => reserves(issuer, domain));
  if (!authenticationRequired && !isReserved) return [];
  const taken = issuers.filter((issuer) => {
    if (authNamespace !== null && !covers(namespacesOf(issuer), authNamespace)) return false;
    // A domain that is bound to its owner takes their tokens under any name.
    if (ownerSubject !== null) return true;
    return issuer.domains ? reserves(issuer, domain) : !isReserved;
  });
  return [...new Set(taken.map(({ issuer }) => issuer))];
}
