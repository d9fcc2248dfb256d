import { type AnyOutcome, type Command, dayOf, decide, decideGroup, type GroupDecision } from "../../domain/decide.ts";
import { canonicalJson, type LogEntry } from "../../domain/log-entry.ts";
import { type DeviceProof, type DomainState, NEWBORN } from "../../domain/types.ts";
import type { KeyWrappingError } from "../crypto/key-wrapping.ts";
import { loggedChanges, logHash } from "../crypto/log-hashes.ts";
import type { Lane, Ways } from "./batch-queue.ts";
import type { EventFeed } from "./event-feed.ts";
import type { Credential, Keyring, NewKey, VersionRange } from "./keyring.ts";
import type { Assumptions, DomainStore } from "./storage/domain-store.ts";
import type { Tallies } from "./usage-statistics.ts";

/** A command on its way through the queue. */
export type Request = Readonly<{
  command: Command;
  /** Whether this is a further try of a request whose answer was lost on the way. */
  repeated: boolean;
  /** The `iss` of the domain tokens it is answered with. */
  issuer: string;
  /** By what the creations of domains are counted; null if this one's is not. */
  creator: string | null;
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
/** About what a request takes besides its texts while it waits, in bytes. */
const BYTES_OF_ANY = 1_000;
/** A group that was decided on what was read assumes nothing besides. */
const NOTHING_ASSUMED: Assumptions = { stayed: [], welcome: [], welcomeKeys: [] };

/** The state of a domain, and the hash of its log's newest entry, which may still be under computation. */
type Position = Readonly<{ state: DomainState; head: Promise<string | null> | string | null }>;

/** A commit as the log will tell it. */
type Record = Readonly<{ entry: LogEntry; changes: string; hash: string }>;

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
  readonly #tallies: Pick<Tallies, "renewed" | "refused">;
  readonly #mayCreate: (creator: string) => Promise<boolean>;
  readonly #feed: Pick<EventFeed, "expect" | "announce"> | null;
  /** Where the next join may assume the domain to be; null where nothing is known. */
  #assumed: Position | null = null;
  /** Whether registrations without a key version turned out to be joins, or renewals by devices that do not say. */
  #strangersJoin = true;

  constructor(
    domain: string,
    store: DomainStore,
    keyring: Keyring,
    tallies: Pick<Tallies, "renewed" | "refused">,
    mayCreate: (creator: string) => Promise<boolean> = async () => true,
    feed: Pick<EventFeed, "expect" | "announce"> | null = null,
  ) {
    this.#domain = domain;
    this.#store = store;
    this.#keyring = keyring;
    this.#tallies = tallies;
    this.#mayCreate = mayCreate;
    this.#feed = feed;
  }

  /** Who holds a key already renews, most likely; who holds none joins. A wrong guess costs time and nothing else. */
  laneOf({ command, repeated }: Request): Lane {
    if (command.type === "deregister" && command.preview && !repeated) return "read";
    if (repeated || command.type !== "register") return "change";
    // Answered in the clear, a signed request is put on record: that is a change.
    if (command.proof && !command.sealed) return "change";
    return command.afterKeyVersion > 0 || !this.#strangersJoin ? "read" : "join";
  }

  /** What every request takes, and its texts, which callers may have made long. */
  sizeOf({ command, issuer }: Request): number {
    return BYTES_OF_ANY + 2 * (issuer.length + textLength(command));
  }

  /**
   * Answers the requests that change nothing, on one reading of the domain; null for those that do.
   *
   * @throws StorageUnavailableError
   */
  async read(requests: readonly Request[]): Promise<readonly (Result | null)[]> {
    const { state } = await this.#load(requests);
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
    this.#tally(quiet, outcomes, state, now);
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
    const before = this.#assumed?.state;
    if (!before || before.keyRolloverRequired) return null;
    if (!this.#keyring.isOpen({ after: before.retiredUpTo, upTo: before.keyVersion })) return null;
    const now = Date.now();
    const decision = decideGroup(
      before,
      requests.map(({ command }) => command),
      now,
    );
    if (!decision.outcomes.every(isNewMember)) return null;
    const record = this.#record(decision, now, this.#assumed?.head ?? null);
    this.#assumed = { state: withoutDevices(decision.state), head: record.then(({ hash }) => hash) };
    return this.#commitJoins(requests, before, decision, now, record);
  }

  async #commitJoins(
    requests: readonly Request[],
    before: DomainState,
    decision: GroupDecision,
    now: number,
    record: Promise<Record>,
  ): Promise<readonly Result[] | null> {
    try {
      // Signed and made while the commit is on its way; given to nobody before it is there.
      const results = this.#results(requests, decision.outcomes, new Map(), now, []);
      const signed = requests.filter(({ command }) => proofOf(command) !== null);
      const assumed = {
        stayed: signed.flatMap(({ command }) => machineGuidOf(command)),
        welcome: requests.flatMap(({ command }) => machineGuidOf(command)),
        welcomeKeys: signed.flatMap(({ command }) => proofOf(command)?.thumbprint ?? []),
      };
      const [outcome, ready] = await Promise.all([this.#commit(before, decision, await record, [], assumed), results]);
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
  async #attempt(asked: readonly Request[]): Promise<readonly Result[] | null> {
    const { state: before, head } = await this.#load(asked);
    const requests = before.revision === 0 ? await this.#creating(asked) : asked;
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
    let newHead = head;
    if (decision.events.length > 0) {
      const record = await this.#record(decision, now, head);
      if ((await this.#commit(before, decision, record, made, NOTHING_ASSUMED)) === "superseded") return null;
      this.#keyring.adopt(made);
      newHead = record.hash;
    }
    this.#assumed = decision.state.revision > 0 ? { state: withoutDevices(decision.state), head: newHead } : null;
    this.#learn(sound, decision.outcomes);
    this.#tally(sound, decision.outcomes, before, now);
    // An operator may mend a row that did not open; an object that is never idle would not see it otherwise.
    if (faults.size > 0) this.#keyring.forget();
    return requests.map((request) => results.get(request) as Result);
  }

  /** The requests for a domain that does not exist, with a refusal for those whose caller creates too many. */
  async #creating(requests: readonly Request[]): Promise<readonly Request[]> {
    const creators = new Set(
      requests.flatMap(({ command, creator }) => (command.type === "register" ? (creator ?? []) : [])),
    );
    const limited = new Set<string>();
    for (const creator of creators) if (!(await this.#mayCreate(creator))) limited.add(creator);
    return requests.map((request) =>
      request.command.type === "register" && request.creator !== null && limited.has(request.creator)
        ? {
            ...request,
            command: { ...request.command, creationRefusal: request.command.creationRefusal ?? "RATE_LIMITED" },
          }
        : request,
    );
  }

  /** Takes note of what the devices were that did not say whether they hold a key. */
  #learn(requests: readonly Request[], outcomes: readonly AnyOutcome[]): void {
    for (const [index, { command }] of requests.entries()) {
      const outcome = outcomes[index] as AnyOutcome;
      if (command.type !== "register" || command.afterKeyVersion > 0 || !outcome.granted) continue;
      this.#strangersJoin = isNewMember(outcome);
    }
  }

  /** Takes note of what leaves no trace in the domain: renewals, the first of a day, and refusals. */
  #tally(requests: readonly Request[], outcomes: readonly AnyOutcome[], before: DomainState, now: number): void {
    const today = dayOf(now);
    for (const [index, { command }] of requests.entries()) {
      const outcome = outcomes[index] as AnyOutcome;
      if (!outcome.granted) this.#tallies.refused(outcome.refusal.error, now);
      else if (command.type === "register") {
        const known = before.members.get(command.machineGuid);
        if (known && (known.lastRenewedOn ?? 0) < today) this.#tallies.renewed(command.machineGuid, today);
      }
    }
  }

  /** What the log will say of a decision. @param head the hash of the entry before */
  async #record({ state, events }: GroupDecision, now: number, head: Position["head"]): Promise<Record> {
    const logged = await loggedChanges(this.#domain, events);
    const entry: LogEntry = {
      domain: this.#domain,
      revision: state.revision,
      commitId: crypto.randomUUID(),
      committedAt: new Date(now).toISOString(),
      previous: await head,
      changes: logged,
    };
    const changes = canonicalJson(entry.changes);
    return { entry, changes, hash: await logHash(entry, changes) };
  }

  async #commit(
    before: DomainState,
    { state, events }: GroupDecision,
    record: Record,
    made: readonly NewKey[],
    assumed: Assumptions,
  ): Promise<"committed" | "superseded"> {
    await this.#feed?.expect(before.revision);
    const newKeys = made.map(({ stored }) => stored);
    const outcome = await this.#store.commit({ before, after: state, events, newKeys, ...record, assumed });
    this.#feed?.announce();
    return outcome;
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

  async #load(requests: readonly Request[]): Promise<Readonly<{ state: DomainState; head: string | null }>> {
    const machineGuids = [...new Set(requests.flatMap(({ command }) => machineGuidOf(command)))];
    const requestKeys = [...new Set(requests.flatMap(({ command }) => requestKeysOf(command)))];
    const thumbprints = [...new Set(requests.flatMap(({ command }) => proofOf(command)?.thumbprint ?? []))];
    const held = this.#keyring.newest;
    const needs = { machineGuids, thumbprints, requestKeys, held };
    const { state, head, intact, keys } = await this.#store.load(this.#domain, needs);
    // Keys never change: a key that is not there any more says that the database went back in time.
    if (!intact) this.#keyring.forget();
    this.#keyring.take(keys);
    return { state, head };
  }

  /** Which repeated requests find their change in the log. Asked after the load, so that it misses no commit of it. */
  async #alreadyDone(requests: readonly Request[]): Promise<ReadonlySet<string>> {
    const repeated = requests.flatMap(({ command, repeated }) => (repeated ? [command.requestId] : []));
    if (repeated.length === 0) return new Set();
    return this.#store.committedAmong(this.#domain, repeated);
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

/** How many characters there are in all texts of a value. */
function textLength(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce<number>((sum, member) => sum + textLength(member), 0);
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
  return {
    ...state,
    members: NEWBORN.members,
    records: NEWBORN.records,
    signedLeaves: NEWBORN.signedLeaves,
    bans: NEWBORN.bans,
  };
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
