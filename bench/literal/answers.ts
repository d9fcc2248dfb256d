import type { Refusal } from "../../src/domain/refusals.ts";
import type { AuthEvidence, DeviceProof, DomainSettings } from "../../src/domain/types.ts";

/** The object's outcomes: plain data, because errors lose their class on the way to the Worker. */
export type Answer<Grant> = Readonly<{ granted: true; grant: Grant } | Refused>;
type Refused = Readonly<{ granted: false; refusal: Refusal }>;

/** An answer that refuses. */
export function refuse(error: Refusal["error"], reason: string): Refused {
  return { granted: false, refusal: { error, reason } };
}

/** Turns this auth token (or none) away, if the domain requires another; null if it does not. */
export function authenticationRefused(settings: DomainSettings, auth: AuthEvidence): Refused | null {
  if (!settings.authenticationRequired) return null;
  if (auth.kind === "unavailable") return refuse("TEMPORARILY_UNAVAILABLE", auth.reason);
  if (auth.kind !== "verified") return refuse("DOM_AUTHENTICATION_REQUIRED", "no valid auth token");
  if (settings.authNamespace !== null && settings.authNamespace !== auth.namespace) {
    return refuse("DOM_AUTHENTICATION_REQUIRED", "the token is of another auth namespace");
  }
  return null;
}

/** Turns this proof (or none) of the device away, if it has to be another; null if it does not. */
export function proofRefused(
  settings: DomainSettings,
  member: { deviceKeyThumbprint: string | null } | null,
  proof: DeviceProof | null,
  auth: AuthEvidence,
): Refused | null {
  if (settings.deviceKeyRequired && !proof) return refuse("DEVICE_KEY_REQUIRED", "not signed");
  const bound = member?.deviceKeyThumbprint ?? null;
  const tokenBound = settings.authenticationRequired && auth.kind === "verified" ? auth.keyThumbprint : null;
  for (const thumbprint of [bound, tokenBound]) {
    if (thumbprint !== null && thumbprint !== proof?.thumbprint) {
      return refuse("DEVICE_PROOF_INVALID", "the request is not signed with the key it is bound to");
    }
  }
  return null;
}
