import { newKeyPair } from "./device-keys.ts";
import type { DeviceState, DeviceStatus, DeviceStore, StoredCredential } from "./device-state.ts";
import { type DomainAddress, domainAddress } from "./domain-url.ts";
import { DeviceDomainError, DomainServerError, isRefusal } from "./errors.ts";
import { checkHistory, historyUrl } from "./key-history.ts";
import { MemoryStore } from "./memory-store.ts";
import { answerFor, checkRegistration, withCredentials } from "./registration-answer.ts";
import { orAborted } from "./retries.ts";
import { untrusted } from "./sealed-credentials.ts";
import { keyNamedBy, openSecret } from "./secrets.ts";
import { CLOCK_TOLERANCE_SECONDS, type ConnectionOptions, ServerConnection } from "./server-connection.ts";

/** How a device is opened. */
export type DeviceDomainOptions = ConnectionOptions &
  Readonly<{
    /** Where the device is kept; in memory if left out. */
    store?: DeviceStore | undefined;
    /** The GUID the device was given once; a random one if left out. */
    machineGuid?: string | undefined;
  }>;

/** What every call can be given: a signal to end it early with. */
export type CallOptions = Readonly<{ signal?: AbortSignal | undefined }>;

/** What a registration came to; `newMember` as the server's last answer has it. */
export type Membership = Readonly<{ newMember: boolean; keyVersion: number }>;

/** What a device can know of a domain before it joins. */
export type DomainOverview = Readonly<{
  domain: string;
  authenticationRequired: boolean;
  authNamespace: string | null;
  deviceKeyRequired: boolean;
  /** 0 before the first key. */
  keyVersion: number;
}>;

/**
 * One device in one domain: joins, renews, opens what is encrypted to the domain, and leaves.
 *
 * Calls that change something run one after the other, each on what the store holds by then. Each throws
 * `DomainServerError` for what the server refuses, `DeviceDomainError` for what goes wrong on this side, and the
 * signal's reason if that aborts; after any of these it may be called again.
 */
export class DeviceDomain {
  readonly #address: DomainAddress;
  readonly #store: DeviceStore;
  readonly #server: ServerConnection;
  #state: DeviceState;
  #lastCall: Promise<unknown> = Promise.resolve();

  private constructor(address: DomainAddress, store: DeviceStore, state: DeviceState, options: DeviceDomainOptions) {
    this.#address = address;
    this.#store = store;
    this.#state = state;
    this.#server = new ServerConnection(address, options);
  }

  /**
   * The device that the store holds for a domain; a new one, already saved, if it holds none.
   *
   * @param url the domain's URL, such as `https://host/domains/den`
   * @throws DeviceDomainError `INVALID_DOMAIN_URL`, `MACHINE_GUID_CONFLICT`, `STORE_MALFORMED` or `STORE_NOT_PRIVATE`
   */
  static async open(url: string | URL, options: DeviceDomainOptions = {}): Promise<DeviceDomain> {
    const address = domainAddress(url);
    const machineGuid = options.machineGuid?.toLowerCase();
    if (machineGuid !== undefined && !GUID.test(machineGuid)) {
      throw new DeviceDomainError("MACHINE_GUID_CONFLICT", "The machine GUID is no UUID of version 4 or 7");
    }
    const store = options.store ?? new MemoryStore();
    const first = () => firstState(store, address.url, machineGuid);
    const state = (await store.load(address.url)) ?? (await exclusively(store, address.url, undefined, first));
    if (machineGuid !== undefined && state.machineGuid !== machineGuid) {
      throw new DeviceDomainError("MACHINE_GUID_CONFLICT", "The store holds a device with another machine GUID");
    }
    return new DeviceDomain(address, store, state, options);
  }

  /** The device's identity here: a secret between it and the server. */
  get machineGuid(): string {
    return this.#state.machineGuid;
  }

  /** Where the device stands, as far as it knows. */
  get status(): DeviceStatus {
    return this.#state.status;
  }

  /** The highest key version it holds; null if none. */
  get currentKeyVersion(): number | null {
    return this.#state.credentials.at(-1)?.keyVersion ?? null;
  }

  /** The domain's token of the highest key version, to show to others; null if it holds none. */
  get domainToken(): string | null {
    return this.#state.credentials.at(-1)?.token ?? null;
  }

