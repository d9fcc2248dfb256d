import { DurableObject } from "cloudflare:workers";
import type { Command, GrantOf } from "../../domain/commands.ts";
import { currentKeyVersion, type RolloverGrant } from "../../domain/rollover.ts";
import { type AuthEvidence, type Outcome, refused } from "../../domain/types.ts";
import { MAX_CREDENTIALS } from "../../protocol/limits.ts";
import { type Config, configOf } from "../config.ts";
import { KeyWrappingError } from "../crypto/key-wrapping.ts";
import { d1Advice, d1Failure, ERROR_OF } from "../database/d1-errors.ts";
import { databaseNamed } from "../database/databases.ts";
import { objectNamed } from "../placement.ts";
import { isWithin } from "../rate-limiting.ts";
import { span } from "../spans.ts";
import { errorFields, log } from "../worker-log.ts";
import { Copy } from "./copy.ts";
import {
  type DeletionGrant,
  type DeletionRequest,
  deleteDomain,
  type IdleRule,
  isIdle,
  isOvertaken,
} from "./deletion.ts";
import { credentialRange, DELETED_MEANWHILE, DomainCommands, unavailable } from "./domain-commands.ts";
import { type DomainChanged, EventFeed } from "./event-feed.ts";
import { JoinLimit } from "./join-limit.ts";
import { type HistoryPage, type HistoryPlace, KeyHistory } from "./key-history.ts";
import { type RewrapRun, rewrapKeys } from "./key-rewrapping.ts";
import { KeyStatement } from "./key-statement.ts";
import { Keyring } from "./keyring.ts";
import { type DeviceSelection, type OwnedDeviceList, ownedDevices } from "./owned-devices.ts";
import { DomainStorage } from "./storage/domain-storage.ts";
import { type KeySelection, READS, type ReadArguments, type ReadName, type ReadResult } from "./storage/reads.ts";
import { TakeOver } from "./take-over.ts";
import { lookAfter, type Parts } from "./upkeep.ts";
import { UsageStatistics } from "./usage-statistics.ts";

/** The part of a request that the Worker adds to every command. */
export type CallContext = Readonly<{
  /** The `iss` of domain tokens: this server's URL as the caller knows it. */
  issuer: string;
  /** The caller's address and its network, by which creations of domains are counted; none if this caller's are not. */
  addresses?: readonly (string | null)[];
  /** Whether the caller's address is over its limit: then D1 is not asked whether it knows the domain. */
  isOverLimit?: boolean;
}>;

/**
 * The grants of an object: with the credentials of a registration as JSON text, the signed statement of the key that a due
 * rollover made, and whether D1 has an operator's change.
 */
export type GrantFrom<Type extends Command["type"]> = GrantOf[Type] &
  Readonly<
    Type extends "register"
      ? { credentials: string }
      : Type extends "due-rollover"
        ? { statement: string }
        : Type extends Extract<Command, { by: string }>["type"]
          ? { copied: boolean }
          : unknown
  >;

/** A reading of a domain; null if there is no such domain. */
export type Reading<Name extends ReadName> = Value<ReadResult<Name>> | null;

type Value<T> = Readonly<{ value: T }>;

/** Public keys, oldest first (JWKs as JSON), and the signed statement of the one to encrypt to. */
export type KeySet = Readonly<{
  keys: ReadResult<"publicKeys">;
  /** Keys up to this version are lost; 0 if none are. */
  lostUpTo: number;
  /** Null before the first key, and while a rollover is due. */
  currentKeyVersion: number | null;
  statement: string;
}>;

/** How often a due rollover is carried out for one request. */
const ROLLOVER_TRIES = 5;
/** How long an operator's change waits for D1, and how long a device's, if it has to. */
const OPERATOR_COPY_MILLISECONDS = 2_000;
const DEVICE_COPY_MILLISECONDS = 10_000;
/** D1 is asked again after this time whether it knows a domain. */
const ABSENT_MILLISECONDS = 1_000;
/** When the alarm sees to a take-over that was interrupted or failed. */
const TAKE_OVER_ALARM_MILLISECONDS = 10_000;
/** When an alarm that failed as a whole is tried again: the configuration is at fault. */
const FAILED_ALARM_MILLISECONDS = 60_000;

