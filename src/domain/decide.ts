import { type BanGrant, type BanRequest, decideBan, decideUnban, type UnbanGrant, type UnbanRequest } from "./ban.ts";
import { type Deregistration, type DeregistrationGrant, decideDeregistration } from "./deregistration.ts";
import { decideEviction, type Eviction, type EvictionGrant } from "./eviction.ts";
import { decideRegistration, type Registration, type RegistrationGrant } from "./registration.ts";
import { decideRetirement, type Retirement, type RetirementGrant } from "./retirement.ts";
import { decideRollover, type Rollover, type RolloverGrant } from "./rollover.ts";
import { decideSettings, type SettingsChange, type SettingsGrant } from "./settings.ts";
import type { Ban, Decision, DomainEvent, DomainState, Membership, Outcome, RequestRecord } from "./types.ts";

/** Everything that can be asked of a domain. */
export type Command =
  | Registration
  | Deregistration
  | SettingsChange
  | Rollover
  | Retirement
  | Eviction
  | BanRequest
  | UnbanRequest;

/** What each command grants. */
export type GrantOf = {
  register: RegistrationGrant;
  deregister: DeregistrationGrant;
  settings: SettingsGrant;
  rollover: RolloverGrant;
  retire: RetirementGrant;
  evict: EvictionGrant;
  ban: BanGrant;
  unban: UnbanGrant;
};

/** The outcome of a command, whichever it was. */
export type AnyOutcome = Outcome<GrantOf[Command["type"]]>;

/** What a group of commands comes to: the state after it, all that happened, and one outcome for each command. */
export type GroupDecision = Readonly<{
  state: DomainState;
  events: readonly DomainEvent[];
  outcomes: readonly AnyOutcome[];
}>;

/**
 * Decides commands one after the other, each on the state the ones before it left.
 *
 * @param now milliseconds since the Unix epoch
 * @param alreadyDone ids of requests whose change an earlier try of them committed before its answer was lost
 */
export function decideGroup(
  initial: DomainState,
  commands: readonly Command[],
  now: number,
  alreadyDone: ReadonlySet<string> = new Set(),
): GroupDecision {
  const draft: Draft = {
    members: new Map(initial.members),
    records: new Map(initial.records),
    signedLeaves: new Map(initial.signedLeaves),
    bans: new Map(initial.bans),
  };
  const events: DomainEvent[] = [];
  const outcomes: AnyOutcome[] = [];
  let state: DomainState = { ...initial, ...draft };
  for (const command of commands) {
    const decision = decide(state, command, alreadyDone);
    for (const event of decision.events) {
      state = evolve(state, event, draft, now);
      events.push(event);
    }
    outcomes.push(decision.outcome);
  }
  // However many events: one group, one commit, one revision.
  return { state: { ...state, revision: initial.revision + (events.length > 0 ? 1 : 0) }, events, outcomes };
}

/** Decides one command alone. */
export function decide(
  state: DomainState,
  command: Command,
  alreadyDone: ReadonlySet<string> = new Set(),
): Decision<GrantOf[Command["type"]]> {
  switch (command.type) {
    case "register":
      return decideRegistration(state, command, alreadyDone.has(command.requestId));
    case "deregister":
      return decideDeregistration(state, command, alreadyDone.has(command.requestId));
    case "settings":
      return decideSettings(state, command);
    case "rollover":
      return decideRollover(state, command, alreadyDone.has(command.requestId));
    case "retire":
      return decideRetirement(state, command, alreadyDone.has(command.requestId));
    case "evict":
      return decideEviction(state, command, alreadyDone.has(command.requestId));
    case "ban":
      return decideBan(state, command, alreadyDone.has(command.requestId));
    case "unban":
      return decideUnban(state, command, alreadyDone.has(command.requestId));
  }
}

/** The group's own copies of what grows with it, changed in place so that a large group stays linear. */
type Draft = {
  members: Map<string, Membership>;
  records: Map<string, RequestRecord>;
  signedLeaves: Map<string, number>;
  bans: Map<string, Ban>;
};

/** The state after an event. */
function evolve(state: DomainState, event: DomainEvent, draft: Draft, now: number): DomainState {
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
      const { machineGuid, requestKey, signedAt } = event;
      draft.members.delete(machineGuid);
      if (requestKey !== null) draft.records.set(requestKey, { action: "deregister", here: true, machineGuid });
      if (signedAt !== null) draft.signedLeaves.set(machineGuid, signedAt);
      return { ...state, memberCount: state.memberCount - 1, keyRolloverRequired: true };
    }
    case "device-evicted":
      draft.members.delete(event.machineGuid);
      return { ...state, memberCount: state.memberCount - 1, keyRolloverRequired: true };
    case "device-banned": {
      const { machineGuid, deviceKeyThumbprint, reason, by } = event;
      draft.bans.set(machineGuid, { deviceKeyThumbprint, reason, by, bannedAt: now });
      return state;
    }
    case "device-unbanned":
      draft.bans.delete(event.machineGuid);
      return state;
    case "request-used":
      draft.records.set(event.requestKey, { action: "register", here: true, machineGuid: event.machineGuid });
      return state;
    case "rollover-required":
      return { ...state, keyRolloverRequired: true };
    case "key-made":
      return { ...state, keyVersion: event.keyVersion, keyRolloverRequired: false };
    case "keys-retired":
      return { ...state, retiredUpTo: event.upTo };
    case "settings-changed":
      return { ...state, settings: event.settings };
  }
}

/** The day of a time in milliseconds, in days since the Unix epoch: as exactly as renewals are kept. */
export function dayOf(milliseconds: number): number {
  return Math.floor(milliseconds / 86_400_000);
}
