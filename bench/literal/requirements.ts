import type { Refusal } from "../../src/domain/refusals.ts";
import type { AuthEvidence, DeviceProof, DomainSettings } from "../../src/domain/types.ts";

/** Why a domain turns this auth token (or none) away; null if it does not. */
export function authenticationFault(settings: DomainSettings, auth: AuthEvidence): Refusal | null {
  if (!settings.authenticationRequired) return null;
  if (auth.kind === "unavailable") return { error: "TEMPORARILY_UNAVAILABLE", reason: auth.reason };
  if (auth.kind !== "verified") return { error: "DOM_AUTHENTICATION_REQUIRED", reason: "no valid auth token" };
  if (settings.authNamespace !== null && settings.authNamespace !== auth.namespace) {
    return { error: "DOM_AUTHENTICATION_REQUIRED", reason: "the token is of another auth namespace" };
  }
  return null;
}

/** Why a domain turns this proof (or none) of the device away; null if it does not. */
export function proofFault(
  settings: DomainSettings,
  member: { deviceKeyThumbprint: string | null } | null,
  proof: DeviceProof | null,
  auth: AuthEvidence,
): Refusal | null {
  if (settings.deviceKeyRequired && !proof) return { error: "DEVICE_KEY_REQUIRED", reason: "not signed" };
  const bound = member?.deviceKeyThumbprint ?? null;
  const tokenBound = settings.authenticationRequired && auth.kind === "verified" ? auth.keyThumbprint : null;
  for (const thumbprint of [bound, tokenBound]) {
    if (thumbprint !== null && thumbprint !== proof?.thumbprint) {
      return { error: "DEVICE_PROOF_INVALID", reason: "the request is not signed with the key it is bound to" };
    }
  }
  return null;
}
