import type { CallOptions, OperatorConnection, OperatorRequest } from "./operator-connection.ts";
import { PagedList } from "./paged-list.ts";
import type {
  Activity,
  AuditLine,
  Ban,
  BanPage,
  Deletion,
  DomainKeySet,
  DomainOverview,
  Eviction,
  FoundMember,
  KeyVersionPage,
  KeyVersionRow,
  LiftedBan,
  LogChange,
  LogEntry,
  LogHead,
  LogLine,
  LogPage,
  Member,
  MemberPage,
  NewBan,
  RetiredKeys,
  Rollover,
  Settings,
  SettingsPatch,
} from "./responses.ts";

/** Which entries of a log, and in which order. */
type LogSelection = Readonly<{
  order?: "newest" | "oldest" | undefined;
  type?: LogChange["type"] | undefined;
  deviceId?: string | undefined;
}>;

/** One domain, as its operator reaches it. A `device` is a `handle` from a list, or a whole machine GUID. */
export class OperatedDomain {
  readonly name: string;
  readonly #connection: OperatorConnection;

  constructor(connection: OperatorConnection, name: string) {
    this.name = name;
    this.#connection = connection;
  }

  /** Its settings and counters. */
  overview(call: CallOptions = {}): Promise<DomainOverview> {
    return this.#ask({ path: this.#path() }, call);
  }

  /**
   * Creates it: what is left out of its settings takes its default.
   *
   * @throws OperatorError `DOMAIN_EXISTS`: then it is left as it is
   */
  create(settings: Settings = {}, call: CallOptions = {}): Promise<DomainOverview> {
    // Repeated, it would refuse the domain that the first try has made.
    const request = { method: "PUT", path: this.#path(), body: settings, isNew: true, repeatable: false } as const;
    return this.#ask(request, call);
  }

  /** Creates it, or replaces its settings: what is left out takes its default. */
  replaceSettings(settings: Settings, call: CallOptions = {}): Promise<DomainOverview> {
    return this.#ask({ method: "PUT", path: this.#path(), body: settings }, call);
  }

  /** Changes some of its settings; null takes one back to its default. */
  changeSettings(patch: SettingsPatch, call: CallOptions = {}): Promise<DomainOverview> {
    return this.#ask({ method: "PATCH", path: this.#path(), body: patch }, call);
  }

  /** Erases it. @param confirm its name, once more */
  delete(confirm: string, call: CallOptions = {}): Promise<Deletion> {
    return this.#ask({ method: "DELETE", path: this.#path(), query: { confirm } }, call);
  }

  /** Writes what the database lacks of it. */
  copy(call: CallOptions = {}): Promise<DomainOverview> {
    return this.#ask({ method: "POST", path: this.#path("copy"), repeatable: true }, call);
  }

  members(call: CallOptions = {}): PagedList<Member> {
    return new PagedList(async (query, options) => {
      const { members: items, nextCursor } = await this.#ask<MemberPage>(
        { path: this.#path("members"), query },
        options,
      );
      return { items, nextCursor };
    }, call);
  }

  /** @param device a `deviceId` of the log, too */
  member(device: string, call: CallOptions = {}): Promise<FoundMember> {
    return this.#ask({ path: this.#path("members", device) }, call);
  }

  /** Removes a member. It may join again: to keep it out, ban it. */
  evict(device: string, call: CallOptions = {}): Promise<Eviction> {
    return this.#ask({ method: "DELETE", path: this.#path("members", device) }, call);
  }

  bans(call: CallOptions = {}): PagedList<Ban> {
    return new PagedList(async (query, options) => {
      const { bans: items, nextCursor } = await this.#ask<BanPage>({ path: this.#path("bans"), query }, options);
      return { items, nextCursor };
    }, call);
  }

  /** Keeps a device out. A member is evicted. @param reason for operators to read */
  ban(device: string, reason: string, call: CallOptions = {}): Promise<NewBan> {
    return this.#ask({ method: "PUT", path: this.#path("bans", device), body: { reason } }, call);
  }

  unban(device: string, call: CallOptions = {}): Promise<LiftedBan> {
    return this.#ask({ method: "DELETE", path: this.#path("bans", device) }, call);
  }

  /** Its key versions, newest first. */
  keys(call: CallOptions = {}): PagedList<KeyVersionRow> {
    return new PagedList(async (query, options) => {
      const path = this.#path("key-versions");
      const { keys: items, nextCursor } = await this.#ask<KeyVersionPage>({ path, query }, options);
      return { items, nextCursor };
    }, call);
  }

  /** Its newest public keys, or one of them, and which to encrypt to. Anybody may ask that. */
  publicKeys({ version, ...call }: CallOptions & { version?: number } = {}): Promise<DomainKeySet> {
    const path = ["domains", this.name, "keys"];
    return this.#ask({ path, query: { version }, isPublic: true }, call);
  }

  /** Has a new key made, now or by the next registration. */
  rollOver(when: Rollover["when"], call: CallOptions = {}): Promise<DomainOverview> {
    return this.#ask({ method: "POST", path: this.#path("rollover"), body: { when } }, call);
  }

  /** Stops handing out old keys. A lower `upTo` brings keys back. */
  retireKeys(keys: RetiredKeys, call: CallOptions = {}): Promise<DomainOverview> {
    return this.#ask({ method: "PUT", path: this.#path("retired-keys"), body: keys }, call);
  }

  /**
   * The entries of its log, newest first if not asked otherwise.
   *
   * @param type selects the entries with a change of this type
   * @param deviceId selects the entries with a change of this device
   */
  log({ order, type, deviceId, ...call }: CallOptions & LogSelection = {}): PagedList<LogEntry> {
    return new PagedList(async (page, options) => {
      const request = { path: this.#path("log"), query: { order, type, deviceId, ...page } };
      const { entries: items, nextCursor } = await this.#ask<LogPage>(request, options);
      return { items, nextCursor };
    }, call);
  }

  /** The newest entry of its log, signed. */
  logHead(call: CallOptions = {}): Promise<LogHead> {
    return this.#ask({ path: this.#path("log", "head") }, call);
  }

  /** Its whole log, oldest entry first, as one response. @param after leaves out the entries up to this revision */
  exportLog({ after, ...call }: CallOptions & { after?: number } = {}): AsyncIterable<LogLine> {
    return this.#connection.lines({ path: this.#path("log", "export"), query: { after } }, call);
  }

  /** The state that its log must lead to: complete only if the last line says so. */
  audit(call: CallOptions = {}): AsyncIterable<AuditLine> {
    return this.#connection.lines({ path: this.#path("audit") }, call);
  }

  /** How many devices joined, left and were refused. @param days how many days of it, 30 if left out */
  activity({ days, ...call }: CallOptions & { days?: number } = {}): Promise<Activity> {
    return this.#ask({ path: this.#path("activity"), query: { days } }, call);
  }

  #ask<Answer>(request: OperatorRequest, call: CallOptions): Promise<Answer> {
    return this.#connection.ask(request, call);
  }

  #path(...segments: readonly string[]): readonly string[] {
    return ["admin", "domains", this.name, ...segments];
  }
}
