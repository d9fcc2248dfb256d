import type { JWK } from "jose";
import { mintToken } from "../support/issuers.ts";
import { type Connection, ConnectionLostError, type RawAnswer } from "../support/node/connection.ts";
import type { ClientConnection } from "./client-connection.ts";
import { type DoorOutcome, doorAnswer, doorCommand, doorDeletion } from "./door-commands.ts";
import type { DoorRequest } from "./door-requests.ts";
import { DEVICES } from "./plans.ts";
import { type Answer, type Ask, type Overview, older, type Repeat, type TokenKind } from "./requests.ts";
import type { ModelServer } from "./server.ts";
import { type GoodToken, TOKEN_SUBJECTS } from "./subjects.ts";

/** How often a request that is repeated is sent at once. */
const TIMES_AT_ONCE = 2;
const TOKEN_SECONDS = 24 * 60 * 60;
const JSON_BODY = { "content-type": "application/json" };

/** The auth tokens of a run, minted once: a server does not mind seeing one again. */
export type Tokens = Readonly<Record<Exclude<TokenKind, "none">, string>>;

/** Tokens that a server takes, and one that it does not. */
export async function newTokens({ issuers }: ModelServer): Promise<Tokens> {
  const good = await Promise.all(
    Object.entries(TOKEN_SUBJECTS).map(async ([kind, { namespace, sub }]) => {
      const twist = { expires: TOKEN_SECONDS, claims: { sub } };
      return [kind, await mintToken(namespace, issuers.keys[namespace], twist)] as const;
    }),
  );
  const forged = await mintToken("studio", { ...issuers.keys.arcade, kid: "studio-1" });
  return { ...(Object.fromEntries(good) as Record<GoodToken, string>), forged };
}

/** A reply: the id that the server gave the request, and the answer; null where nobody knows. */
export type Reply = Readonly<{ requestId: string | null; answer: Answer | null }>;

/** A credential, as far as it can be put to the test. */
export type Credential = Readonly<{ keyVersion: number; token: string; privateKey: JWK }>;

/** A page of the history, as far as it can be put to the test: its keys are sealed to the key with its version. */
export type SealedPage = Readonly<{
  keyVersion: number;
  credentials: readonly Omit<Credential, "privateKey">[];
  sealedKeys: string;
}>;

/** Asks one domain things, in the words of the model. */
export class DomainClient {
  readonly domain: string;
  /** By device number. */
  readonly machineGuids: readonly string[] = Array.from({ length: DEVICES }, () => crypto.randomUUID());
  /** Every credential that was ever returned, by its token. */
  readonly credentials = new Map<string, Credential>();
  /** Every signed statement of the current key, and which version was named with it. */
  readonly statements = new Map<string, number | null>();
  /** Every page of the history, by its sealed keys. */
  readonly pages = new Map<string, SealedPage>();
  readonly #operator: Readonly<Record<string, string>>;
  readonly #tokens: Tokens;
  readonly #server: ModelServer;
  /** The ids of requests that are repeated, by their numbers. */
  readonly #requestIds = new Map<number, string>();
  /** The handles of devices, by their numbers. */
  readonly #handles = new Map<number, string>();

  constructor(domain: string, server: ModelServer, tokens: Tokens) {
    this.domain = domain;
    this.#operator = { authorization: `Bearer ${server.adminToken}` };
    this.#tokens = tokens;
    this.#server = server;
  }

