import { DeviceDomainError, DomainServerError } from "../../../src/client/client-errors.ts";
import { type CallOptions, DeviceDomain } from "../../../src/client/device-domain.ts";
import type { DeviceStatus, DeviceStore } from "../../../src/client/device-state.ts";
import { DeviceProgram } from "./device-program.ts";
import type { CapturedRequest, Line } from "./fault-proxy.ts";
import { pass, randomFault } from "./faults.ts";
import type { Random } from "./seeded-random.ts";

type Act = "join" | "renew" | "previewLeave" | "leave" | "reopen";

/** The actions that a device can take as it stands, and how often compared to the rest. */
const ACTS: Readonly<Record<DeviceStatus, readonly Act[]>> = {
  new: ["join", "join", "join", "join", "previewLeave", "leave", "leave", "reopen"],
  member: ["renew", "renew", "join", "previewLeave", "leave", "leave", "leave", "leave", "reopen"],
  leaving: ["leave", "leave", "leave", "join", "renew", "previewLeave", "reopen"],
  left: ["join", "join", "join", "join", "renew", "previewLeave", "leave", "reopen"],
  removed: ["join", "leave"],
};

/** A call may come to this many moments at which it can be struck; most need fewer. */
const MOMENTS = 20;

/** The means of a life. */
export type LifeOptions = Readonly<{
  /** The domain's URL, and the same past all faults. */
  url: string;
  plainUrl: string;
  line: Line;
  /** Whether its programs may be killed. */
  isMortal: boolean;
  /** The device's store, opened anew by each of its programs. */
  openStore: () => DeviceStore;
  random: Random;
}>;

/** The life of one device: used at random, interrupted at random, and meant to end up as what was asked of it last. */
export class DeviceLife {
  /** The state of the device in the end. */
  intention: "member" | "left" = "left";
  /** Its actions and their outcomes, line by line. */
  readonly trace: string[] = [];
  readonly #options: LifeOptions;
  readonly #random: Random;
  /** Whether it deletes its licences before it leaves. */
  readonly #prepares: boolean;
  /** Whether it has licences. */
  #hasLicences = false;
  #program!: DeviceProgram;
  #device!: DeviceDomain;
  /** How many deliveries the trace tells of. */
  #told = 0;

  constructor(options: LifeOptions) {
    this.#options = options;
    this.#random = options.random;
    this.#prepares = options.random.below(2) === 0;
  }

  get line(): Line {
    return this.#options.line;
  }

  /** The device as it stands. */
  get device(): DeviceDomain {
    return this.#device;
  }

  /** The newest key that the server ever sealed to the device, whether the answer came or not; 0 for none. */
  get newestKeyGiven(): number {
    const given = this.line.deliveries.filter(({ request, answer }) => isRegistration(request) && answer.status < 300);
    return Math.max(0, ...given.map(({ answer }) => JSON.parse(answer.body.toString()).keyVersion));
  }

