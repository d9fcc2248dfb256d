import { authenticationRefusal } from "./authentication.ts";
import { deviceProofRefusal } from "./device-proof.ts";
import { idempotencyRecordId } from "./request-records.ts";
import { type AuthEvidence, type Decision, type DeviceProof, type DomainState, granted, refused } from "./types.ts";

/** A device asks to leave, or, as a preview, whether it could. */
export type Deregistration = Readonly<{
  type: "deregister";
  requestId: string;
  machineGuid: string;
  auth: AuthEvidence;
  preview: boolean;
  /** The proof of its signature; null if it is not signed. */
  proof: DeviceProof | null;
  /** The key under which its outcome is kept for the device to ask again; null to keep none. */
  idempotencyKey: string | null;
}>;

/** Whether the device was removed: false says that a preview would be allowed. */
export type DeregistrationGrant = Readonly<{ deregistered: boolean }>;

/** The de-registration logic of the reference, its steps 2 to 5. */
export function decideDeregistration(
  state: DomainState,
  deregistration: Deregistration,
): Decision<DeregistrationGrant> {
  const { machineGuid, requestId, auth, preview, proof, idempotencyKey } = deregistration;
  const unauthenticated = authenticationRefusal(state, auth);
  if (unauthenticated) return refused(unauthenticated);

  const record =
    idempotencyKey === null ? undefined : state.records.get(idempotencyRecordId(machineGuid, idempotencyKey));
  if (record) {
    // Answered as it was then, also if the device has come back since.
    return record.command === "deregister" && !preview
      ? granted({ deregistered: true })
      : refused({ error: "IDEMPOTENCY_KEY_REUSED", reason: "the key is on record for another request" });
  }

  const unproven = deviceProofRefusal(state, machineGuid, proof, auth);
  if (unproven) return refused(unproven);
  const member = state.members.get(machineGuid);
  if (!member) return refused({ error: "DEREG_DENIED", reason: "no such membership" });
  // A denied leave has no record. A captured copy of it must not end a later membership.
  if (proof && member.signedAt !== null && proof.signedAt < member.signedAt) {
    return refused({ error: "DEVICE_PROOF_INVALID", reason: "the request was signed before the device joined" });
  }
  return preview
    ? granted({ deregistered: false })
    : granted({ deregistered: true }, [
        { type: "device-left", machineGuid, requestId, signedAt: proof?.signedAt ?? null },
      ]);
}
