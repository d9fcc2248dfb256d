import { authenticationRefusal } from "./authentication.ts";
import { type AuthEvidence, type Decision, type DomainState, granted, refused } from "./types.ts";

/** A device asks to leave, or, as a preview, whether it could. */
export type Deregistration = Readonly<{
  type: "deregister";
  requestId: string;
  machineGuid: string;
  auth: AuthEvidence;
  preview: boolean;
}>;

/** Whether the device was removed: false says that a preview would be allowed. */
export type DeregistrationGrant = Readonly<{ deregistered: boolean }>;

/**
 * The de-registration logic of the reference, its steps 2 to 5.
 *
 * @param alreadyDone whether an earlier try of this very request removed the device
 */
export function decideDeregistration(
  state: DomainState,
  deregistration: Deregistration,
  alreadyDone = false,
): Decision<DeregistrationGrant> {
  const { machineGuid, requestId, auth, preview } = deregistration;
  const refusal = authenticationRefusal(state.settings, auth);
  if (refusal) return refused(refusal);

  if (alreadyDone) return granted({ deregistered: true });
  if (!state.members.has(machineGuid)) {
    return refused({ error: "DEREG_DENIED", reason: "no such membership" });
  }
  return preview
    ? granted({ deregistered: false })
    : granted({ deregistered: true }, [{ type: "device-left", machineGuid, requestId }]);
}
