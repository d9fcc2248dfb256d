import { isBoundTo, tokenFailure } from "./owner.ts";
import type { Refusal } from "./refusals.ts";
import type { AuthEvidence, DomainState } from "./types.ts";

type Guarded = Pick<DomainState, "name" | "isReserved" | "settings">;

/** Whether a domain asks for an auth token. A reserved name does, whatever the settings say. */
export function asksForToken({ isReserved, settings }: Omit<Guarded, "name">): boolean {
  return settings.authenticationRequired || isReserved;
}

/** Why a domain turns this evidence away; null if it does not (steps 3 and 4 of the reference). */
export function authenticationRefusal(domain: Guarded, auth: AuthEvidence): Refusal | null {
  if (auth.kind === "verified") return tokenRefusal(domain, auth);
  return asksForToken(domain) ? tokenFailure(auth) : null;
}

type Verified = Extract<AuthEvidence, { kind: "verified" }>;

function tokenRefusal({ name, isReserved, settings }: Guarded, auth: Verified): Refusal | null {
  const { authenticationRequired, authNamespace, ownerSubject } = settings;
  const isOfNamespace = authNamespace === null || auth.namespace === authNamespace;
  if (isBoundTo(settings, auth)) return null;
  // Refused even if the domain needs no token. Otherwise a mistyped name would create an ownerless domain.
  if (auth.ownDomain && auth.ownDomain.name !== name) return unfit("The token is for another domain.");
  if (isReserved && !auth.ownDomain) return unfit("This domain name is reserved for another issuer.");
  if (!authenticationRequired) return null;
  if (!isOfNamespace) return unfit("The token has another auth namespace than the domain requires.");
  return ownerSubject === null ? null : unfit("The token is of another subject.");
}

/** A refusal that tells its caller why: it speaks of the caller's own token alone. */
function unfit(detail: string): Refusal {
  return { error: "DOM_AUTHENTICATION_REQUIRED", reason: detail, detail };
}
