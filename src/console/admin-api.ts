import type {
  Activity,
  Ban,
  CopyLag,
  DomainRow,
  KeyVersion,
  LogEntry,
  Member,
  Overview,
  Page,
  Settings,
} from "./admin-types.ts";
import { AdminError, refusalOf } from "./failures.ts";

/** When a rollover happens. */
export type RolloverTime = "now" | "next-registration";

/** Which keys are retired: those up to a version, or those replaced so many days ago. */
export type RetiredKeys = "upTo" | "olderThanDays";

type Request = Readonly<{ method?: string; body?: unknown; signal?: AbortSignal | undefined }>;

/** The server's administration, as one operator reaches it. Everything throws `AdminError`, or the signal's reason. */
export class AdminApi {
  readonly #token: string;
  readonly #onSignedOut: (error: AdminError) => void;

  /**
   * @param token the credential; empty where something in front of the server adds one
   * @param onSignedOut told when the server does not take the credential (any more)
   */
  constructor(token: string, onSignedOut: (error: AdminError) => void = () => {}) {
    this.#token = token;
    this.#onSignedOut = onSignedOut;
  }

  /** The domains whose names begin with a prefix, by name. */
  domains(prefix: string, cursor: string | null, signal?: AbortSignal): Promise<Page<DomainRow>> {
    return this.#list("domains", `/admin/domains${query({ prefix, cursor })}`, signal);
  }

  /** How far the database is behind the domains; null if that is not known. */
  async copyLag(signal?: AbortSignal): Promise<CopyLag | null> {
    // A server that is not well says so with a status of its own, and with the same body.
    const response = await fetch("/health", { signal: signal ?? null });
    const { copy = null } = (await response.json()) as { copy?: CopyLag | null };
    return copy;
  }

  domain(domain: string, signal?: AbortSignal): Promise<Overview> {
    return this.#ask(at(domain), { signal });
  }

  /** Creates a domain. One that exists is left as it is, and refused. */
  async createDomain(domain: string): Promise<Overview> {
    // PUT replaces what is there: ask first.
    if (await this.#exists(domain)) throw alreadyThere(domain);
    return this.#ask(at(domain), { method: "PUT", body: {} });
  }

  changeSettings(domain: string, patch: Readonly<Record<string, unknown>>): Promise<Overview> {
    return this.#ask(at(domain), { method: "PATCH", body: patch satisfies { [Name in keyof Settings]?: unknown } });
  }

  rollOver(domain: string, when: RolloverTime): Promise<Overview> {
    return this.#ask(at(domain, "rollover"), { method: "POST", body: { when } });
  }

  /** @param value a number; anything else is refused by the server, which says what is wrong with it */
  retireKeys(domain: string, by: RetiredKeys, value: unknown): Promise<Overview> {
    return this.#ask(at(domain, "retired-keys"), { method: "PUT", body: { [by]: value } });
  }

  members(domain: string, cursor: string | null, signal?: AbortSignal): Promise<Page<Member>> {
    return this.#list("members", at(domain, "members") + query({ cursor }), signal);
  }

  /** @param device a handle, or a whole machine GUID */
  member(domain: string, device: string): Promise<Member> {
    return this.#ask(at(domain, "members", device));
  }

  async evict(domain: string, device: string): Promise<void> {
    await this.#ask(at(domain, "members", device), { method: "DELETE" });
  }

  bans(domain: string, cursor: string | null, signal?: AbortSignal): Promise<Page<Ban>> {
    return this.#list("bans", at(domain, "bans") + query({ cursor }), signal);
  }

  async ban(domain: string, device: string, reason: string): Promise<void> {
    await this.#ask(at(domain, "bans", device), { method: "PUT", body: { reason } });
  }

  async unban(domain: string, device: string): Promise<void> {
    await this.#ask(at(domain, "bans", device), { method: "DELETE" });
  }

  /** The domain's keys, newest first. */
  keys(domain: string, cursor: string | null, signal?: AbortSignal): Promise<Page<KeyVersion>> {
    return this.#list("keys", at(domain, "key-versions") + query({ cursor }), signal);
  }

  /** Whether a key version is the one to encrypt to. Anybody may ask that, so no credential is sent. */
  async isCurrentKey(domain: string, keyVersion: number, signal?: AbortSignal): Promise<boolean> {
    const path = `/domains/${encodeURIComponent(domain)}/keys${query({ version: String(keyVersion) })}`;
    const { currentKeyVersion } = await answerTo<{ currentKeyVersion: number | null }>(path, {
      signal: signal ?? null,
    });
    return currentKeyVersion === keyVersion;
  }

  /** The domain's log, newest first. */
  log(domain: string, cursor: string | null, signal?: AbortSignal): Promise<Page<LogEntry>> {
    return this.#list("entries", at(domain, "log") + query({ cursor }), signal);
  }

  activity(domain: string, days: number, signal?: AbortSignal): Promise<Activity> {
    return this.#ask(at(domain, "activity") + query({ days: String(days) }), { signal });
  }

  async #exists(domain: string): Promise<boolean> {
    try {
      await this.domain(domain);
      return true;
    } catch (error) {
      if (error instanceof AdminError && error.status === 404) return false;
      throw error;
    }
  }

  async #list<Item>(member: string, path: string, signal: AbortSignal | undefined): Promise<Page<Item>> {
    const answer: Readonly<Record<string, unknown>> = await this.#ask(path, { signal });
    return { items: answer[member] as readonly Item[], nextCursor: answer.nextCursor as string | null };
  }

  async #ask<Answer>(path: string, { method = "GET", body, signal }: Request = {}): Promise<Answer> {
    const init = {
      method,
      headers: {
        ...(this.#token === "" ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
    };
    return answerTo<Answer>(path, init).catch((thrown) => {
      if (thrown instanceof AdminError && thrown.status === 401) this.#onSignedOut(thrown);
      throw thrown;
    });
  }
}

/** The body of a response. @throws AdminError, or the signal's reason */
async function answerTo<Answer>(path: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(path, init).catch((thrown) => {
    init.signal?.throwIfAborted();
    throw unreachable(thrown);
  });
  if (response.ok) return response.json();
  throw await refusalOf(response);
}

function at(...segments: readonly string[]): string {
  const [domain = "", ...rest] = segments;
  return ["/admin/domains", domain, ...rest].map((each, index) => (index ? encodeURIComponent(each) : each)).join("/");
}

function query(members: Readonly<Record<string, string | null>>): string {
  const given = Object.entries(members).filter((member): member is [string, string] => Boolean(member[1]));
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

function alreadyThere(domain: string): AdminError {
  const title = "There is such a domain already";
  return new AdminError(409, { title, detail: `${domain} was not changed.`, error: null, requestId: null, fields: {} });
}

function unreachable(thrown: unknown): AdminError {
  const title = "The server cannot be reached";
  return new AdminError(0, { title, detail: String(thrown), error: null, requestId: null, fields: {} });
}