const TAKING_OVER = "the domain is being taken over from the database";

type AllParts = Parts &
  Readonly<{ keyring: Keyring; keyStatement: KeyStatement; history: KeyHistory; takeOver: TakeOver }>;

type Presence = "present" | "absent" | "taking over";

/** A domain: the one instance that reads and writes it. Everything it has to keep is in its storage. */
export class DomainObject extends DurableObject<Env> {
  readonly #storage: DomainStorage;
  #parts: AllParts | undefined;
  #absentUntil = 0;
  /** How many domains of this name were deleted here: what was under way then fails for want of its rows. */
  #deletions = 0;
  /** The limits that are being asked, by whose they are: many may ask at once for a domain that is not there yet. */
  readonly #asked = new Map<string, Promise<boolean>>();
  /** The take-over under way: when a request is answered that waits for it, and when it has ended. */
  #takingOver: Readonly<{ answer: Promise<void>; end: Promise<void> }> | null = null;
  /** When the alarm goes off, as far as this instance has set it, in milliseconds since the epoch. */
  #alarmAt = Number.POSITIVE_INFINITY;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { name } = ctx.id;
    if (name === undefined) throw new Error("a domain's object must be addressed by the domain's name");
    this.#storage = new DomainStorage(ctx.storage, name, () => configOf(this.env));
    // An object that was merely asked about writes nothing, not even its tables.
    if (this.#storage.hasTables) ctx.blockConcurrencyWhile(() => this.#storage.migrate());
  }

  /** Carries out a command. */
  async execute<C extends Command>(command: C, context: CallContext): Promise<Outcome<GrantFrom<C["type"]>>> {
    const before = this.#deletions;
    try {
      return (await this.#execute(command, context)) as Outcome<GrantFrom<C["type"]>>;
    } catch (error) {
      return this.#deletions > before ? unavailable(DELETED_MEANWHILE) : this.#failure(error, command.requestId);
    }
  }

  async #execute(command: Command, { issuer, addresses = [], isOverLimit }: CallContext): Promise<Outcome<object>> {
    const { storage, commands, keyring, keyStatement, copy, config } = this.#all;
    if (isOverLimit && !storage.row) return refused({ error: "RATE_LIMITED", reason: "unknown domain" }).outcome;
    const presence = storage.row ? "present" : await this.#presence();
    if (presence === "taking over") return unavailable(TAKING_OVER);
    const asked = presence === "absent" ? await this.#limited(command, addresses) : command;
    let outcome = await commands.execute(asked);
    const isStale = () =>
      command.type === "due-rollover" &&
      outcome.granted &&
      (outcome.grant as RolloverGrant).keyVersion !== currentKeyVersion(storage.domainState, Date.now());
    // Another device may have left in the same batch: then the key is no longer the one to encrypt to.
    for (let attempt = 1; isStale(); attempt++) {
      if (attempt === ROLLOVER_TRIES) return unavailable("devices left after every rollover");
      outcome = await commands.execute(asked);
    }
    if (!outcome.granted) return outcome;
    const revision = storage.row?.revision ?? 0;
    const now = Date.now();
    const statement =
      command.type === "due-rollover"
        ? await keyStatement.of((outcome.grant as RolloverGrant).keyVersion, issuer, now)
        : null;
    if ("by" in command) {
      return {
        granted: true,
        grant: { ...outcome.grant, copied: await copy.reached(revision, OPERATOR_COPY_MILLISECONDS) },
      };
    }
    if (config.answerAfter === "database" && !(await copy.reached(revision, DEVICE_COPY_MILLISECONDS))) {
      return unavailable("the database does not have the change yet");
    }
    if (statement !== null) return { granted: true, grant: { ...outcome.grant, statement } };
    const range = credentialRange(outcome);
    if (!range) return outcome;
    const credentials =
      keyring.freshCredentials(range, issuer, now) ??
      (await span("sign credentials", () => keyring.credentials(range, issuer, now)));
    return { granted: true, grant: { ...outcome.grant, credentials } };
  }