  /**
   * Makes the device a member and gets the newest key of the domain. `decrypt` gets older ones when it needs them.
   *
   * @throws DeviceDomainError `LEAVE_UNFINISHED`, `UNTRUSTED_ANSWER`, `UNREACHABLE`
   */
  join({ signal }: CallOptions = {}): Promise<Membership> {
    return this.#exclusively(signal, async () => {
      this.#refuseWhileLeaving();
      return this.#register(signal);
    });
  }

  /**
   * Gets the newest key, and a new token.
   *
   * A member that was removed without knowing it is made a member again, if the domain lets it: the server does not
   * tell a renewal from a join, and `newMember` says so.
   *
   * @throws DeviceDomainError `NOT_A_MEMBER` before `join`, `LEAVE_UNFINISHED`, `UNTRUSTED_ANSWER`, `UNREACHABLE`
   */
  renew({ signal }: CallOptions = {}): Promise<Membership> {
    return this.#exclusively(signal, async () => {
      this.#refuseWhileLeaving();
      if (this.#state.status !== "member") throw notAMember();
      return this.#register(signal);
    });
  }

  /** Whether the device may leave: false if the server has no such member. Changes nothing. */
  previewLeave({ signal }: CallOptions = {}): Promise<boolean> {
    return this.#exclusively(signal, async () => {
      try {
        await this.#repeat(signal, () => this.#ask("deregister", { preview: true }, crypto.randomUUID(), signal));
        return true;
      } catch (error) {
        if (isDenied(error)) return false;
        throw error;
      }
    });
  }

  /**
   * Ends the membership and forgets the keys. Interrupted at any point, also by the end of the program, it is finished
   * by calling it again; a device that has left may call it once more to no effect. If it is denied while a registration
   * of the last minutes has no answer, the device joins first and leaves again, so that the old one comes to nothing
   * should it still arrive.
   *
   * @throws DomainServerError `DEREG_DENIED` if the device was a member no more: it has left by then, too. After any
   *   other refusal it stays what it was
   */
  leave({ signal }: CallOptions = {}): Promise<void> {
    return this.#exclusively(signal, async () => {
      if (this.#state.status === "left" && !this.#mayYetRegister()) return;
      const idempotencyKey = this.#state.leave?.idempotencyKey ?? crypto.randomUUID();
      await this.#repeat(signal, () => this.#tryToLeave(idempotencyKey, signal));
    });
  }

  /** What the server says of the domain. @throws DomainServerError `DOMAIN_NOT_FOUND` before anybody joined it */
  async domain({ signal }: CallOptions = {}): Promise<DomainOverview> {
    const { url, domain } = this.#address;
    const overview = (await this.#server.get(url, signal)) as DomainOverview | null;
    if (overview?.domain !== domain) throw untrusted("it is of another domain");
    return overview;
  }

  /**
   * Opens what was encrypted to the domain: a compact JWE, ECDH-ES+A256KW and A256GCM, with the `kid` of a domain key. An
   * older key that the device does not hold it gets from the domain's history, with the 99 next to it, and keeps it.
   *
   * @throws DeviceDomainError `NOT_A_MEMBER`, `KEY_NOT_HELD`, `KEY_RETIRED`, `UNREADABLE_SECRET`, `UNTRUSTED_ANSWER` or
   *   `UNREACHABLE`
   */
  async decrypt(jwe: string, { signal }: CallOptions = {}): Promise<Uint8Array> {
    signal?.throwIfAborted();
    const { kid, keyVersion } = keyNamedBy(jwe);
    // As the store has them by now: another tab may have got a key since, or left.
    const { credentials } = (await this.#store.load(this.#address.url)) ?? this.#state;
    if (credentials.length === 0) throw notAMember();
    const credential =
      credentials.find((each) => each.kid === kid) ??
      (await this.#exclusively(signal, () => this.#fromHistory(kid, keyVersion, signal)));
    return openSecret(jwe, credential.privateKey);
  }

  /** The credential of an older key, from the page of the history that holds it; keeps the whole page. */
  async #fromHistory(kid: string, hint: number | null, signal: AbortSignal | undefined): Promise<StoredCredential> {
    const keyVersion = hint ?? (await this.#versionOf(kid, signal));
    const { credentials } = this.#state;
    const newest = credentials.at(-1);
    const known = credentials.find((each) => each.kid === kid);
    if (known) return known;
    if (!newest || keyVersion === null || keyVersion >= newest.keyVersion) throw keyNotHeld(kid);
    const { url, domain } = this.#address;
    const body = await this.#server.get(historyUrl(url, newest.keyVersion, keyVersion), signal);
    const { context, nextPins } = this.#trust();
    const page = await this.#server.check(signal, () => checkHistory(body, domain, newest, context));
    // Sealed to another key of that version: it was made anew since, and the device has to renew.
    if (page === null) throw keyNotHeld(kid);
    const held = [...withCredentials(credentials, page, newest.kid), newest];
    await this.#save({ ...this.#state, credentials: held, authority: await nextPins() });
    const credential = page.find((each) => each.kid === kid);
    if (credential) return credential;
    if (page.some((each) => each.keyVersion === keyVersion)) throw keyNotHeld(kid);
    throw new DeviceDomainError("KEY_RETIRED", `The key of version ${keyVersion} is retired: nobody gets it any more`);
  }

  /** The version of a domain key, for a secret that does not say; null if the domain has no such key. */
  async #versionOf(kid: string, signal: AbortSignal | undefined): Promise<number | null> {
    try {
      const body = await this.#server.get(`${this.#address.url}/keys?kid=${encodeURIComponent(kid)}`, signal);
      const { keys } = (body ?? {}) as { keys?: readonly { kid?: unknown; key_version?: unknown }[] };
      const version = Array.isArray(keys) ? keys.find((key) => key?.kid === kid)?.key_version : undefined;
      return Number.isSafeInteger(version) ? (version as number) : null;
    } catch (error) {
      if (error instanceof DomainServerError && error.error === "NOT_FOUND") return null;
      throw error;
    }
  }

  #trust() {
    const { nextPins, ...trust } = this.#server.trust(this.#state.authority);
    return { context: { ...trust, keepsCryptoKeys: this.#store.keepsCryptoKeys }, nextPins };
  }

  async #register(signal: AbortSignal | undefined): Promise<Membership> {
    const { machineGuid, sealingKey, credentials: held } = this.#state;
    const { domain } = this.#address;
    const { body, signedAt } = await this.#repeat(signal, () => this.#tryToRegister(signal));
    const { context, nextPins } = this.#trust();
    const checked = { ...context, domain, machineGuid, held, sealingKey: sealingKey.privateKey };
    const { newMember, keyVersion, credentials } = await this.#server.check(signal, () =>
      checkRegistration(body, checked),
    );
    const authority = await nextPins();
    await this.#save({ ...this.#answered(), status: "member", credentials, authority, effectiveAt: signedAt });
    return { newMember, keyVersion };
  }

  /** One try to register. While it has no answer, the state says that it may yet arrive. */
  async #tryToRegister(signal: AbortSignal | undefined): Promise<Readonly<{ body: unknown; signedAt: number }>> {
    const before = this.#state;
    const members = { credentials: "newest", encryptionKey: before.sealingKey.publicJwk };
    let signedAt = 0;
    const begin = async (now: number) => {
      signedAt = now;
      await this.#save({ ...before, status: before.status === "left" ? "new" : before.status, unanswered: now });
    };
    try {
      return { body: await this.#ask("register", members, crypto.randomUUID(), signal, begin), signedAt };
    } catch (error) {
      // What was refused will not happen; an earlier try may.
      if (isRefusal(error)) await this.#save(before);
      throw error;
    }
  }

  /** Whether a registration without an answer may take effect: the server takes none that was signed long ago. */
  #mayYetRegister(): boolean {
    const { unanswered } = this.#state;
    // By the clock of a device that signed ahead of time, it takes twice as long.
    return unanswered !== undefined && this.#server.clock.now() < unanswered + 2 * CLOCK_TOLERANCE_SECONDS * 1000;
  }

  /** The state in which no registration is without an answer. */
  #answered(): DeviceState {
    const { unanswered, ...state } = this.#state;
    return state;
  }

  /**
   * Joins before a leave that was denied, if a registration may yet arrive: once the leave has taken effect, whatever
   * was signed before it does so no more.
   *
   * @returns whether the device is to leave once more
   */
  async #overtakeRegistration(signal: AbortSignal | undefined): Promise<boolean> {
    if (!this.#mayYetRegister()) return false;
    try {
      const { body, signedAt } = await this.#tryToRegister(signal);
      answerFor(body, { domain: this.#address.domain, machineGuid: this.#state.machineGuid });
      await this.#save({ ...this.#answered(), effectiveAt: signedAt });
      return true;
    } catch (error) {
      if (isRefusal(error)) return false;
      throw error;
    }
  }

  /** One try to leave. What the server refuses did not happen; after anything else it may have, and the state says so. */
  async #tryToLeave(idempotencyKey: string, signal: AbortSignal | undefined): Promise<void> {
    const before = this.#state;
    const begin = (now: number) => {
      const signedAt = Math.max(now, before.leave?.signedAt ?? 0);
      return this.#save({ ...before, status: "leaving", leave: { idempotencyKey, signedAt } });
    };
    try {
      const body = await this.#ask("deregister", {}, idempotencyKey, signal, begin);
      if ((body as { deregistered?: unknown } | null)?.deregistered !== true) {
        throw untrusted("it does not say that the device has left");
      }
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (isDenied(error) && (await this.#overtakeRegistration(signal)))
        return this.#tryToLeave(idempotencyKey, signal);
      await this.#save(isDenied(error) ? this.#gone(this.#state) : before);
      // If an earlier try may have happened, it is that one which made this device no member.
      if (isDenied(error) && (before.status === "leaving" || before.status === "left")) return;
      throw error;
    }
    await this.#save(this.#gone(this.#answered()));
  }

  /** The state after the membership. */
  #gone({ leave, ...state }: DeviceState): DeviceState {
    // A wrong clock may have signed tries that the server never took: those must not keep the device from coming back.
    const latest = this.#server.clock.now() + CLOCK_TOLERANCE_SECONDS * 1000;
    const effectiveAt = leave ? Math.min(leave.signedAt, latest) : state.effectiveAt;
    return { ...state, status: "left", credentials: [], leave: null, effectiveAt };
  }

  /** Sends one signed request, for which `beforeSending` is given the time it is signed at. */
  async #ask(
    action: "register" | "deregister",
    members: Readonly<Record<string, unknown>>,
    idempotencyKey: string,
    signal: AbortSignal | undefined,
    beforeSending: (signedAt: number) => Promise<void> = async () => {},
  ): Promise<unknown> {
    const { machineGuid, signingKey } = this.#state;
    const signingTime = () => this.#signingTime();
    const signing = { signingKey, idempotencyKey, signingTime, beforeSending };
    return this.#server.send(action, { machineGuid, ...members }, signing, signal);
  }

  /**
   * When a request is signed: after whatever took effect or may yet, also if the clock was set back since. The server
   * takes what is signed before for a replay.
   */
  #signingTime(): number {
    const { effectiveAt, unanswered, leave } = this.#state;
    const now = this.#server.clock.now();
    const mayBeTaken = (at: number | undefined) => (at ?? 0) < now + CLOCK_TOLERANCE_SECONDS * 1000;
    // What a wrong clock signed further ahead than that, the server never took.
    const open = [unanswered, leave?.signedAt].filter(mayBeTaken);
    return Math.max(now, ...[effectiveAt, ...open].map((at) => (at ?? 0) + 1));
  }

  #repeat<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    return this.#server.repeat(this.#state.authority, signal, work);
  }

  /** Runs a call once all before it are done, on what the store holds by then: another program may share it. */
  #exclusively<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const { url } = this.#address;
    const turn = this.#lastCall;
    const onLatestState = async () => {
      this.#state = (await this.#store.load(url)) ?? this.#state;
      return work();
    };
    const call = (async () => {
      await orAborted(turn, signal);
      return exclusively(this.#store, url, signal, onLatestState);
    })();
    this.#lastCall = Promise.allSettled([turn, call]);
    return call;
  }

  async #save(state: DeviceState): Promise<void> {
    await this.#store.save(this.#address.url, state);
    this.#state = state;
  }

  #refuseWhileLeaving(): void {
    if (this.#state.status !== "leaving") return;
    throw new DeviceDomainError("LEAVE_UNFINISHED", "A leave was begun: finish it with leave() first");
  }
}

