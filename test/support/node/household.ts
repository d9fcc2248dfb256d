import type { Command } from "../../../src/domain/commands.ts";
import type { Registration } from "../../../src/domain/registration.ts";
import type { AuthEvidence, DomainEvent } from "../../../src/domain/types.ts";
import { changes, DomainInMemory, evicts, joins, leaves } from "./domain-in-memory.ts";
import { type Random, seededRandom } from "./seeded-random.ts";

const DAY = 86_400_000;
const FIRST_DAY = Date.parse("2026-01-01T00:00:00Z") / DAY;

/** A device of the household: it is used each so many days, until it is lost. */
type Device = { guid: string; everyDays: number; lostOn: number };

/** The events of a year, counted, and those that must not have happened, in one sentence each. */
export type Year = {
  problems: string[];
  counts: { renewed: number; joined: number; replaced: number; refused: number; removed: number; strangers: number };
};

/** A household with a domain of its own, whose devices come, are used, are lost and are removed by a seed. */
export class Household {
  readonly #random: Random;
  readonly #domain: DomainInMemory;
  readonly #name: string;
  readonly #year: Year = {
    problems: [],
    counts: { renewed: 0, joined: 0, replaced: 0, refused: 0, removed: 0, strangers: 0 },
  };
  /** The day on which each device was last served: what its owner knows, whatever the domain has noted. */
  readonly #served = new Map<string, number>();
  readonly #minIdleDays: number;
  #devices: Device[] = [];
  #bought = 0;
  #now = FIRST_DAY * DAY;

  constructor(name: string) {
    this.#name = name;
    this.#random = seededRandom(name);
    this.#minIdleDays = this.#random.pick([0, 7, 30, 30, 30, 90]);
    const owned = { authenticationRequired: true, authNamespace: "home", ownerSubject: name };
    const maxMembership = 1 + this.#random.below(8);
    const rule = { whenFull: "replace-least-recent", minIdleDays: this.#minIdleDays } as const;
    this.#domain = new DomainInMemory({ ...owned, ...rule, maxMembership });
  }

  /** Lives so many days. */
  live(days: number): Year {
    for (let day = FIRST_DAY; day < FIRST_DAY + days; day++) {
      this.#now = Math.max(this.#now, day * DAY);
      this.#buy(day);
      for (const device of this.#devices) {
        if (day < device.lostOn && this.#random.below(device.everyDays) === 0) this.#register(device.guid);
      }
      if (this.#happens(60)) this.#removeOne();
      if (this.#happens(90)) this.#buyTogether(day);
      if (this.#happens(120)) this.#leave();
      if (this.#happens(120)) this.#changePlan();
      if (this.#happens(60)) this.#strangerComes();
    }
    return this.#year;
  }

  /** Whether something happens today that happens each so many days. */
  #happens(everyDays: number): boolean {
    return this.#random.below(everyDays) === 0;
  }

  #buy(day: number): Device | null {
    if (this.#bought > 0 && !this.#happens(25)) return null;
    const guid = `${this.#name} ${++this.#bought}`;
    const device = { guid, everyDays: 1 + this.#random.below(12), lostOn: day + 1 + this.#random.below(300) };
    this.#devices = [...this.#devices.filter(({ lostOn }) => lostOn > day), device];
    return device;
  }

  /** A device asks to join or to renew. */
  #register(guid: string): void {
    const { state } = this.#domain;
    const isMember = state.members.has(guid);
    const idle = this.#idle();
    const needed = state.memberCount + 1 - (state.settings.maxMembership as number);
    const granted = this.#carryOut(joins(guid, { auth: this.#token() }))[0];
    if (granted) this.#year.counts[isMember ? "renewed" : "joined"]++;
    else this.#year.counts.refused++;
    if (!granted && isMember) this.#blame(`${guid}, a member, was refused`);
    if (!granted && needed <= idle.length) this.#blame(`${guid} was refused with ${idle.length} idle members`);
    if (granted && !isMember && needed > idle.length) this.#blame(`${guid} joined with ${idle.length} idle members`);
  }

  /** Several new devices come at the same time. */
  #buyTogether(day: number): void {
    const together = Array.from({ length: 2 + this.#random.below(3) }, () => `${this.#name} ${++this.#bought}`);
    this.#devices.push(...together.map((guid) => ({ guid, everyDays: 9, lostOn: day + this.#random.below(40) })));
    const { memberCount, settings } = this.#domain.state;
    const room = (settings.maxMembership as number) - memberCount + this.#idle().length;
    const granted = this.#carryOut(...together.map((guid) => joins(guid, { auth: this.#token() })));
    const joined = granted.filter(Boolean).length;
    if (joined !== Math.min(together.length, Math.max(0, room))) this.#blame(`${joined} joined with room for ${room}`);
  }

  /** The owner, or an operator, removes a member. */
  #removeOne(): void {
    const guid = this.#anyMember();
    if (guid === null) return;
    const byOwner = { type: "remove", requestId: `${this.#now}`, machineGuids: [guid], auth: this.#token() } as const;
    const [granted] = this.#carryOut(this.#happens(3) ? evicts(guid) : byOwner);
    if (!granted || this.#domain.state.members.has(guid)) this.#blame(`${guid} could not be removed`);
    this.#year.counts.removed++;
  }

  #leave(): void {
    const guid = this.#anyMember();
    if (guid !== null && !this.#carryOut(leaves(guid, { auth: this.#token() }))[0])
      this.#blame(`${guid} could not leave`);
  }

  #changePlan(): void {
    this.#carryOut(changes({ maxMembership: 1 + this.#random.below(8) }));
  }

  /** A device of somebody else: no token, or another subject's. */
  #strangerComes(): void {
    const auth: AuthEvidence = this.#happens(2) ? { kind: "none" } : this.#token("somebody else");
    const { members } = this.#domain.state;
    if (this.#carryOut(joins(`stranger ${this.#now}`, { auth }))[0]) this.#blame("a stranger joined");
    if (this.#domain.state.members.size !== members.size) this.#blame("a stranger replaced a member");
    this.#year.counts.strangers++;
  }

  #anyMember(): string | null {
    const members = [...this.#domain.state.members.keys()];
    return members.length === 0 ? null : this.#random.pick(members);
  }

  /** The members that may be replaced now, by what their owner knows. */
  #idle(): string[] {
    const today = Math.floor(this.#now / DAY);
    const isIdle = (guid: string) => today - (this.#served.get(guid) as number) > this.#minIdleDays;
    return [...this.#domain.state.members.keys()].filter(isIdle);
  }

  /** Carries out commands at the same time, some minutes after the ones before. @returns which were granted */
  #carryOut(...commands: readonly (Command | Registration)[]): boolean[] {
    this.#now += this.#random.below(10 * 60_000);
    const [before, idle] = [this.#domain.state, this.#idle()];
    const { events, outcomes } = this.#domain.carryOut(this.#now, ...commands);
    this.#check(before.memberCount, events, idle);
    const granted = outcomes.map((outcome) => outcome?.granted === true);
    commands.forEach((command, index) => {
      if (command.type === "register" && granted[index])
        this.#served.set(command.machineGuid, Math.floor(this.#now / DAY));
    });
    return granted;
  }

  #check(countBefore: number, events: readonly DomainEvent[], idle: readonly string[]): void {
    const { memberCount, members, settings } = this.#domain.state;
    const maximum = settings.maxMembership as number;
    if (memberCount !== members.size) this.#blame(`${memberCount} members are counted, ${members.size} are there`);
    if (memberCount > Math.max(maximum, countBefore)) this.#blame(`${memberCount} are members of ${maximum}`);
    const joined = events.some(({ type }) => type === "device-joined");
    if (joined && memberCount > maximum) this.#blame(`one joined, and ${memberCount} are members of ${maximum}`);
    for (const event of events) {
      if (event.type !== "device-evicted" || event.by !== "whenFull") continue;
      this.#year.counts.replaced++;
      if (!idle.includes(event.machineGuid)) this.#blame(`${event.machineGuid} was replaced, and is not idle`);
    }
  }

  #token(subject = this.#name): AuthEvidence {
    return { kind: "verified", namespace: "home", keyThumbprint: null, subject, subjectHash: subject };
  }

  #blame(problem: string): void {
    this.#year.problems.push(`${new Date(this.#now).toISOString()}: ${problem}`);
  }
}
