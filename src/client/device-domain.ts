import { MACHINE_GUID } from "../protocol/machine-guid.ts";
import { type ChangeListener, newestVersion } from "./change-listeners.ts";
import { DeviceDomainError } from "./client-errors.ts";
import { DeviceRecord } from "./device-record.ts";
import type { DeviceStatus, DeviceStore, StoredCredential } from "./device-state.ts";
import { type DomainAddress, domainAddress } from "./domain-url.ts";
import { keyNamedBy, type NamedKey, openSecret } from "./encrypted-secrets.ts";
import { type BeforeLeaving, MembershipRequests, type RegistrationResult } from "./membership-requests.ts";
import { MemoryStore } from "./memory-store.ts";
import { olderCredential } from "./older-keys.ts";
import { type NamedDevice, type OwnedDevice, OwnedDevices } from "./owned-devices.ts";
import { untrusted } from "./sealed-credentials.ts";
import { type ConnectionOptions, ServerConnection } from "./server-connection.ts";

/** How a device is opened. */
export type DeviceDomainOptions = ConnectionOptions &
  Readonly<{
    /** Where the device is kept; in memory if left out. */
    store?: DeviceStore | undefined;
    /** The GUID the device was given once; a random one if left out. */
    machineGuid?: string | undefined;
    /**
     * The name of the device for its owner, 1 to 64 characters. It names a device that has no name yet: a name that the
     * owner gave lasts.
     */
    deviceName?: string | undefined;
  }>;

/** Options of every call: a signal that ends it early. */
export type CallOptions = Readonly<{ signal?: AbortSignal | undefined }>;

/** How a device leaves. */
export type LeaveOptions = CallOptions &
  Readonly<{
    /**
     * The application's work before the leave is sent, such as deleting the licences that the device holds. It may run again
     * after an interruption, so it must do no harm the second time. It must not wait for calls that change this device: they
     * wait for the leave.
     */
    beforeLeaving?: BeforeLeaving | undefined;
  }>;

