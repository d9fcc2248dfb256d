import type { KeyWrappingError } from "../crypto/key-wrapping.ts";
import { type AnyOutcome, type Command, decideGroup, type GroupDecision } from "../domain/group.ts";
import type { DomainState } from "../domain/types.ts";
import type { DomainStore } from "../storage/domain-store.ts";
import type { Credential, Keyring, VersionRange } from "./keyring.ts";

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
 * It keeps no state but keys, which never change; should two writers serve one domain at once, the fence in the log
 * lets one of them through and has the other decide again.
 */
export class DomainWriter {
  readonly #domain: string;
  readonly #store: DomainStore;
  readonly #keyring: Keyring;

  constructor(domain: string, store: DomainStore, keyring: Keyring) {
    this.#domain = domain;
    this.#store = store;
    this.#keyring = keyring;
  }

  /**
   * Decides and commits one group.
   *
   * @returns one result for each request, in order
   * @throws StorageUnavailableError, ContentionError
   */
  async run(requests: readonly Request[]): Promise<readonly Result[]> {
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
      const unanswerable = await this.#unanswerable(sound, decision);
      if (unanswerable.length === 0) break;
      for (const [request, fault] of unanswerable) faults.set(request, fault);
      sound = requests.filter((request) => !faults.has(request));
      decision = decideGroup(before, commandsOf(sound), now, alreadyDone);
    }

    const made = await this.#keyring.make(
      decision.events.flatMap((event) => (event.type === "key-made" ? [event.keyVersion] : [])),
    );
    const results = new Map<Request, Result>(
      await Promise.all(
        sound.map(async (request, index) => {
          const outcome = decision.outcomes[index] as AnyOutcome;
          const range = credentialRange(outcome);
          const credentials = range ? await this.#keyring.credentials(range, request.issuer, now, made) : [];
          return [request, { outcome, credentials }] as const;
        }),
      ),
    );
    if (decision.events.length > 0) {
      const committed = await this.#store.commit({
        domain: this.#domain,
        commitId: crypto.randomUUID(),
        committedAt: now,
        before,
        after: decision.state,
        events: decision.events,
        newKeys: made.map(({ stored }) => stored),
      });
      if (committed === "superseded") return null;
      this.#keyring.adopt(made);
    }
    // An operator may mend a row that did not open; an object that is never idle would not see it otherwise.
    if (faults.size > 0) this.#keyring.forget();
    return requests.map((request) => results.get(request) ?? { fault: faults.get(request) });
  }

  async #load(requests: readonly Request[]): Promise<DomainState> {
    const machineGuids = [...new Set(requests.flatMap(({ command }) => machineGuidOf(command)))];
    const requestKeys = [...new Set(requests.flatMap(({ command }) => requestKeysOf(command)))];
    for (;;) {
      const keysFrom = Math.max(1, this.#keyring.highest);
      const { state, keys } = await this.#store.load(this.#domain, { machineGuids, requestKeys, keysFrom });
      if (this.#keyring.take(keys)) return state;
    }
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
    { outcomes }: GroupDecision,
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
  return command.type === "settings" ? [] : [command.machineGuid];
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
