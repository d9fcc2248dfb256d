import { DeviceDomainError, isRefusal } from "./client-errors.ts";
import type { DeviceRecord } from "./device-record.ts";
import type { DeviceState } from "./device-state.ts";
import {
  answered,
  gone,
  isDenied,
  leaving,
  mayYetRegister,
  preparing,
  refusedRegistration,
  registering,
  signingTime,
  unprepared,
} from "./device-transitions.ts";
import type { DomainAddress } from "./domain-url.ts";
import { answerFor, checkRegistration } from "./registration-response.ts";
import { orAborted } from "./retries.ts";
import { untrusted } from "./sealed-credentials.ts";
import type { ServerConnection } from "./server-connection.ts";

/** The result of a registration; `newMember` as the server's last response has it. */
export type RegistrationResult = Readonly<{ newMember: boolean; keyVersion: number }>;

/** Work of an application before a leave, such as deleting the licences that the device holds. */
export type BeforeLeaving = () => unknown;

/** The requests that begin, renew and end a membership, and what is saved of each. Each is made in its turn. */
export class MembershipRequests {
  readonly #address: DomainAddress;
  readonly #record: DeviceRecord;
  readonly #server: ServerConnection;
  readonly #deviceName: string | undefined;

  constructor(address: DomainAddress, record: DeviceRecord, server: ServerConnection, deviceName: string | undefined) {
    this.#address = address;
    this.#record = record;
    this.#server = server;
    this.#deviceName = deviceName;
  }

  /** Joins or renews. */
  async register(signal: AbortSignal | undefined): Promise<RegistrationResult> {
    this.#refuseWhileLeaving();
    const { status, authority, effectiveAt, machineGuid, sealingKey, credentials: held } = this.#state;
    const { domain } = this.#address;
    const { body, signedAt } = await this.#repeat(signal, () => this.#tryToRegister(signal));
    const { nextPins, ...trust } = this.#server.trust({ authority, effectiveAt });
    const { keepsCryptoKeys } = this.#record;
    const context = { ...trust, keepsCryptoKeys, domain, machineGuid, held, sealingKey: sealingKey.privateKey };
    const { newMember, keyVersion, credentials } = await this.#server.retried(signal, () =>
      checkRegistration(body, context),
    );
    const state = { ...answered(this.#state), credentials, authority: await nextPins(), effectiveAt: signedAt };
    await this.#record.save({ ...state, status: "member" }, newMember && status === "member");
    return { newMember, keyVersion };
  }

  /** Whether the device may leave. */
  async preview(signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await this.#repeat(signal, () => this.#ask("deregister", { preview: true }, crypto.randomUUID(), signal));
      return true;
    } catch (error) {
      if (isDenied(error)) return false;
      throw error;
    }
  }

  /** Leaves, after `beforeLeaving` if there is one. */
  async leave(beforeLeaving: BeforeLeaving | undefined, signal: AbortSignal | undefined): Promise<void> {
    if (this.#state.status === "left" && !this.#mayYetRegister()) return;
    if (!beforeLeaving) this.#refuseUnprepared();
    // If a leave was sent before, the device may no longer be a member: there is nothing left to ask.
    else if (this.#state.leave === null) await this.#beginToPrepare(signal);
    try {
      if (beforeLeaving) await orAborted((async () => beforeLeaving())(), signal);
      const idempotencyKey = this.#state.leave?.idempotencyKey ?? crypto.randomUUID();
      await this.#repeat(signal, () => this.#tryToLeave(idempotencyKey, signal));
    } catch (error) {
      if (this.#state.preparing !== undefined) await this.#record.save(unprepared(this.#state));
      throw error;
    }
  }

  get #state(): DeviceState {
    return this.#record.state;
  }

  /** Asks whether the device may leave, and saves that `beforeLeaving` is owed from now on. */
  async #beginToPrepare(signal: AbortSignal | undefined): Promise<void> {
    // Also if it may not, for it is not a member then, and will forget its keys: what belongs to them has to go before.
    await this.preview(signal);
    await this.#record.save(preparing(this.#state));
  }

  /** One try to register. While it has no answer, the state says that it may yet arrive. */
  async #tryToRegister(signal: AbortSignal | undefined): Promise<Readonly<{ body: unknown; signedAt: number }>> {
    const before = this.#state;
    const encryptionKey = before.sealingKey.publicJwk;
    const members = { credentials: "newest", encryptionKey, deviceName: this.#deviceName };
    let signedAt = 0;
    const begin = async (now: number) => {
      signedAt = now;
      await this.#record.save(registering(before, now));
    };
    try {
      return { body: await this.#ask("register", members, crypto.randomUUID(), signal, begin), signedAt };
    } catch (error) {
      // A refused request has no effect; an earlier try may have one.
      if (isRefusal(error)) await this.#record.save(refusedRegistration(before, error));
      throw error;
    }
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
      await this.#record.save({ ...answered(this.#state), effectiveAt: signedAt });
      return true;
    } catch (error) {
      if (isRefusal(error)) return false;
      throw error;
    }
  }

  /** One try to leave. What the server refuses did not happen; after anything else it may have, and the state says so. */
  async #tryToLeave(idempotencyKey: string, signal: AbortSignal | undefined): Promise<void> {
    const before = this.#state;
    const begin = (now: number) => this.#record.save(leaving(before, idempotencyKey, now));
    try {
      const body = await this.#ask("deregister", {}, idempotencyKey, signal, begin);
      if ((body as { deregistered?: unknown } | null)?.deregistered !== true) {
        throw untrusted("it does not say that the device has left");
      }
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (isDenied(error) && (await this.#overtakeRegistration(signal)))
        return this.#tryToLeave(idempotencyKey, signal);
      await this.#record.save(isDenied(error) ? gone(this.#state, this.#server.clock.now()) : before);
      if (isDenied(error) && isNoSurprise(before)) return;
      throw error;
    }
    await this.#record.save(gone(answered(this.#state), this.#server.clock.now()));
  }

  /** Sends one signed request, for which `beforeSending` is given the time it is signed at. */
  #ask(
    action: "register" | "deregister",
    members: Readonly<Record<string, unknown>>,
    idempotencyKey: string,
    signal: AbortSignal | undefined,
    beforeSending: (signedAt: number) => Promise<void> = async () => {},
  ): Promise<unknown> {
    const { machineGuid, signingKey } = this.#state;
    const signing = {
      ...{ signingKey, idempotencyKey, beforeSending },
      signingTime: () => signingTime(this.#state, this.#server.clock.now()),
    };
    return this.#server.send(action, { machineGuid, ...members }, signing, signal);
  }

  #repeat<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    return this.#server.repeat(this.#state, signal, work);
  }

  #mayYetRegister(): boolean {
    return mayYetRegister(this.#state, this.#server.clock.now());
  }

  #refuseWhileLeaving(): void {
    if (this.#state.status !== "leaving") return;
    throw new DeviceDomainError("LEAVE_UNFINISHED", "The device has begun to leave, and has not finished");
  }

  #refuseUnprepared(): void {
    if (this.#state.preparing === undefined) return;
    throw new DeviceDomainError("LEAVE_UNFINISHED", "The leave was begun with beforeLeaving: give it that again");
  }
}

/** Whether a denied leave tells nothing new: an earlier try ended the membership, or the device knew that it was over. */
function isNoSurprise({ leave, preparing, status }: DeviceState): boolean {
  return leave !== null || ["left", "removed"].includes(preparing ?? status);
}
