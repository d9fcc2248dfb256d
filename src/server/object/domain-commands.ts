import { type AnyGrant, type AnyOutcome, type Command, machineGuidsOf } from "../../domain/commands.ts";
import { decide, decideBatch } from "../../domain/decide.ts";
import { dayOf } from "../../domain/evolve.ts";
import type { Refusal } from "../../domain/refusals.ts";
import type { RegistrationGrant } from "../../domain/registration.ts";
import { type Decision, type DomainEvent, type DomainState, type Outcome, refused } from "../../domain/types.ts";
import { span } from "../spans.ts";
import { BatchQueue } from "./batch-queue.ts";
import { isOvertaken } from "./deletion.ts";
import type { JoinLimit } from "./join-limit.ts";
import type { Keyring, SpareKey, VersionRange } from "./keyring.ts";
import type { DomainStorage } from "./storage/domain-storage.ts";
import type { UsageStatistics } from "./usage-statistics.ts";

/** A command in the queue. */
type Queued = Readonly<{
  command: Command;
  /** Told the outcome; null if the command was set aside and has to be prepared again. */
  settle: (outcome: AnyOutcome | null) => void;
  fail: (error: unknown) => void;
}>;

/** The parts of the object that commands need. */
type Surroundings = Readonly<{
  /** Resolves when all that was written is on disk. */
  durable: () => Promise<void>;
  /** Called in the transaction of each commit: what it throws undoes the commit. */
  committed: (now: number) => void;
  /** Null if any number of devices may join. */
  joinLimit: JoinLimit | null;
}>;

/** The reason for a refusal after the domain was deleted. */
export const DELETED_MEANWHILE = "the domain was deleted meanwhile";

/** How often a command is set aside before its device is asked to come again. */
const MAX_TRIES = 10;
/** About the memory a command takes besides its texts, for each device it is about, in bytes. */
const BYTES_BESIDES_TEXTS = 1_000;

/**
 * Carries out commands. One that changes nothing is decided on the spot. The others are decided and committed together
 * with those that come at the same time, in one synchronous transaction: nothing can come between load and commit.
 *
 * Work that takes time is done before: the keys that a registration will need are opened, and the next domain key is made.
 * So nothing is committed that cannot be answered.
 */
export class DomainCommands {
  readonly #storage: DomainStorage;
  readonly #keyring: Keyring;
  readonly #statistics: UsageStatistics;
  readonly #committed: (now: number) => void;
  readonly #joinLimit: JoinLimit | null;
  readonly #queue: BatchQueue<Queued>;

  constructor(
    storage: DomainStorage,
    keyring: Keyring,
    statistics: UsageStatistics,
    { durable, committed, joinLimit }: Surroundings,
  ) {
    this.#storage = storage;
    this.#keyring = keyring;
    this.#statistics = statistics;
    this.#committed = committed;
    this.#joinLimit = joinLimit;
    this.#queue = new BatchQueue((queued) => this.#commitBatch(queued), durable);
  }

  /**
   * The outcome of a command, once it is committed if it changes anything.
   *
   * @throws KeyWrappingError if a key the command needs does not open; then it changed nothing
   */
  async execute(command: Command): Promise<AnyOutcome> {
    let mayJoin = false;
    for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
      if (isOvertaken(this.#storage, command.requestId)) {
        return unavailable(DELETED_MEANWHILE);
      }
      const state = this.#storage.stateFor([command]);
      const decision = decide(state, command, Date.now());
      const joins = decision.events.some(({ type }) => type === "device-joined");
      if (joins && this.#joinLimit && !mayJoin) {
        const answer = this.#joinLimit.mayJoin();
        mayJoin = typeof answer === "boolean" ? answer : await answer;
        if (!mayJoin) return this.#refused(command, { error: "RATE_LIMITED", reason: "joins by domain" }, state);
      }
      const changesNothing = decision.events.length === 0;
      // Before anything is waited for: a member that renewed must not be replaced meanwhile.
      if (changesNothing) this.#note(command, decision.outcome, state);
      if (!this.#canServe(decision)) await this.#prepare(decision);
      if (changesNothing) return decision.outcome;
      const migrated = this.#storage.hasTables ? null : this.#storage.migrate();
      const outcome = await span("wait for batch", () => this.#enqueue(command, joins));
      await migrated;
      if (outcome) return outcome;
    }
    return unavailable("other commands came in between every time");
  }

  #refused(command: Command, refusal: Refusal, state: DomainState): AnyOutcome {
    const { outcome } = refused(refusal);
    this.#note(command, outcome, state);
    return outcome;
  }

  /** @param joins whether its device is not a member yet: members are served before strangers */
  #enqueue(command: Command, joins: boolean): Promise<AnyOutcome | null> {
    const { promise, resolve, reject } = Promise.withResolvers<AnyOutcome | null>();
    const accepted = this.#queue.add({ command, settle: resolve, fail: reject }, sizeOf(command), joins);
    if (!accepted) {
      this.#statistics.refused("OVERLOADED", Date.now());
      resolve(refused({ error: "OVERLOADED", reason: "the queue is full" }).outcome);
    }
    return promise;
  }

