import { type Command, machineGuidsOf } from "../../../src/domain/commands.ts";
import { type BatchDecision, decideBatch } from "../../../src/domain/decide.ts";
import type { Registration } from "../../../src/domain/registration.ts";
import { candidatesNeeded } from "../../../src/domain/replacement-candidates.ts";
import { type DomainSettings, type DomainState, type Membership, NEWBORN } from "../../../src/domain/types.ts";
import { MAX_CREDENTIALS } from "../../../src/protocol/limits.ts";

const DAY = 86_400_000;

let requests = 0;
const newRequestId = () => `request ${++requests}`;

/** Registers a device that shows no token and signs nothing. */
export function joins(machineGuid: string, more: Partial<Registration> = {}): Registration {
  return {
    ...{ type: "register", requestId: newRequestId(), machineGuid, auth: { kind: "none" }, afterKeyVersion: 0 },
    ...{ maxCredentials: MAX_CREDENTIALS, proof: null, sealed: false },
    ...more,
  };
}

export function leaves(machineGuid: string, more: object = {}): Command {
  return {
    ...{ type: "deregister", requestId: newRequestId(), machineGuid, auth: { kind: "none" } },
    ...{ preview: false, proof: null, idempotencyKey: null },
    ...more,
  } as Command;
}

export function evicts(machineGuid: string): Command {
  return { type: "evict", requestId: newRequestId(), machineGuid, by: "op" };
}

export function bans(machineGuid: string): Command {
  return { type: "ban", requestId: newRequestId(), machineGuid, reason: "stolen", by: "op" };
}

export function changes(patch: Partial<DomainSettings>): Command {
  return { type: "settings", requestId: newRequestId(), by: "op", mode: "merge", patch };
}

/** A whole domain in memory: gives the rules what its object would load for them, and keeps what they decide. */
export class DomainInMemory {
  #state: DomainState;
  readonly #candidates: (state: DomainState, commands: readonly Command[]) => number;

  /**
   * @param members the day on which each renewed last, in days since the Unix epoch; they joined in this order
   * @param candidates how many candidates are loaded for commands: as many as needed by default
   */
  constructor(
    settings: Partial<DomainSettings>,
    members: Readonly<Record<string, number>> = {},
    candidates: (state: DomainState, commands: readonly Command[]) => number = candidatesNeeded,
  ) {
    const rows = Object.entries(members).map(([guid, day], index) => [guid, memberOf(day, index)] as const);
    this.#state = {
      ...NEWBORN,
      ...{ revision: 1, keyVersion: 1, keyRolloverRequired: false, memberCount: rows.length, members: new Map(rows) },
      settings: { ...NEWBORN.settings, ...settings },
    };
    this.#candidates = candidates;
  }

  /** The domain with all its members. */
  get state(): DomainState {
    return this.#state;
  }

  /** Carries commands out as one batch, at a time in milliseconds since the Unix epoch. */
  carryOut(now: number, ...commands: readonly Command[]): BatchDecision {
    const before = this.#load(commands);
    const decision = decideBatch(before, commands, now);
    const members = new Map(this.#state.members);
    for (const guid of before.members.keys()) members.delete(guid);
    for (const [guid, member] of decision.state.members) members.set(guid, member);
    // What the object keeps as usage statistics.
    const today = Math.floor(now / DAY);
    commands.forEach((command, index) => {
      const member = command.type === "register" && members.get(command.machineGuid);
      if (!member || !decision.outcomes[index]?.granted) return;
      members.set(command.machineGuid, { ...member, lastRenewedOn: today });
    });
    this.#state = { ...decision.state, members };
    return decision;
  }

  #load(commands: readonly Command[]): DomainState {
    const { members } = this.#state;
    const named = commands.flatMap(machineGuidsOf);
    const state = { ...this.#state, members: chosen(members, named) };
    const leastRecent = [...members.keys()].sort((a, b) => {
      const [one, other] = [members.get(a) as Membership, members.get(b) as Membership];
      return one.lastRenewedOn - other.lastRenewedOn || one.joinedAt - other.joinedAt || (a < b ? -1 : 1);
    });
    const candidates = leastRecent.slice(0, this.#candidates(state, commands)).reverse();
    return { ...state, members: chosen(members, [...named, ...candidates]), leastRecent: candidates };
  }
}

function chosen(members: ReadonlyMap<string, Membership>, guids: readonly string[]): Map<string, Membership> {
  return new Map(
    guids.flatMap((guid) => (members.has(guid) ? [[guid, members.get(guid) as Membership] as const] : [])),
  );
}

function memberOf(lastRenewedOn: number, joinedAt: number): Membership {
  return {
    ...{ deviceKeyThumbprint: null, joinedAt, signedAt: null, lastRenewedOn, subjectHash: null, sealedName: null },
  };
}
