import { asksForToken } from "./authentication.ts";
import type { Refusal } from "./refusals.ts";
import { idempotencyRecordId } from "./request-records.ts";
import type { AuthEvidence, DeviceProof, DomainState } from "./types.ts";

/**
 * Why a domain turns away a request that speaks for this machine GUID with this proof (or none); null if it does not.
 *
 * A known machine GUID with another key is the classic takeover of an identity, so it is refused and changes nothing.
 */
export function deviceProofRefusal(
  state: DomainState,
  machineGuid: string,
  proof: DeviceProof | null,
  auth: AuthEvidence,
): Refusal | null {
  if (!proof && state.settings.deviceKeyRequired) {
    return { error: "DEVICE_KEY_REQUIRED", reason: "the request is not signed" };
  }
  const bound = state.members.get(machineGuid)?.deviceKeyThumbprint ?? null;
  if (bound !== null && bound !== proof?.thumbprint) {
    const reason = proof ? "the request is signed with another key" : "the request is not signed";
    return { error: "DEVICE_PROOF_INVALID", reason: `${reason}, and the membership is bound to one` };
  }
  // If the domain needs no token, a token's key binding is ignored too.
  const tokenKey = asksForToken(state) && auth.kind === "verified" ? auth.keyThumbprint : null;
  if (tokenKey !== null && tokenKey !== proof?.thumbprint) {
    return { error: "DEVICE_PROOF_INVALID", reason: "the auth token is bound to another key" };
  }
  return null;
}

/**
 * Why a signed registration may not be carried out (again); null if it may. A captured one is worth nothing: it
 * cannot bring back a device that left since, and it is answered in the clear only once.
 */
export function replayRefusal(
  state: DomainState,
  machineGuid: string,
  proof: DeviceProof | null,
  sealed: boolean,
): Refusal | null {
  if (!proof) return null;
  if (proof.signedAt < (state.signedLeaves.get(machineGuid) ?? Number.NEGATIVE_INFINITY)) {
    return { error: "DEVICE_PROOF_INVALID", reason: "the request was signed before the device left" };
  }
  if (!sealed && state.records.has(idempotencyRecordId(machineGuid, proof.idempotencyKey))) {
    return { error: "DEVICE_PROOF_INVALID", reason: "the request was used before" };
  }
  return null;
}