  /** Whether all keys are at hand that a decision needs. */
  #canServe = ({ events, outcome }: Decision<AnyGrant>): boolean => {
    const range = credentialRange(outcome);
    return madeBy(events).every((version) => this.#keyring.spare(version)) && (!range || this.#keyring.isOpen(range));
  };

  async #prepare({ events, outcome }: Decision<AnyGrant>): Promise<void> {
    const range = credentialRange(outcome);
    if (range) await this.#keyring.open(range);
    for (const version of madeBy(events)) await this.#keyring.prepare(version);
  }

  #commitBatch(all: readonly Queued[]): void {
    const isLate = ({ command }: Queued) => isOvertaken(this.#storage, command.requestId);
    for (const { settle } of all.filter(isLate)) settle(null);
    const queued = all.filter((each) => !isLate(each));
    try {
      const commands = queued.map(({ command }) => command);
      const { outcomes, before } = span("commit batch", () => this.#decideAndCommit(commands));
      queued.forEach(({ command, settle }, index) => {
        const outcome = outcomes[index] ?? null;
        if (outcome) this.#note(command, outcome, before);
        settle(outcome);
      });
    } catch (error) {
      for (const { fail } of queued) fail(error);
    }
  }

  /** Loads, decides, applies and logs a batch, in one transaction. */
  #decideAndCommit(commands: readonly Command[]) {
    const now = Date.now();
    const spares: SpareKey[] = [];
    // The newest renewals are in memory. Outside the transaction: they happened whatever becomes of it.
    if (this.#storage.mayReplace(commands)) this.#statistics.write();
    const result = this.#storage.transaction(() => {
      const before = this.#storage.stateFor(commands);
      const decision = decideBatch(before, commands, now, this.#canServe);
      if (decision.events.length > 0) {
        spares.push(...madeBy(decision.events).map((version) => this.#keyring.spare(version) as SpareKey));
        const newKeys = spares.map(({ stored }) => stored);
        this.#storage.commit(before, decision, newKeys, now);
        this.#committed(now);
      }
      return { outcomes: decision.outcomes, before, after: decision.state };
    });
    this.#keyring.addCommitted(spares);
    // The next registration makes a key: have it ready.
    if (result.after.keyRolloverRequired) this.#keyring.prepare(result.after.keyVersion + 1).catch(() => {});
    return result;
  }

  /** Counts what leaves no trace in the domain: the first renewal of a device on a day, and refusals. */
  #note(command: Command, outcome: AnyOutcome, before: DomainState): void {
    const now = Date.now();
    if (!outcome.granted) this.#statistics.refused(outcome.refusal.error, now);
    if (!outcome.granted || command.type !== "register") return;
    const member = before.members.get(command.machineGuid);
    const today = dayOf(now);
    if (member && member.lastRenewedOn < today) this.#statistics.renewed(command.machineGuid, today, now);
  }
}

/** A refusal after which the caller may try again. */
export function unavailable(reason: string): Outcome<never> {
  return refused({ error: "TEMPORARILY_UNAVAILABLE", reason }).outcome;
}

/** The credentials a command is answered with; null if with none. */
export function credentialRange(outcome: AnyOutcome): VersionRange | null {
  if (!outcome.granted || !("credentialsAfter" in outcome.grant)) return null;
  const { credentialsAfter, keyVersion } = outcome.grant as RegistrationGrant;
  return { after: credentialsAfter, upTo: keyVersion };
}

/** The key versions that events make. */
function madeBy(events: readonly DomainEvent[]): readonly number[] {
  return events.flatMap((event) => (event.type === "key-made" ? [event.keyVersion] : []));
}

/** About the memory a command takes, in bytes: callers may have made its texts long. */
function sizeOf(command: Command): number {
  return BYTES_BESIDES_TEXTS * Math.max(1, machineGuidsOf(command).length) + 2 * textLength(command);
}

function textLength(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce<number>((sum, member) => sum + textLength(member), 0);
}