  /** Uses the device through faults. */
  async live(): Promise<void> {
    this.line.plan = () => randomFault(this.#random);
    await this.#reopen();
    for (let acts = 3 + this.#random.below(4); acts > 0; acts--) {
      const act = this.#random.pick(ACTS[this.#device.status]);
      if (act === "reopen") await this.#reopen();
      else await this.#act(act);
    }
  }

  /** Has the device become what it is meant to be, by a few plain calls without faults. */
  async finish(): Promise<void> {
    this.line.plan = () => pass;
    await this.line.settle();
    // A recorder sends all leaves once more: each is over and done with, or still wanted.
    for (const { request } of [...this.line.deliveries]) {
      if (request.path.endsWith("/deregister")) await this.line.deliver(request);
    }
    this.#program = new DeviceProgram(this.#options.openStore(), this.line);
    this.#device = await this.#open();
    const { device } = this;
    this.#tell(`finally ${this.intention}, from ${device.status}`);
    this.#demandKeys();
    if (this.intention === "member") {
      if (device.status === "leaving") await this.#leave().catch((error) => this.#demandDenial("leaving", error));
      if (device.status === "member") this.#demand(!(await device.renew()).newMember, "was a member all along");
      else await device.join();
    } else if (device.status !== "left") {
      const { status } = device;
      await this.#leave().catch((error) => this.#demandDenial(status, error));
      this.#demand(!this.#hasLicences, "has deleted its licences");
    }
  }

  async #act(act: Exclude<Act, "reopen">): Promise<void> {
    const { device } = this;
    const before = device.status;
    if (act === "join") this.intention = "member";
    if (act === "leave") this.intention = "left";
    const abort = new AbortController();
    const strike = this.#planStrike(() => abort.abort(new Error("interrupted")));
    const done = await this.#orEnded(
      (act === "leave" ? this.#leave(abort.signal) : device[act]({ signal: abort.signal } satisfies CallOptions)).then(
        (result) => ({ result: result as unknown }),
        (error: unknown) => ({ error }),
      ),
    );
    this.#program.strikeAt(0, () => {});
    if (!done) {
      this.#tell(`${act} ${strike}: dead`);
      return this.#reopen();
    }
    this.#tell(`${act} ${strike}: ${"error" in done ? nameOf(done.error) : JSON.stringify(done.result)}`);
    this.#demandKeys();
    if ("error" in done) this.#demandExcusable(act, before, done.error, abort.signal);
    else await this.#demandGood(act, before, done.result);
  }

  /** Leaves, in its own way. */
  #leave(signal?: AbortSignal): Promise<void> {
    const program = this.#program;
    const deleteLicences = async () => {
      await program.pause(0, signal);
      this.#hasLicences = false;
    };
    return this.#device.leave({ signal, beforeLeaving: this.#prepares ? deleteLicences : undefined });
  }

  /** Plans an interruption, or none. @returns a word on it for the trace */
  #planStrike(abort: () => void): string {
    const moment = 1 + this.#random.below(MOMENTS);
    const kind = this.#random.pick(["calm", "calm", "abort", this.#options.isMortal ? "death" : "abort"]);
    if (kind !== "calm") this.#program.strikeAt(moment, kind === "death" ? this.#program.end : abort);
    return `${kind} ${moment}`;
  }

  /** Opens the device anew, as a program does that starts. */
  async #reopen(): Promise<void> {
    for (let isOpen = false; !isOpen; ) {
      this.#program = new DeviceProgram(this.#options.openStore(), this.line);
      if (this.#options.isMortal) this.#program.strikeAt(1 + this.#random.below(MOMENTS), this.#program.end);
      const device = await this.#orEnded(this.#open(this.#random.below(5)));
      this.#program.strikeAt(0, () => {});
      isOpen = device !== null;
      if (device) this.#device = device;
      this.#tell(isOpen ? "opened" : "dead while opening");
    }
  }

  #open(retries?: number): Promise<DeviceDomain> {
    const { store, fetch, pause } = this.#program;
    return DeviceDomain.open(this.#options.url, { store, fetch, pause, retries });
  }

  async #orEnded<T>(work: Promise<T>): Promise<T | null> {
    return Promise.race([work, this.#program.ended().then(() => null)]);
  }

  async #demandGood(act: string, before: string, result: unknown): Promise<void> {
    const { status, currentKeyVersion } = this.#device;
    if (act === "previewLeave") {
      const known = { member: true, left: false, new: result, leaving: result }[before];
      this.#demand(result === known, `is ${before}, as the server sees it`);
    } else if (act === "leave") {
      this.#demand(status === "left" && currentKeyVersion === null, "has left and forgotten its keys");
      this.#demand(await this.#isShutOut(), "opens nothing from now on");
      this.#demand(!this.#hasLicences, "has deleted its licences");
    } else {
      const { keyVersion } = result as { keyVersion: number };
      this.#demand(status === "member" && currentKeyVersion === keyVersion, "is a member with every key");
      this.#hasLicences = this.#prepares;
    }
  }

  #demandKeys(): void {
    const { status, currentKeyVersion } = this.#device;
    this.#demand(status !== "member" || currentKeyVersion !== null, "has keys if it takes itself for a member");
  }

  /** Whether what is encrypted now opens with no key that the device ever had: there is none yet, or a newer one. */
  async #isShutOut(): Promise<boolean> {
    const response = await fetch(`${this.#options.plainUrl}/keys`);
    const { currentKeyVersion } = (await response.json()) as { currentKeyVersion?: number | null };
    return (currentKeyVersion ?? Number.POSITIVE_INFINITY) > this.newestKeyGiven;
  }

  #demandExcusable(act: string, before: string, error: unknown, signal: AbortSignal): void {
    const excusable =
      (signal.aborted && error === signal.reason) ||
      (error instanceof DomainServerError && error.retryable) ||
      (error instanceof DeviceDomainError && error.error === "UNREACHABLE") ||
      (error instanceof DeviceDomainError && error.error === "LEAVE_UNFINISHED" && before === "leaving") ||
      (error instanceof DeviceDomainError && error.error === "NOT_A_MEMBER" && before !== "member") ||
      (act === "leave" && this.#mayBeDenied(before, error));
    this.#demand(excusable, `may fail to ${act} while ${before}`, error);
  }

  /** One that never came to be a member is told so when it leaves, also if it had to delete its licences first. */
  #mayBeDenied(before: string, error: unknown): boolean {
    return isDenied(error) && (before === "new" || (before === "leaving" && this.#prepares));
  }

  #demandDenial(before: string, error: unknown): void {
    this.#demand(this.#mayBeDenied(before, error), "may leave", error);
  }

  /** Adds to the trace, together with what the server was sent meanwhile. */
  #tell(what: string): void {
    const deliveries = this.line.deliveries.slice(this.#told);
    this.#told += deliveries.length;
    const sent = deliveries.map(({ request, answer }) => `${request.path.split("/").at(-1)} ${answer.status}`);
    this.trace.push([what, ...sent].join("; "));
  }

  #demand(holds: boolean, what: string, cause?: unknown): void {
    if (!holds) throw new Error(`It is not so that the device ${what}`, { cause });
  }
}

function isRegistration({ path }: CapturedRequest): boolean {
  return path.endsWith("/register");
}

function isDenied(error: unknown): boolean {
  return error instanceof DomainServerError && error.error === "DEREG_DENIED";
}

function nameOf(error: unknown): string {
  const { error: name, message } = error as { error?: string; message?: string };
  return name ?? String(message);
}
