import type { Refusal } from "./errors.ts";
import type { AuthEvidence, DomainSettings } from "./types.ts";

/** Why a domain with these settings turns this evidence away; null if it does not (steps 3 and 4 of the reference). */
export function authenticationRefusal(settings: DomainSettings, auth: AuthEvidence): Refusal | null {
  if (!settings.authenticationRequired) return null;
  switch (auth.kind) {
    case "none":
      return { error: "DOM_AUTHENTICATION_REQUIRED", reason: "no auth token" };
    case "invalid":
      return { error: "DOM_AUTHENTICATION_REQUIRED", reason: auth.reason };
    case "unavailable":
      return { error: "TEMPORARILY_UNAVAILABLE", reason: auth.reason };
    case "verified":
      return settings.authNamespace === null || settings.authNamespace === auth.namespace
        ? null
        : { error: "DOM_AUTHENTICATION_REQUIRED", reason: "the token is of another auth namespace" };
  }
}