  /** Reads something of the domain, for the request with this id. */
  read<Name extends ReadName>(
    requestId: string,
    name: Name,
    ...args: ReadArguments<Name>
  ): Promise<Outcome<Reading<Name>>> {
    const read = READS[name] as (storage: DomainStorage, ...args: unknown[]) => ReadResult<Name>;
    return this.#whenPresent(requestId, ({ storage }) => read(storage, ...args));
  }

  /** Devices of the domain, if it is the owner who asks. */
  ownedDevices(
    requestId: string,
    auth: AuthEvidence,
    selection: DeviceSelection,
  ): Promise<Outcome<Value<Outcome<OwnedDeviceList>> | null>> {
    return this.#whenPresent(requestId, ({ storage, statistics }) =>
      ownedDevices(storage, statistics, auth, selection),
    );
  }

  /** The newest public keys of a selection, and the signed statement of the one to encrypt to. */
  keySet(requestId: string, selection: KeySelection, issuer: string): Promise<Outcome<Value<KeySet> | null>> {
    return this.#whenPresent(requestId, async ({ storage, keyStatement }) => {
      const now = Date.now();
      const keys = READS.publicKeys(storage, selection, MAX_CREDENTIALS);
      const current = currentKeyVersion(storage.domainState, now);
      const { lostUpTo } = storage.domainState;
      return { keys, lostUpTo, currentKeyVersion: current, statement: await keyStatement.of(current, issuer, now) };
    });
  }

  /** A page of the older keys, unless the caller has it; null if there is no such key version. */
  history(
    requestId: string,
    place: HistoryPlace,
    issuer: string,
    known: string | null,
  ): Promise<Outcome<Value<HistoryPage | null> | null>> {
    return this.#whenPresent(requestId, ({ history }) => history.page(place, issuer, Date.now(), known));
  }

  /** Compares D1 with the domain, row by row, and brings it up to date. */
  copy(requestId: string): Promise<Outcome<Reading<"overview">>> {
    return this.#whenPresent(requestId, async ({ copy, storage }) => {
      await copy.compare();
      if ((await copy.differingTables(databaseNamed(this.env, storage.database))).length > 0) await copy.rewrite();
      return READS.overview(storage);
    });
  }

  /** The tables in which D1 differs from the domain. */
  differingTables(requestId: string): Promise<Outcome<Value<readonly string[]> | null>> {
    return this.#whenPresent(requestId, ({ copy, storage }) =>
      copy.differingTables(databaseNamed(this.env, storage.database)),
    );
  }

  /** Wraps the keys of the domain with the present key-encryption key, and waits until D1 has them. */
  rewrapKeys(requestId: string): Promise<Outcome<Value<RewrapRun> | null>> {
    return this.#whenPresent(requestId, async ({ storage, config, copy, committed }) => {
      const run = await rewrapKeys(storage, config.keyEncryptionKeys, committed);
      await copy.run();
      return run;
    });
  }

  /**
   * Deletes the domain, and waits until D1 has that; null if there is no such domain. By a rule, only if it is idle by that.
   *
   * @param isDryRun whether to say what would happen, and change nothing
   */
  async delete(
    request: DeletionRequest,
    idle: IdleRule | null = null,
    isDryRun = false,
  ): Promise<Outcome<Value<DeletionGrant> | null>> {
    const { requestId } = request;
    const done = async (copy: Copy) => {
      return { deleted: true, copied: await copy.reachedDeletion(OPERATOR_COPY_MILLISECONDS) };
    };
    // A repeat of the request that deleted it: another domain may be here by now.
    if (this.#storage.deletion?.requestId === requestId) {
      return { granted: true, grant: { value: await done(this.#all.copy) } };
    }
    if (isOvertaken(this.#storage, requestId)) return unavailable(DELETED_MEANWHILE);
    return this.#whenPresent(requestId, ({ storage, statistics, copy, remove }) => {
      statistics.write();
      const deleted = idle === null || isIdle(storage, idle);
      if (!deleted || isDryRun) return { deleted, copied: false };
      remove(request, Date.now());
      return done(copy);
    });
  }

  /** The result of some work on the domain; null if there is no such domain. */
  async #whenPresent<T>(
    requestId: string,
    work: (parts: AllParts) => T | Promise<T>,
  ): Promise<Outcome<Value<T> | null>> {
    const before = this.#deletions;
    try {
      const parts = this.#all;
      const presence = parts.storage.row ? "present" : await this.#presence();
      if (presence === "taking over") return unavailable(TAKING_OVER);
      return { granted: true, grant: presence === "absent" ? null : { value: await work(parts) } };
    } catch (error) {
      return this.#deletions > before ? unavailable(DELETED_MEANWHILE) : this.#failure(error, requestId);
    }
  }

  /** Looks after what follows commits, and goes on with a take-over that was interrupted. */
  override async alarm(): Promise<void> {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    try {
      const { storage, takeOver, copy } = this.#all;
      if (takeOver.isUnderWay) await this.#take().end;
      const next = storage.row ? await lookAfter(this.#all, Date.now()) : null;
      if (next !== null && storage.row) this.#wakeBy(next);
      // A failure is logged where it happens, and sets the alarm.
      if (storage.deletion?.isOwed) await copy.run().catch(() => {});
    } catch (error) {
      // The platform gives up on an alarm that keeps throwing; this one must never be lost.
      log("error", "an alarm failed", errorFields(error));
      this.#wakeBy(Date.now() + FAILED_ALARM_MILLISECONDS);
    }
  }

  get #all() {
    this.#parts ??= this.#newParts(configOf(this.env));
    return this.#parts;
  }

  #newParts(config: Config): AllParts {
    const wakeBy = (time: number) => this.#wakeBy(time);
    const storage = this.#storage;
    const domain = storage.name;
    const { EVENTS, DATABASE_WRITER } = this.env as Env & { EVENTS?: Queue<DomainChanged> };
    const writer = () => objectNamed(this.env, DATABASE_WRITER, storage.database);
    const copy = new Copy(storage, writer, wakeBy);
    const feed = EVENTS ? new EventFeed(storage, `${config.serverUrl ?? ""}/domains/${domain}`, EVENTS, wakeBy) : null;
    const keyring = new Keyring(storage, config);
    const statistics = new UsageStatistics(storage, wakeBy, (refusals) => {
      const samples = [...refusals].map(([error, count]) => [`device_domain_refusals_total{error="${error}"}`, count]);
      copy.count(Object.fromEntries(samples));
    });
    const committed = (now: number) => {
      copy.expect(now);
      feed?.expect(now);
      queueMicrotask(() => {
        copy.announce();
        feed?.announce();
      });
    };
    const { DOMAIN_LIMIT } = this.env as Partial<Env>;
    const commands = new DomainCommands(storage, keyring, statistics, {
      durable: () => this.ctx.storage.sync(),
      committed,
      joinLimit: DOMAIN_LIMIT ? new JoinLimit(() => isWithin(DOMAIN_LIMIT, `joins ${domain}`)) : null,
    });
    const takeOver = new TakeOver(storage, this.env, config.openDatabases, committed);
    const isRewrapped = storage.progress.rewrappedKid === config.keyEncryptionKeys[0].kid;
    if (storage.row && !isRewrapped) this.#wakeBy(Date.now());
    const keyStatement = new KeyStatement(storage, config);
    const history = new KeyHistory(storage, keyring, config);
    const memories = [keyring, keyStatement, history, statistics];
    const remove = (request: DeletionRequest, now: number) => {
      deleteDomain(storage, copy, memories, request, now);
      this.#deletions++;
    };
    return {
      storage,
      config,
      copy,
      feed,
      statistics,
      committed,
      commands,
      keyring,
      keyStatement,
      history,
      takeOver,
      remove,
    };
  }

  /** Has the alarm go off by a time, if it does not anyway. Within a transaction it is undone with it. */
  #wakeBy(time: number): void {
    if (time >= this.#alarmAt) return;
    this.#alarmAt = time;
    // Nobody has to wait for it: a commit that it belongs to is waited for as a whole.
    this.ctx.storage.setAlarm(time, { allowUnconfirmed: true });
  }

  /** Whether there is such a domain. An empty object asks D1, and takes over what D1 knows. @throws what D1 throws */
  async #presence(): Promise<Presence> {
    const { storage, takeOver, copy } = this.#all;
    if (!this.#takingOver && !takeOver.isUnderWay) {
      if (Date.now() < this.#absentUntil) return "absent";
      const isDue = await takeOver.isDue();
      // Another request may have brought the domain into being meanwhile: then that is what the database knows.
      if (storage.row) return "present";
      if (!isDue) {
        this.#absentUntil = Date.now() + ABSENT_MILLISECONDS;
        if (storage.deletion?.isOwed) {
          copy.expect(Date.now());
          copy.announce();
        }
        return "absent";
      }
    }
    await this.#take().answer;
    return storage.row ? "present" : "taking over";
  }

  #take() {
    // Should this instance be lost, the next one goes on.
    this.#wakeBy(Date.now() + TAKE_OVER_ALARM_MILLISECONDS);
    this.#takingOver ??= this.#newTakeOver();
    return this.#takingOver;
  }

  #newTakeOver() {
    const { promise: takesAWhile, resolve } = Promise.withResolvers<void>();
    const end = this.#all.takeOver
      .run(resolve)
      .catch((error) => log("error", "a take-over failed", { ...errorFields(error), ...d1Advice(error) }))
      .finally(() => {
        this.#takingOver = null;
      });
    return { end, answer: Promise.race([end, takesAWhile]) };
  }

  /** A command that may create the domain, with a refusal if its caller creates too many. */
  async #limited(command: Command, [address, network]: readonly (string | null)[]): Promise<Command> {
    const { CREATION_LIMIT, NETWORK_CREATION_LIMIT } = this.env as Partial<Env>;
    if (command.type !== "register" || command.creationRefusal) return command;
    const allowed = (await this.#may(CREATION_LIMIT, address)) && (await this.#may(NETWORK_CREATION_LIMIT, network));
    return allowed ? command : { ...command, creationRefusal: "RATE_LIMITED" };
  }

  /** Whether a limit leaves room for one more by a caller; asked once for all who want to know at the same time. */
  async #may(limit: RateLimit | undefined, key: string | null | undefined): Promise<boolean> {
    if (!limit || !key) return true;
    const asked = this.#asked.get(key) ?? isWithin(limit, key);
    this.#asked.set(key, asked);
    const allowed = await asked;
    this.#asked.delete(key);
    return allowed;
  }

  /** The refusal for a failure; its cause goes to the log alone. */
  #failure(error: unknown, requestId: string): Outcome<never> {
    // Its message names the domain, which may be called like an error of D1.
    const name = error instanceof KeyWrappingError ? "INTERNAL_ERROR" : ERROR_OF[d1Failure(error)];
    log(name === "INTERNAL_ERROR" ? "error" : "warn", "a command failed", {
      requestId,
      ...errorFields(error),
      ...d1Advice(error),
    });
    return { granted: false, refusal: { error: name, reason: error instanceof Error ? error.name : "unknown" } };
  }
}