  /** Asks over a connection. @returns what came back, of each time it was sent */
  async ask({ front, door }: ClientConnection, ask: Ask): Promise<readonly Reply[]> {
    if (ask.ask === "repeat") return this.#repeat(door, ask);
    if (ask.ask === "lose") {
      if (ask.how === "evict") await this.#server.evict(this.domain);
      else await orLost(this.#throughDoor(door, { domain: this.domain, lose: true }));
      return [];
    }
    // Without a handle the request would name no device, while the model knows which one was meant.
    if (ask.ask === "remove" && !(await this.#learnHandle(front, ask))) return [];
    const raw = await orLost(this.#send(front, ask));
    const requestId = raw?.headers["x-request-id"] ?? null;
    // The server says itself that it does not know, or did not try.
    return [{ requestId, answer: raw === null || raw.status === 503 ? null : this.#read(ask, raw) }];
  }

  async #repeat(door: Connection, { request, of }: Repeat): Promise<readonly Reply[]> {
    const requestId = this.#requestIds.get(request) ?? newRequestId();
    this.#requestIds.set(request, requestId);
    const names = {
      requestId,
      machineGuid: "device" in of ? (this.machineGuids[of.device] as string) : "",
      idempotencyKey: (key: number) => this.#idempotencyKey(key),
    };
    const keep = {
      credentials: (credentials: readonly Credential[]) => this.#keep(credentials),
      statement: (statement: string, keyVersion: number) => this.statements.set(statement, keyVersion),
    };
    const context = { issuer: this.#server.origin };
    const called =
      of.ask === "delete" ? { deletion: doorDeletion(requestId) } : { command: doorCommand(of, names), context };
    const asked = { domain: this.domain, ...called, times: TIMES_AT_ONCE };
    const raw = await orLost(this.#throughDoor(door, asked));
    const outcomes: readonly DoorOutcome[] = raw === null ? Array(TIMES_AT_ONCE).fill(null) : JSON.parse(raw.body);
    return outcomes.map((outcome) => {
      const answer = doorAnswer(of, outcome, keep);
      return { requestId, answer: answer?.status === 503 ? null : answer };
    });
  }

  /** Learns the handle of a device, if it is a member now: it stays good. Operators are shown it with the machine GUID. */
  async #learnHandle(front: Connection, { device }: Readonly<{ device: number }>): Promise<boolean> {
    if (this.#handles.has(device)) return true;
    const path = `/admin/domains/${this.domain}/members/${this.machineGuids[device]}`;
    const found = await orLost(front.ask("GET", path, this.#operator));
    if (found?.status !== 200) return false;
    this.#handles.set(device, JSON.parse(found.body).handle);
    return true;
  }

  #throughDoor(door: Connection, asked: DoorRequest): Promise<RawAnswer> {
    return door.ask("POST", "/", JSON_BODY, JSON.stringify(asked));
  }

  #idempotencyKey(key: number): string {
    return `${this.domain}/${key}`;
  }

  #keep(credentials: readonly Credential[]): number[] {
    for (const credential of credentials) this.credentials.set(credential.token, credential);
    return credentials.map(({ keyVersion }) => keyVersion);
  }

  #send(connection: Connection, ask: Exclude<Ask, { ask: "repeat" | "lose" }>): Promise<RawAnswer> {
    const device = `/domains/${this.domain}`;
    const admin = `/admin/domains/${this.domain}`;
    const body = (method: string, path: string, headers: object, content: object) =>
      connection.ask(method, path, { ...JSON_BODY, ...headers }, JSON.stringify(content));
    switch (ask.ask) {
      case "register": {
        const after = ask.afterKeyVersion === null ? {} : { afterKeyVersion: ask.afterKeyVersion };
        const newest = ask.newest ? { credentials: "newest" } : {};
        const content = { machineGuid: this.machineGuids[ask.device], ...after, ...newest };
        return body("POST", `${device}/register`, this.#token(ask.token), content);
      }
      case "deregister": {
        const key = ask.key === null ? {} : { "idempotency-key": this.#idempotencyKey(ask.key) };
        const content = { machineGuid: this.machineGuids[ask.device], preview: ask.preview };
        return body("POST", `${device}/deregister`, { ...this.#token(ask.token), ...key }, content);
      }
      case "replace-settings":
        return body("PUT", admin, this.#operator, ask.settings);
      case "merge-settings":
        return body("PATCH", admin, this.#operator, ask.settings);
      case "rollover":
        return body("POST", `${admin}/rollover`, this.#operator, { when: ask.when });
      case "due-rollover":
        return connection.ask("POST", `${device}/rollover?statement=true`, { "content-length": "0" });
      case "retire":
        return body("PUT", `${admin}/retired-keys`, this.#operator, { upTo: ask.upTo });
      case "delete":
        return connection.ask("DELETE", `${admin}?confirm=${this.domain}`, this.#operator);
      case "remove": {
        const handle = this.#handles.get(ask.device);
        return connection.ask("DELETE", `${device}/devices/${handle}`, this.#token(ask.token));
      }
      case "devices":
        return connection.ask("GET", `${device}/devices`, this.#token(ask.token));
      case "evict":
        return connection.ask("DELETE", `${admin}/members/${this.machineGuids[ask.device]}`, this.#operator);
      case "ban":
        return body("PUT", `${admin}/bans/${this.machineGuids[ask.device]}`, this.#operator, { reason: ask.reason });
      case "unban":
        return connection.ask("DELETE", `${admin}/bans/${this.machineGuids[ask.device]}`, this.#operator);
      case "overview":
        return connection.ask("GET", admin, this.#operator);
      case "members":
        return connection.ask("GET", `${admin}/members`, this.#operator);
      case "keys":
        return connection.ask("GET", `${device}/keys${beforeQuery(ask.before)}`);
      case "key":
        return connection.ask("GET", `${device}/keys?version=${ask.version}`);
      case "history":
        return connection.ask("GET", `${device}/keys/${ask.keyVersion}/history${beforeQuery(ask.before)}`);
    }
  }

  #token(kind: TokenKind): Record<string, string> {
    return kind === "none" ? {} : { authorization: `Bearer ${this.#tokens[kind]}` };
  }

  #read(ask: Ask, { status, body }: RawAnswer): Answer {
    const content = JSON.parse(body);
    if (status >= 300) return { status, error: content.error };
    switch (ask.ask) {
      case "register": {
        const { newMember, keyVersion, olderKeyVersions } = content;
        return {
          status,
          newMember,
          keyVersion,
          credentials: this.#keep(content.credentials),
          ...older(olderKeyVersions),
        };
      }
      case "due-rollover":
        this.statements.set(content.statement, content.keyVersion);
        return { status, keyVersion: content.keyVersion };
      case "deregister":
        return { status, deregistered: content.deregistered };
      case "delete":
        return { status, deleted: content.deleted };
      case "remove":
        return { status, removed: content.removed };
      case "devices":
        return { status, memberCount: content.memberCount };
      case "evict":
        return { status, evicted: content.evicted };
      case "ban":
        return { status, reason: content.reason };
      case "unban":
        return { status, banned: content.banned };
      case "members": {
        const shown = content.members.map(({ machineGuid }: { machineGuid: string }) => machineGuid.slice(0, 8));
        const members = shown.map((start: string) => this.machineGuids.findIndex((guid) => guid.startsWith(start)));
        return { status, members: members.sort((a: number, b: number) => a - b) };
      }
      case "keys":
      case "key": {
        const { keys, currentKeyVersion: current, statement, olderKeyVersions } = content;
        this.statements.set(statement, current);
        const versions = keys.map((key: { key_version: number }) => key.key_version);
        return { status, keys: { versions, current }, ...older(olderKeyVersions) };
      }
      case "history": {
        const page: SealedPage = content;
        this.pages.set(page.sealedKeys, page);
        const credentials = page.credentials.map(({ keyVersion }) => keyVersion);
        return { status, keyVersion: page.keyVersion, credentials, ...older(content.olderKeyVersions) };
      }
      default:
        return { status, overview: overviewOf(content) };
    }
  }
}

/** The answer; null if the connection ended before. */
async function orLost(answer: Promise<RawAnswer>): Promise<RawAnswer | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ConnectionLostError) return null;
    throw error;
  }
}

function beforeQuery(before: number | null): string {
  return before === null ? "" : `?before=${before}`;
}

/** A UUID of version 7, which begins with the time. */
function newRequestId(): string {
  const time = Date.now().toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`;
}

function overviewOf(content: Overview): Overview {
  const { authenticationRequired, authNamespace, maxMembership, deviceKeyRequired } = content;
  const { rolloverIntervalSeconds, retireAfterDays, maxMembershipPerSubject, ownerSubject } = content;
  const { keyVersion, retiredUpTo, keyRolloverRequired, memberCount } = content;
  return {
    authenticationRequired,
    authNamespace,
    maxMembership,
    deviceKeyRequired,
    rolloverIntervalSeconds,
    retireAfterDays,
    maxMembershipPerSubject,
    ownerSubject,
    keyVersion,
    retiredUpTo,
    keyRolloverRequired,
    memberCount,
  };
}
