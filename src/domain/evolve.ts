import type { RequestRecord } from "./request-records.ts";
import { earliestRollover } from "./rollover.ts";
import type { Ban, DomainEvent, DomainState, Membership } from "./types.ts";

/** A batch's own copies of the maps of a state, changed in place so that a large batch stays linear. */
export type Draft = {
  members: Map<string, Membership>;
  records: Map<string, RequestRecord>;
  signedLeaves: Map<string, number>;
  bans: Map<string, Ban>;
};

/** Copies of the maps of a state. */
export function draftOf({ members, records, signedLeaves, bans }: DomainState): Draft {
  return {
    members: new Map(members),
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
      const { machineGuid, deviceKeyThumbprint, signedAt } = event;
      const lastRenewedOn = dayOf(now);
      draft.members.set(machineGuid, { deviceKeyThumbprint, joinedAt: now, signedAt, lastRenewedOn });
      return { ...state, memberCount: state.memberCount + 1 };
    }
    case "device-key-bound": {
      const { machineGuid, deviceKeyThumbprint, signedAt } = event;
      const joinedAt = draft.members.get(machineGuid)?.joinedAt ?? now;
      draft.members.set(machineGuid, { deviceKeyThumbprint, joinedAt, signedAt, lastRenewedOn: dayOf(now) });
      return state;
    }
    case "device-left": {
      const { machineGuid, signedAt } = event;
      draft.members.delete(machineGuid);
      if (signedAt !== null) draft.signedLeaves.set(machineGuid, signedAt);
      const rolloverNotBefore = state.keyRolloverRequired ? state.rolloverNotBefore : earliestRollover(state);
      return { ...state, memberCount: state.memberCount - 1, keyRolloverRequired: true, rolloverNotBefore };
    }
    case "device-evicted":
      draft.members.delete(event.machineGuid);
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
      return state;
  }
}

/** The day of a time in milliseconds, in days since the Unix epoch: the precision in which renewals are kept. */
export function dayOf(milliseconds: number): number {
  return Math.floor(milliseconds / 86_400_000);
}