/** A UUID of version 4 or 7 (RFC 9562): the server takes no other. */
const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Does something that no other program does with the same device meanwhile, as far as the store can see to that. */
function exclusively<T>(
  store: DeviceStore,
  url: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  return store.exclusively?.(url, signal, work) ?? work();
}

/** The device that another program has just saved, or else a new one, saved. */
async function firstState(store: DeviceStore, url: string, machineGuid?: string): Promise<DeviceState> {
  const known = await store.load(url);
  if (known) return known;
  const state = await newDevice(machineGuid ?? crypto.randomUUID(), store.keepsCryptoKeys);
  // Known to the server before it is saved, a device whose program ends would be a member that nobody is.
  await store.save(url, state);
  return state;
}

async function newDevice(machineGuid: string, keepsCryptoKeys: boolean): Promise<DeviceState> {
  const [signingKey, sealingKey] = await Promise.all([
    newKeyPair("sign", keepsCryptoKeys),
    newKeyPair("deriveBits", keepsCryptoKeys),
  ]);
  return {
    version: 1,
    machineGuid,
    status: "new",
    signingKey,
    sealingKey,
    credentials: [],
    authority: [],
    leave: null,
    effectiveAt: null,
  };
}

function isDenied(error: unknown): boolean {
  return error instanceof DomainServerError && error.error === "DEREG_DENIED";
}

function notAMember(): DeviceDomainError {
  return new DeviceDomainError("NOT_A_MEMBER", "The device is no member of the domain: join() first");
}

function keyNotHeld(kid: string): DeviceDomainError {
  return new DeviceDomainError("KEY_NOT_HELD", `The device does not hold the key ${kid}: renew() may bring it`);
}
