import { asksForToken, authenticationRefusal } from "./authentication.ts";
import { banRefusal } from "./ban.ts";
import { creationEvents } from "./creation.ts";
import { deviceProofRefusal, replayRefusal } from "./device-proof.ts";
import { dayOf } from "./evolve.ts";
import { type Birth, settingsEvents, stateByToken } from "./own-domain.ts";
import type { DomainError, Refusal } from "./refusals.ts";
import { replacementEvents } from "./replacement.ts";
import type { RequestRecord } from "./request-records.ts";
import { rolloverEvents } from "./rollover.ts";
import {
  type AuthEvidence,
  type Decision,
  type DeviceProof,
  type DomainEvent,
  type DomainState,
  granted,
  type Membership,
  refused,
} from "./types.ts";

/** A device asks to join, or to renew. */
export type Registration = Readonly<{
  type: "register";
  requestId: string;
  machineGuid: string;
  auth: AuthEvidence;
  /** The highest key version whose credential the device holds already; 0 for none. */
  afterKeyVersion: number;
  /** How many credentials it gets at most, the newest. */
  maxCredentials: number;
  /** The proof of its signature; null if it is not signed. */
  proof: DeviceProof | null;
  /** Whether its machine GUID or its key is banned server-wide, as far as the caller knows. */
  bannedEverywhere?: boolean;
  /** The name it gives itself, sealed; absent if it gives none. It names a member that has no name yet. */
  sealedName?: string;
  /** The refusal if this request would create the domain; none by default. */
  creationRefusal?: DomainError | null;
  /** The settings of a domain that it creates, unless that is the token's own domain; absent for the defaults. */
  birth?: Birth;
  /** Whether the private keys will leave this server sealed to the device alone. */
  sealed: boolean;
}>;

/** The device is a member, and gets the credential of each key above `credentialsAfter`, up to `keyVersion`. */
export type RegistrationGrant = Readonly<{
  newMember: boolean;
  credentialsAfter: number;
  keyVersion: number;
  /** The versions it asked for that are not among them: their keys are in the history. Absent if there are none. */
  olderKeyVersions?: KeyVersions;
}>;

/** Key versions from one to another, both included. */
type KeyVersions = Readonly<{ from: number; to: number }>;

/** The registration logic of the reference, its steps 2 to 6, for a domain that may not exist yet. */
export function decideRegistration(
  before: DomainState,
  registration: Registration,
  now: number,
): Decision<RegistrationGrant> {
  const { machineGuid, requestId, auth, proof, sealed, creationRefusal, birth } = registration;
  const state = stateByToken(before, auth, birth);
  if (state.revision === 0 && creationRefusal) {
    return refused({ error: creationRefusal, reason: "it may not create the domain" });
  }
  const refusal =
    authenticationRefusal(state, auth) ??
    deviceProofRefusal(state, machineGuid, proof, auth) ??
    banRefusal(state, machineGuid, proof, registration.bannedEverywhere) ??
    replayRefusal(state, machineGuid, proof, sealed);
  if (refusal) return refused(refusal);

  const member = state.members.get(machineGuid);
  const newMember = member === undefined;
  const replaced = newMember ? replacementEvents(state, requestId, dayOf(now)) : [];
  if (!replaced) {
    const { memberCount, settings } = state;
    return refused({ error: "DOM_LIMIT_REACHED", reason: `${memberCount} of ${settings.maxMembership} members` });
  }
  const overQuota = newMember ? quotaRefusal(state, auth) : null;
  if (overQuota) return refused(overQuota);

  const used: DomainEvent[] = proof && !sealed ? [{ type: "request-used", machineGuid, requestId }] : [];
  // The newcomer has the rollover carried out that a removal makes due.
  const rolledOver = rolloverEvents(state, now, replaced.length > 0);
  const keyVersion = state.keyVersion + rolledOver.length;
  return granted({ newMember, keyVersion, ...versionsGranted(state, registration, keyVersion) }, [
    ...creationEvents(state),
    ...settingsEvents(before, state, requestId, birth?.by ?? "token"),
    ...replaced,
    ...membershipEvents(state, registration, member),
    ...used,
    ...rolledOver,
  ]);
}

/** The versions whose credentials a registration gets: the newest that it asks for and that are not retired. */
function versionsGranted(
  { retiredUpTo }: DomainState,
  { afterKeyVersion, maxCredentials }: Registration,
  keyVersion: number,
): Pick<RegistrationGrant, "credentialsAfter" | "olderKeyVersions"> {
  const askedAfter = Math.max(afterKeyVersion, retiredUpTo);
  const credentialsAfter = Math.max(askedAfter, keyVersion - maxCredentials);
  return credentialsAfter > askedAfter
    ? { credentialsAfter, olderKeyVersions: { from: askedAfter + 1, to: credentialsAfter } }
    : { credentialsAfter };
}

/**
 * Answers the repeat of a registration that is on record: as it was then, with the keys of then. A device that was
 * removed since is not brought back; it has to ask anew.
 */
export function repeatedRegistration(
  state: DomainState,
  registration: Registration,
  record: RequestRecord,
): Decision<RegistrationGrant> {
  if (!state.members.has(registration.machineGuid)) {
    return refused({ error: "TEMPORARILY_UNAVAILABLE", reason: "the device was removed since its request was served" });
  }
  const { newMember, keyVersion } = record.grant as RegistrationGrant;
  return granted({ newMember, keyVersion, ...versionsGranted(state, registration, keyVersion) });
}

/** The refusal of one more member by a token of this subject; null if the domain lets it in. */
function quotaRefusal(state: DomainState, auth: AuthEvidence): Refusal | null {
  const { subjectMembers } = state;
  const { maxMembershipPerSubject } = state.settings;
  if (maxMembershipPerSubject === null) return null;
  const subjectHash = subjectOf(state, auth);
  if (subjectHash === null) return { error: "DOM_AUTHENTICATION_REQUIRED", reason: "the token names no subject" };
  if ((subjectMembers.get(subjectHash) ?? 0) < maxMembershipPerSubject) return null;
  return { error: "DOM_LIMIT_REACHED", reason: `the token's subject has ${maxMembershipPerSubject} members` };
}

/** The subject of a token, where tokens count. */
function subjectOf(state: DomainState, auth: AuthEvidence): string | null {
  return asksForToken(state) && auth.kind === "verified" ? (auth.subjectHash ?? null) : null;
}

/**
 * The device becomes a member, with its key and its name if it has them. A member without a key is bound to the first it
 * shows, and one without a name gets the first it gives: later ones do not undo what its owner calls it.
 */
function membershipEvents(
  state: DomainState,
  { machineGuid, requestId, proof, auth, sealedName }: Registration,
  member: Membership | undefined,
): readonly DomainEvent[] {
  const binding = { deviceKeyThumbprint: proof?.thumbprint ?? null, signedAt: proof?.signedAt ?? null };
  if (!member) {
    const subjectHash = subjectOf(state, auth);
    const known = { ...(subjectHash ? { subjectHash } : {}), ...(sealedName ? { sealedName } : {}) };
    return [{ type: "device-joined", machineGuid, requestId, ...binding, ...known }];
  }
  const events: DomainEvent[] = [];
  if (member.deviceKeyThumbprint === null && proof) {
    events.push({ type: "device-key-bound", machineGuid, requestId, ...binding });
  }
  if (member.sealedName === null && sealedName) {
    events.push({ type: "device-named", machineGuid, requestId, sealedName });
  }
  return events;
}
