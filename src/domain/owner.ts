import type { Refusal } from "./refusals.ts";
import type { AuthEvidence, DomainSettings, DomainState } from "./types.ts";

type Token = Extract<AuthEvidence, { kind: "verified" }>;

/** The settings of a domain that say who owns it. */
type Owned = Pick<DomainState, "name" | "isReserved" | "settings">;

/**
 * The refusal of a caller who is not the owner; null for the owner. A domain with a reserved name and no `ownerSubject`
 * belongs to its subject: an operator made it.
 *
 * Only callers in the domain's auth namespace (if it has none: with any valid token) learn that there is no owner. A
 * stranger learns nothing: the refusal is the same for every owner, and for none.
 */
export function ownerRefusal({ name, isReserved, settings }: Owned, auth: AuthEvidence): Refusal | null {
  const { authNamespace, ownerSubject } = settings;
  const refusal = ownerTokenRefusal(auth);
  if (refusal || auth.kind !== "verified") return refusal;
  if (authNamespace !== null && auth.namespace !== authNamespace) {
    return unauthenticated("the token is of another auth namespace");
  }
  if (ownerSubject === null && !isReserved) {
    return { error: "NOT_FOUND", reason: "no owner", detail: "The domain has no owner." };
  }
  const isOwners = ownerSubject === null ? auth.ownDomain?.name === name : isBoundTo(settings, auth);
  return isOwners ? null : unauthenticated("the token is not the owner's");
}

/** Whether a domain is bound to the subject of a token. */
export function isBoundTo({ authNamespace, ownerSubject }: DomainSettings, { namespace, subject }: Token): boolean {
  return ownerSubject !== null && namespace === authNamespace && subject === ownerSubject;
}

/** Why evidence is that of no owner, whichever the domain; null if it may be. */
export function ownerTokenRefusal(auth: AuthEvidence): Refusal | null {
  if (auth.kind !== "verified") return tokenFailure(auth);
  if (auth.subject === undefined) return unauthenticated("the token names no subject");
  // These requests carry no proof of possession of the key.
  return auth.keyThumbprint === null ? null : unauthenticated("the token is bound to a key");
}

/** The refusal of evidence that is of no valid token. */
export function tokenFailure(auth: Exclude<AuthEvidence, Token>): Refusal {
  switch (auth.kind) {
    case "none":
      return unauthenticated("no auth token");
    case "invalid": {
      const { kind, ...why } = auth;
      return { error: "DOM_AUTHENTICATION_REQUIRED", ...why };
    }
    case "unavailable":
      return { error: "TEMPORARILY_UNAVAILABLE", reason: auth.reason };
  }
}

function unauthenticated(reason: string): Refusal {
  return { error: "DOM_AUTHENTICATION_REQUIRED", reason };
}
