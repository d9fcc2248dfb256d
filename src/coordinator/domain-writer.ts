import type { KeyWrappingError } from "../crypto/key-wrapping.ts";
import { type AnyOutcome, type Command, decide, decideGroup, type GroupDecision } from "../domain/group.ts";
import { type DeviceProof, type DomainState, NEWBORN } from "../domain/types.ts";
import type { DomainStore } from "../storage/domain-store.ts";
import type { Credential, Keyring, NewKey, VersionRange } from "./keyring.ts";
import type { Lane, Ways } from "./lanes.ts";

/** A command on its way through the queue. */
export type Request = Readonly<{
  command: Command;
  /** Whether this is a further try of a request whose answer was lost on the way. */
  repeated: boolean;
  /** The `iss` of the domain tokens it is answered with. */
  issuer: string;
}>;

/** What came of a request: the outcome of its command, and for a granted registration the credentials. */
export type Result =
  | Readonly<{ outcome: AnyOutcome; credentials: readonly Credential[] }>
  /** The request could not be decided; it changed nothing. */
  | Readonly<{ fault: unknown }>;

/** Another writer took the domain's revision this many times in a row. */
export class ContentionError extends Error {
  override readonly name = "ContentionError";
}

const COMMIT_TRIES = 12;

/**
 * Takes groups of requests for one domain through load, decide and commit.
 *
 * What it remembers is never the truth. Keys do not change; and the state after its last commit is only assumed to
 * hold: a commit made on it carries it along, and D1 undoes the commit if it is not so. Should two writers serve one
 * domain at once, the fence lets one of them through and has the other decide again.
 */
export class DomainWriter implements Ways<Request, Result> {
  readonly #domain: string;
  readonly #store: DomainStore;
  readonly #keyring: Keyring;
  /** The state to assume for the next join; null where nothing is known. */
  #assumed: DomainState | null = null;
  /** Whether registrations without a key version turned out to be joins, or renewals by devices that do not say. */
  #strangersJoin = true;

  constructor(domain: string, store: DomainStore, keyring: Keyring) {
    this.#domain = domain;
    this.#store = store;
    this.#keyring = keyring;
  }

  /** Who holds a key already renews, most likely; who holds none joins. A wrong guess costs time and nothing else. */
  laneOf({ command, repeated }: Request): Lane {
    if (repeated || command.type === "settings" || command.type === "rollover") return "change";
    if (command.type === "deregister") return command.preview ? "read" : "change";
    // Answered in the clear, a signed request is put on record: that is a change.
    if (command.proof && !command.sealed) return "change";
    return command.afterKeyVersion > 0 || !this.#strangersJoin ? "read" : "join";
  }

  /**
   * Answers the requests that change nothing, on one reading of the domain; null for those that do.
   *
   * @throws StorageUnavailableError
   */
  async read(requests: readonly Request[]): Promise<readonly (Result | null)[]> {
    const state = await this.#load(requests);
    const now = Date.now();
    const decisions = requests.map(({ command }) => decide(state, command));
    const quiet = requests.filter((_, index) => decisions[index]?.events.length === 0);
    const outcomes = decisions.flatMap(({ events, outcome }) => (events.length === 0 ? [outcome] : []));
    const faults = new Map(await this.#unanswerable(quiet, outcomes));
    const results = await this.#results(quiet, outcomes, faults, now, []);
    if (faults.size > 0) this.#keyring.forget();
    this.#learn(
      requests,
      decisions.map(({ outcome }) => outcome),
    );
    return requests.map((request) => results.get(request) ?? null);
  }