/** The description of a domain before a device joins it. */
export type DomainOverview = Readonly<{
  domain: string;
  authenticationRequired: boolean;
  authNamespace: string | null;
  /** The issuers whose tokens it takes; none if it asks for no token. */
  authorizationServers: readonly string[];
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
  readonly #record: DeviceRecord;
  readonly #server: ServerConnection;
  readonly #membership: MembershipRequests;
  readonly #owned: OwnedDevices;

  private constructor(address: DomainAddress, record: DeviceRecord, options: DeviceDomainOptions) {
    this.#address = address;
    this.#record = record;
    this.#server = new ServerConnection(address, options);
    this.#membership = new MembershipRequests(address, record, this.#server, options.deviceName);
    this.#owned = new OwnedDevices(address, this.#server, record.state.machineGuid);
  }

  /**
   * The device that the store holds for a domain; a new one, already saved, if it holds none.
   *
   * @param url the domain's URL, such as `https://host/domains/den`
   * @throws DeviceDomainError `INVALID_DOMAIN_URL`, `INVALID_MACHINE_GUID`, `MACHINE_GUID_CONFLICT`, `STORE_MALFORMED` or `STORE_NOT_PRIVATE`
   */
  static async open(url: string | URL, options: DeviceDomainOptions = {}): Promise<DeviceDomain> {
    const address = domainAddress(url);
    const machineGuid = options.machineGuid?.toLowerCase();
    if (machineGuid !== undefined && !MACHINE_GUID.test(machineGuid)) {
      throw new DeviceDomainError("INVALID_MACHINE_GUID", "The machine GUID is not a UUID of version 4 or 7");
    }
    const record = await DeviceRecord.open(options.store ?? new MemoryStore(), address.url, machineGuid);
    return new DeviceDomain(address, record, options);
  }

  /** The device's identity here: a secret between it and the server. */
  get machineGuid(): string {
    return this.#record.state.machineGuid;
  }

  /** Where the device stands, as far as it knows. */
  get status(): DeviceStatus {
    return this.#record.state.status;
  }

  /** The highest key version it holds; null if none. */
  get currentKeyVersion(): number | null {
    return newestVersion(this.#record.state);
  }

  /** The domain's token of the highest key version, to show to others; null if it holds none. */
  get domainToken(): string | null {
    return this.#record.state.credentials.at(-1)?.token ?? null;
  }

  /**
   * Has a listener told of changes of `status` and `currentKeyVersion`, once they are saved. What another program did it
   * hears of when this one has its next turn to change the device.
   *
   * @returns what ends that, as the signal does
   */
  onChange(listener: ChangeListener, { signal }: CallOptions = {}): () => void {
    if (signal?.aborted) return () => {};
    const end = this.#record.listeners.add(listener);
    signal?.addEventListener("abort", end, { once: true });
    return end;
  }

  /**
   * Makes the device a member and gets the newest key of the domain. `decrypt` gets older ones when it needs them.
   *
   * @throws DeviceDomainError `LEAVE_UNFINISHED`, `UNTRUSTED_ANSWER`, `UNREACHABLE`
   */
  join({ signal }: CallOptions = {}): Promise<RegistrationResult> {
    return this.#record.inTurn(signal, () => this.#membership.register(signal));
  }

  /**
   * Gets the newest key, and a new token.
   *
   * A member that was removed without knowing it is made a member again, if the domain lets it: the server does not
   * tell a renewal from a join, and `newMember` says so. If the domain is full, the device banned or the domain
   * deleted, its status is `removed` from then on. It keeps the keys it has, and `join` tries again. Other refusals say
   * nothing of that.
   *
   * @throws DeviceDomainError `NOT_A_MEMBER` unless it is a member, `LEAVE_UNFINISHED`, `UNTRUSTED_ANSWER`, `UNREACHABLE`
   */
  renew({ signal }: CallOptions = {}): Promise<RegistrationResult> {
    return this.#record.inTurn(signal, async () => {
      if (!["member", "leaving"].includes(this.status)) throw notAMember();
      return this.#membership.register(signal);
    });
  }

  /** Whether the device may leave: false if the server has no such member. Changes nothing. */
  previewLeave({ signal }: CallOptions = {}): Promise<boolean> {
    return this.#record.inTurn(signal, () => this.#membership.preview(signal));
  }

  /**
   * Ends the membership and forgets the keys. Interrupted at any point, also by the end of the program, it is finished
   * by calling it again; a device that has left may call it once more to no effect. If it is denied while a registration
   * of the last minutes has no answer, the device joins first and leaves again, so that the old one comes to nothing
   * should it still arrive.
   *
   * With `beforeLeaving`, the device asks first whether it may leave, and is `leaving` from then on. `beforeLeaving` is
   * done before any leave is sent, and before the keys of a device that is no longer a member are forgotten. If it fails,
   * or the leave is then refused, the device is what it was, and has not left. If the program ends in between, the next
   * call has to be given it again.
   *
   * @throws DeviceDomainError `LEAVE_UNFINISHED` if `beforeLeaving` is owed and left out
   * @throws DomainServerError `DEREG_DENIED` if the device was a member no more: it has left by then, too. After any
   *   other refusal it stays what it was
   */
  leave({ signal, beforeLeaving }: LeaveOptions = {}): Promise<void> {
    return this.#record.inTurn(signal, () => this.#membership.leave(beforeLeaving, signal));
  }

  /**
   * All devices of the domain. This call and the three that follow are its owner's, and need the owner's auth token.
   *
   * @throws DeviceDomainError `UNTRUSTED_ANSWER`, `UNREACHABLE`
   */
  devices({ signal }: CallOptions = {}): Promise<readonly OwnedDevice[]> {
    return this.#owned.list(signal);
  }

  /** Names a device; null takes its name away. */
  rename(device: NamedDevice, name: string | null, { signal }: CallOptions = {}): Promise<void> {
    return this.#owned.rename(device, name, signal);
  }

  /**
   * Ends the membership of another device, with the effect of a leave.
   *
   * @throws DeviceDomainError `THIS_DEVICE` if it is this one, by a row or a handle of its own `devices()`
   */
  removeOther(device: NamedDevice, { signal }: CallOptions = {}): Promise<void> {
    return this.#owned.remove(device, signal);
  }

  /** Ends the memberships of all devices but this one, which need not be a member. */
  removeAllOthers({ signal }: CallOptions = {}): Promise<void> {
    return this.#owned.removeAllOthers(signal);
  }

  /** Reads the server's description of the domain. @throws DomainServerError `DOMAIN_NOT_FOUND` before anybody joined it */
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
    // As the store has them by now: another tab may have got a key since, or left.
    const { credentials } = await this.#record.latest();
    if (credentials.length === 0) throw notAMember();
    const named = keyNamedBy(jwe);
    const older = () => this.#olderCredential(named, signal);
    const credential = credentials.find(({ kid }) => kid === named.kid) ?? (await this.#record.inTurn(signal, older));
    return openSecret(jwe, credential.privateKey);
  }

  async #olderCredential(named: NamedKey, signal: AbortSignal | undefined): Promise<StoredCredential> {
    const find = () => olderCredential(this.#address, this.#record, this.#server, named, signal);
    try {
      return await find();
    } catch (error) {
      const mayBeClock = error instanceof DeviceDomainError && error.error === "UNTRUSTED_ANSWER";
      if (!mayBeClock || this.#server.clock.isCorrected) throw error;
      // Only a signed request is told the time: this one changes nothing.
      await this.#membership.preview(signal).catch(() => signal?.throwIfAborted());
      if (!this.#server.clock.isCorrected) throw error;
      return find();
    }
  }
}

function notAMember(): DeviceDomainError {
  return new DeviceDomainError("NOT_A_MEMBER", "The device is not a member of the domain");
}
