import type { RequestRecord } from "./request-records.ts";
import { earliestRollover } from "./rollover.ts";
import type { Ban, DomainEvent, DomainState, Membership } from "./types.ts";

/** A batch's own copies of the maps and lists of a state, changed in place so that a large batch stays linear. */
export type Draft = {
  members: Map<string, Membership>;
  leastRecent: string[];
  subjectMembers: Map<string, number>;
  records: Map<string, RequestRecord>;
  signedLeaves: Map<string, number>;
  bans: Map<string, Ban>;
};

/** Copies of the maps and lists of a state. */
export function draftOf({ members, leastRecent, subjectMembers, records, signedLeaves, bans }: DomainState): Draft {
  return {
    members: new Map(members),
    leastRecent: [...leastRecent],
    subjectMembers: new Map(subjectMembers),
    records: new Map(records),
    signedLeaves: new Map(signedLeaves),
    bans: new Map(bans),
  };
}

/**
 * The state after an event; what concerns single devices is changed in the draft.
 *
 * @param now milliseconds since the Unix epoch
 */
export function evolve(state: DomainState, event: DomainEvent, draft: Draft, now: number): DomainState {
  switch (event.type) {
    case "domain-created":
      return { ...state, revision: 1 };
    case "device-joined": {
      const { machineGuid, deviceKeyThumbprint, signedAt, subjectHash = null, sealedName = null } = event;
      const lastRenewedOn = dayOf(now);
      draft.members.set(machineGuid, {
        deviceKeyThumbprint,
        joinedAt: now,
        signedAt,
        lastRenewedOn,
        subjectHash,
        sealedName,
      });
      countSubject(draft, subjectHash, 1);
      return { ...state, memberCount: state.memberCount + 1 };
    }
    case "device-key-bound": {
      const { machineGuid, deviceKeyThumbprint, signedAt } = event;
      const member = draft.members.get(machineGuid);
      const lastRenewedOn = dayOf(now);
      if (member) draft.members.set(machineGuid, { ...member, deviceKeyThumbprint, signedAt, lastRenewedOn });
      return state;
    }
    case "device-named": {
      const { machineGuid, sealedName } = event;
      const member = draft.members.get(machineGuid);
      if (member) draft.members.set(machineGuid, { ...member, sealedName });
      return state;
    }
    case "device-left": {
      const { machineGuid, signedAt } = event;
      removeMember(draft, machineGuid);
      if (signedAt !== null) draft.signedLeaves.set(machineGuid, signedAt);
      const rolloverNotBefore = state.keyRolloverRequired ? state.rolloverNotBefore : earliestRollover(state);
      return { ...state, memberCount: state.memberCount - 1, keyRolloverRequired: true, rolloverNotBefore };
    }
    case "device-evicted":
      removeMember(draft, event.machineGuid);
      return { ...state, memberCount: state.memberCount - 1, keyRolloverRequired: true, rolloverNotBefore: 0 };
    case "device-banned": {
      const { machineGuid, deviceKeyThumbprint, reason, by } = event;
      draft.bans.set(machineGuid, { deviceKeyThumbprint, reason, by, bannedAt: now });
      return state;
    }
    case "device-unbanned":
      draft.bans.delete(event.machineGuid);
      return state;
    case "rollover-required":
      return { ...state, keyRolloverRequired: true, rolloverNotBefore: 0 };
    case "key-made":
      return { ...state, keyVersion: event.keyVersion, keyMadeAt: now, keyRolloverRequired: false };
    case "keys-retired":
      return { ...state, retiredUpTo: event.upTo };
    case "settings-changed": {
      const changed = { ...state, settings: event.settings };
      // A shorter interval counts at once, a longer one from the next rollover on.
      return { ...changed, rolloverNotBefore: Math.min(state.rolloverNotBefore, earliestRollover(changed)) };
    }
    case "domain-taken-over": {
      const { settings, keyVersion, retiredUpTo, memberCount } = event;
      return { ...state, settings, keyVersion, retiredUpTo, memberCount, keyRolloverRequired: true };
    }
    case "request-used":
    case "keys-rewrapped":
    case "names-resealed":
      return state;
  }
}

function removeMember(draft: Draft, machineGuid: string): void {
  countSubject(draft, draft.members.get(machineGuid)?.subjectHash ?? null, -1);
  draft.members.delete(machineGuid);
}

/** Counts a member of a subject, if that subject is under decision. */
function countSubject({ subjectMembers }: Draft, subjectHash: string | null, change: 1 | -1): void {
  const count = subjectHash === null ? undefined : subjectMembers.get(subjectHash);
  if (count !== undefined) subjectMembers.set(subjectHash as string, count + change);
}

/** The day of a time in milliseconds, in days since the Unix epoch: the precision in which renewals are kept. */
export function dayOf(milliseconds: number): number {
  return Math.floor(milliseconds / 86_400_000);
}