  /**
   * Makes all of them new members, assuming that they are none yet and that the domain is as this writer's last commit
   * left it. Decides at once, so that the next group can be decided on what this one will leave.
   *
   * @returns null if nothing can be assumed; a promise of null if the assumption did not hold, and nothing was done
   * @throws StorageUnavailableError
   */
  join(requests: readonly Request[]): Promise<readonly Result[] | null> | null {
    const before = this.#assumed;
    if (!before || before.keyRolloverRequired) return null;
    if (!this.#keyring.isOpen({ after: 0, upTo: before.keyVersion })) return null;
    const now = Date.now();
    const decision = decideGroup(
      before,
      requests.map(({ command }) => command),
      now,
    );
    if (!decision.outcomes.every(isNewMember)) return null;
    this.#assumed = withoutDevices(decision.state);
    return this.#commitJoins(requests, before, decision, now);
  }

  async #commitJoins(
    requests: readonly Request[],
    before: DomainState,
    decision: GroupDecision,
    now: number,
  ): Promise<readonly Result[] | null> {
    try {
      // Signed and made while the commit is on its way; given to nobody before it is there.
      const results = this.#results(requests, decision.outcomes, new Map(), now, []);
      const signers = requests.flatMap(({ command }) => (proofOf(command) ? machineGuidOf(command) : []));
      const [outcome, ready] = await Promise.all([this.#commit(before, decision, now, [], signers), results]);
      if (outcome === "committed") return requests.map((request) => ready.get(request) as Result);
      this.#assumed = null;
      return null;
    } catch (error) {
      this.#assumed = null;
      throw error;
    }
  }

  /**
   * Decides and commits one group of whatever requests.
   *
   * @returns one result for each request, in order
   * @throws StorageUnavailableError, ContentionError
   */
  async change(requests: readonly Request[]): Promise<readonly Result[]> {
    this.#assumed = null;
    for (let attempt = 0; attempt < COMMIT_TRIES; attempt++) {
      const results = await this.#attempt(requests);
      if (results) return results;
    }
    throw new ContentionError(`another writer of ${this.#domain} was faster ${COMMIT_TRIES} times`);
  }

  /** One round of load, decide and commit; null if another writer came in between. */
  async #attempt(requests: readonly Request[]): Promise<readonly Result[] | null> {
    const before = await this.#load(requests);
    const alreadyDone = await this.#alreadyDone(requests);
    const now = Date.now();

    // Keys are opened before anything is committed: who cannot be answered must not be made a member. Setting one
    // request aside may grant another what it was refused, which may then need a key as well; hence again.
    const faults = new Map<Request, unknown>();
    let sound = requests;
    let decision = decideGroup(before, commandsOf(sound), now, alreadyDone);
    for (;;) {
      const unanswerable = await this.#unanswerable(sound, decision.outcomes);
      if (unanswerable.length === 0) break;
      for (const [request, fault] of unanswerable) faults.set(request, fault);
      sound = requests.filter((request) => !faults.has(request));
      decision = decideGroup(before, commandsOf(sound), now, alreadyDone);
    }

    const made = await this.#keyring.make(
      decision.events.flatMap((event) => (event.type === "key-made" ? [event.keyVersion] : [])),
    );
    const results = await this.#results(sound, decision.outcomes, faults, now, made);
    if (decision.events.length > 0) {
      if ((await this.#commit(before, decision, now, made, [])) === "superseded") return null;
      this.#keyring.adopt(made);
    }
    this.#assumed = decision.state.revision > 0 ? withoutDevices(decision.state) : null;
    this.#learn(sound, decision.outcomes);
    // An operator may mend a row that did not open; an object that is never idle would not see it otherwise.
    if (faults.size > 0) this.#keyring.forget();
    return requests.map((request) => results.get(request) as Result);
  }

  /** Takes note of what the devices were that did not say whether they hold a key. */
  #learn(requests: readonly Request[], outcomes: readonly AnyOutcome[]): void {
    for (const [index, { command }] of requests.entries()) {
      const outcome = outcomes[index] as AnyOutcome;
      if (command.type !== "register" || command.afterKeyVersion > 0 || !outcome.granted) continue;
      this.#strangersJoin = isNewMember(outcome);
    }
  }

  #commit(
    before: DomainState,
    { state, events }: GroupDecision,
    now: number,
    made: readonly NewKey[],
    assumedStayed: readonly string[],
  ): Promise<"committed" | "superseded"> {
    return this.#store.commit({
      domain: this.#domain,
      commitId: crypto.randomUUID(),
      committedAt: now,
      before,
      after: state,
      events,
      newKeys: made.map(({ stored }) => stored),
      assumedStayed,
    });
  }

  /** What each request is answered with. */
  async #results(
    requests: readonly Request[],
    outcomes: readonly AnyOutcome[],
    faults: ReadonlyMap<Request, unknown>,
    now: number,
    made: readonly NewKey[],
  ): Promise<ReadonlyMap<Request, Result>> {
    const results = new Map<Request, Result>();
    for (const [request, fault] of faults) results.set(request, { fault });
    for (const [index, request] of requests.entries()) {
      if (faults.has(request)) continue;
      const outcome = outcomes[index] as AnyOutcome;
      const range = credentialRange(outcome);
      const credentials = range ? await this.#keyring.credentials(range, request.issuer, now, made) : [];
      results.set(request, { outcome, credentials });
    }
    return results;
  }

  async #load(requests: readonly Request[]): Promise<DomainState> {
    const machineGuids = [...new Set(requests.flatMap(({ command }) => machineGuidOf(command)))];
    const requestKeys = [...new Set(requests.flatMap(({ command }) => requestKeysOf(command)))];
    const held = this.#keyring.newest;
    const { state, intact, keys } = await this.#store.load(this.#domain, { machineGuids, requestKeys, held });
    // Keys never change: a key that is not there any more says that the database went back in time.
    if (!intact) this.#keyring.forget();
    this.#keyring.take(keys);
    return state;
  }

  /** Which repeated requests find their change in the log. Asked after the load, so that it misses no commit of it. */
  async #alreadyDone(requests: readonly Request[]): Promise<ReadonlySet<string>> {
    const repeated = requests.flatMap(({ command, repeated }) => (repeated ? [command.requestId] : []));
    if (repeated.length === 0) return new Set();
    return new Set((await this.#store.eventsOf(this.#domain, repeated)).keys());
  }

  /** The granted registrations that need a key that does not open, each with the reason. */
  async #unanswerable(
    requests: readonly Request[],
    outcomes: readonly AnyOutcome[],
  ): Promise<readonly (readonly [Request, KeyWrappingError])[]> {
    const needs = requests.flatMap((request, index) => {
      const range = credentialRange(outcomes[index] as AnyOutcome);
      return range ? [{ request, range }] : [];
    });
    const locked = await this.#keyring.locked({
      after: Math.min(...needs.map(({ range }) => range.after)),
      upTo: this.#keyring.highest,
    });
    return needs.flatMap(({ request, range }) => {
      const lock = [...locked].find(([version]) => version > range.after && version <= range.upTo);
      return lock ? [[request, lock[1]] as const] : [];
    });
  }
}

