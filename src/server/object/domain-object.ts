import { DurableObject } from "cloudflare:workers";
import type { BanGrant, BanRequest, UnbanGrant, UnbanRequest } from "../../domain/ban.ts";
import type { Command, GrantOf } from "../../domain/decide.ts";
import type { Deregistration, DeregistrationGrant } from "../../domain/deregistration.ts";
import type { DomainError, Refusal } from "../../domain/errors.ts";
import type { Eviction, EvictionGrant } from "../../domain/eviction.ts";
import type { Registration, RegistrationGrant } from "../../domain/registration.ts";
import type { Retirement, RetirementGrant } from "../../domain/retirement.ts";
import type { Rollover, RolloverGrant } from "../../domain/rollover.ts";
import type { SettingsChange, SettingsGrant } from "../../domain/settings.ts";
import { type Config, configOf } from "../config.ts";
import { d1Advice } from "../database/d1-errors.ts";
import { errorFields, log } from "../log.ts";
import { Lanes, QueueFullError } from "./batch-queue.ts";
import { ContentionError, DomainWriter, type Request, type Result } from "./domain-writer.ts";
import { type DomainChanged, EventFeed } from "./event-feed.ts";
import { type Credential, Keyring } from "./keyring.ts";
import { DomainStore, StorageUnavailableError } from "./storage/domain-store.ts";
import { Tallies } from "./usage-statistics.ts";

/** What the object answers: plain data, because error classes do not survive the way back to the Worker. */
export type Answer<Grant> =
  | Readonly<{ granted: true; grant: Grant }>
  | Readonly<{ granted: false; refusal: Omit<Refusal, "error"> & { error: CoordinatorError } }>;

/** The refusals of the rules, and those of an object that cannot decide now. */
export type CoordinatorError = DomainError | "OVERLOADED" | "INTERNAL_ERROR";

/** What travels with every command. */
export type CallContext = Readonly<{
  /** The `iss` of domain tokens: this server's URL as the caller knows it. */
  issuer: string;
  /** Whether an earlier try of this request may have been carried out. */
  repeated: boolean;
  /** By what the creations of domains are counted; null if this caller's are not. */
  creator?: string | null;
}>;

/** A registration's grant together with the credentials it entitles to. */
export type CredentialsGrant = RegistrationGrant & Readonly<{ credentials: readonly Credential[] }>;

/**
 * Puts everything that is asked of one domain in order. There is one such object for each domain name; D1 holds the
 * truth, and an object that is replaced in mid-work leaves nothing behind that its successor needs.
 */
export class DomainObject extends DurableObject<Env> {
  #lanes: Lanes<Request, Result> | undefined;
  #tallies: Tallies | undefined;
  #feed: EventFeed | null | undefined;

  /** Registers a device: a join or a renewal. */
  async register(registration: Registration, context: CallContext): Promise<Answer<CredentialsGrant>> {
    return this.#submit(registration, context, (grant: RegistrationGrant, credentials) => ({ ...grant, credentials }));
  }

  /** De-registers a device, or previews it. */
  async deregister(deregistration: Deregistration, context: CallContext): Promise<Answer<DeregistrationGrant>> {
    return this.#submit(deregistration, context, (grant: DeregistrationGrant) => grant);
  }

  /** Replaces or merges the settings of the domain. */
  async changeSettings(change: SettingsChange, context: CallContext): Promise<Answer<SettingsGrant>> {
    return this.#submit(change, context, (grant: SettingsGrant) => grant);
  }

  /** Makes a new domain key, or has the next registration make it. */
  async rollOver(rollover: Rollover, context: CallContext): Promise<Answer<RolloverGrant>> {
    return this.#submit(rollover, context, (grant: RolloverGrant) => grant);
  }

  /** Hands out the keys up to a version no more, or again. */
  async retireKeys(retirement: Retirement, context: CallContext): Promise<Answer<RetirementGrant>> {
    return this.#submit(retirement, context, (grant: RetirementGrant) => grant);
  }

