import { authenticationRefusal } from "./authentication.ts";
import { rolloverEvents } from "./rollover.ts";
import { type AuthEvidence, type Decision, type DomainEvent, type DomainState, granted, refused } from "./types.ts";

/** A device asks to join, or to renew. */
export type Registration = Readonly<{
  type: "register";
  requestId: string;
  machineGuid: string;
  auth: AuthEvidence;
  /** The highest key version whose credential the device holds already; 0 for none. */
  afterKeyVersion: number;
}>;

/** The device is a member, and gets the credential of each key above `credentialsAfter`, up to `keyVersion`. */
export type RegistrationGrant = Readonly<{ newMember: boolean; credentialsAfter: number; keyVersion: number }>;

/**
 * The registration logic of the reference, its steps 2 to 6, for a domain that may not exist yet.
 *
 * @param alreadyDone whether an earlier try of this very request made the device a member
 */
export function decideRegistration(
  state: DomainState,
  registration: Registration,
  alreadyDone = false,
): Decision<RegistrationGrant> {
  const { machineGuid, requestId, auth, afterKeyVersion } = registration;
  const refusal = authenticationRefusal(state.settings, auth);
  if (refusal) return refused(refusal);

  const newMember = !state.members.has(machineGuid);
  const { maxMembership } = state.settings;
  if (newMember && maxMembership !== null && state.memberCount >= maxMembership) {
    return refused({ error: "DOM_LIMIT_REACHED", reason: `${state.memberCount} of ${maxMembership} members` });
  }

  const created: DomainEvent[] = state.revision === 0 ? [{ type: "domain-created" }] : [];
  const joined: DomainEvent[] = newMember ? [{ type: "device-joined", machineGuid, requestId }] : [];
  const rolledOver = rolloverEvents(state);
  return granted(
    {
      newMember: newMember || alreadyDone,
      credentialsAfter: afterKeyVersion,
      keyVersion: state.keyVersion + rolledOver.length,
    },
    [...created, ...joined, ...rolledOver],
  );
}