function machineGuidOf(command: Command): readonly string[] {
  return "machineGuid" in command ? [command.machineGuid] : [];
}

function proofOf(command: Command): DeviceProof | null {
  return "proof" in command ? command.proof : null;
}

function isNewMember(outcome: AnyOutcome): boolean {
  return outcome.granted && "newMember" in outcome.grant && outcome.grant.newMember;
}

/** The part of a state that is the domain's own, and that a later group can be decided on. */
function withoutDevices(state: DomainState): DomainState {
  return { ...state, members: NEWBORN.members, records: NEWBORN.records, signedLeaves: NEWBORN.signedLeaves };
}

/** The keys under which a command may be on record. */
function requestKeysOf(command: Command): readonly string[] {
  if (command.type === "register") return command.proof ? [command.proof.requestKey] : [];
  return command.type === "deregister" && command.requestKey !== null ? [command.requestKey] : [];
}

function commandsOf(requests: readonly Request[]): readonly Command[] {
  return requests.map(({ command }) => command);
}

/** Which credentials a request is answered with; null if with none. */
function credentialRange(outcome: AnyOutcome): VersionRange | null {
  if (!outcome.granted || !("credentialsAfter" in outcome.grant)) return null;
  return { after: outcome.grant.credentialsAfter, upTo: outcome.grant.keyVersion };
}