  /** Removes a device. */
  async evict(eviction: Eviction, context: CallContext): Promise<Answer<EvictionGrant>> {
    return this.#submit(eviction, context, (grant: EvictionGrant) => grant);
  }

  /** Removes a device, and keeps it out. */
  async ban(ban: BanRequest, context: CallContext): Promise<Answer<BanGrant>> {
    return this.#submit(ban, context, (grant: BanGrant) => grant);
  }

  /** Lets a banned device come back. */
  async unban(unban: UnbanRequest, context: CallContext): Promise<Answer<UnbanGrant>> {
    return this.#submit(unban, context, (grant: UnbanGrant) => grant);
  }

  async #submit<C extends Command, Grant>(
    command: C,
    { issuer, repeated, creator = null }: CallContext,
    complete: (grant: GrantOf[C["type"]], credentials: readonly Credential[]) => Grant,
  ): Promise<Answer<Grant>> {
    try {
      this.#lanes ??= this.#newLanes(configOf(this.env));
      const result = await this.#lanes.submit({ command, repeated, issuer, creator });
      if ("fault" in result) throw result.fault;
      const { outcome, credentials } = result;
      return outcome.granted
        ? { granted: true, grant: complete(outcome.grant as GrantOf[C["type"]], credentials) }
        : outcome;
    } catch (error) {
      // Counted, not logged: the Worker logs each refusal, and this one has to be cheap.
      if (error instanceof QueueFullError) {
        this.#tallies?.refused("OVERLOADED", Date.now());
        return { granted: false, refusal: { error: "OVERLOADED", reason: error.name } };
      }
      return { granted: false, refusal: failure(error, command) };
    }
  }

  /** Sends the events that an object before this one could not. */
  override async alarm(): Promise<void> {
    await this.#eventFeed()?.wake();
  }

  #newLanes(config: Config): Lanes<Request, Result> {
    const domain = this.#domain;
    const store = new DomainStore(this.env.DB);
    const keyring = new Keyring(domain, config);
    const tallies = new Tallies(domain, store);
    this.#tallies = tallies;
    const { CREATION_LIMIT } = this.env as Partial<Env>;
    const mayCreate = async (creator: string) => (await CREATION_LIMIT?.limit({ key: creator }))?.success ?? true;
    return new Lanes(new DomainWriter(domain, store, keyring, tallies, mayCreate, this.#eventFeed()));
  }

  /** The feed of this domain's events; null if there is no queue to send them to. */
  #eventFeed(): EventFeed | null {
    if (this.#feed !== undefined) return this.#feed;
    const { EVENTS, DB } = this.env as Env & { EVENTS?: Queue<DomainChanged> };
    const source = `${configOf(this.env).serverUrl ?? ""}/domains/${this.#domain}`;
    this.#feed = EVENTS ? new EventFeed(this.#domain, source, EVENTS, this.ctx.storage, DB) : null;
    return this.#feed;
  }

  get #domain(): string {
    const domain = this.ctx.id.name;
    if (domain === undefined) throw new Error("a coordinator must be addressed by its domain's name");
    return domain;
  }
}

/** What to answer when a command could not be decided or committed; the cause goes to the log alone. */
function failure(error: unknown, { requestId }: Command): { error: CoordinatorError; reason: string } {
  const name = failureName(error);
  log(name === "INTERNAL_ERROR" ? "error" : "warn", "a command failed", {
    requestId,
    ...errorFields(error),
    ...d1Advice(error),
  });
  return { error: name, reason: error instanceof Error ? error.name : "unknown" };
}

function failureName(error: unknown): CoordinatorError {
  if (error instanceof StorageUnavailableError) return error.overloaded ? "OVERLOADED" : "TEMPORARILY_UNAVAILABLE";
  if (error instanceof ContentionError) return "TEMPORARILY_UNAVAILABLE";
  return "INTERNAL_ERROR";
}
