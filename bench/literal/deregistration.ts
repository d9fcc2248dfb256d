import type { AuthEvidence, DeviceProof } from "../../src/domain/types.ts";
import { type Answer, authenticationRefused, proofRefused, refuse } from "./answers.ts";
import type { Tables } from "./tables.ts";

/** A device asks to leave, or, as a preview, whether it could. */
export type DeregisterRequest = Readonly<{
  machineGuid: string;
  preview: boolean;
  auth: AuthEvidence;
  proof: DeviceProof | null;
  /** Under which key the leave may be asked again; null if it may not. */
  idempotencyKey: string | null;
  requestId: string;
}>;

/** The de-registration logic of the reference. */
export async function deregister(
  tables: Tables,
  request: DeregisterRequest,
): Promise<Answer<{ deregistered: boolean }>> {
  const { machineGuid, preview, auth, proof, idempotencyKey, requestId } = request;

  // Step 2: look up the domain name.
  const info = await tables.info();

  // Step 3: authentication, if it is required.
  const unauthenticated = info && authenticationRefused(info, auth);
  if (unauthenticated) return unauthenticated;

  if (idempotencyKey !== null) {
    const action = await tables.requestedAction(machineGuid, idempotencyKey);
    if (action !== null) {
      return action === "deregister" && !preview
        ? { granted: true, grant: { deregistered: true } }
        : refuse("IDEMPOTENCY_KEY_REUSED", "the key is on record for another request");
    }
  }

  // Step 4: look up the domain name and machine GUID.
  const member = await tables.member(machineGuid);
  const unproven = info && proofRefused(info, member, proof, auth);
  if (unproven) return unproven;
  if (!member) return refuse("DEREG_DENIED", "no such membership");
  if (proof && member.signedAt !== null && proof.signedAt < member.signedAt) {
    return refuse("DEVICE_PROOF_INVALID", "signed before the join");
  }
  if (preview) return { granted: true, grant: { deregistered: false } };

  // Step 5: delete the entry, and set the Key Rollover Required flag.
  await tables.deleteMember(machineGuid);
  const signedAt = proof?.signedAt ?? null;
  if (idempotencyKey !== null) await tables.insertRequest(machineGuid, idempotencyKey, "deregister", signedAt);
  await tables.record({ members: -1, keyRolloverRequired: true }, [
    { type: "device-left", machineGuid, requestId, signedAt },
  ]);
  return { granted: true, grant: { deregistered: true } };
}
