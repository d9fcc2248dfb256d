import { ChangeListeners } from "./change-listeners.ts";
import { DeviceDomainError } from "./client-errors.ts";
import { newKeyPair } from "./device-keys.ts";
import type { DeviceState, DeviceStore } from "./device-state.ts";
import { Turns } from "./turns.ts";

/** A device as its store holds it. Changes of it are made in turn. */
export class DeviceRecord {
  readonly listeners = new ChangeListeners();
  readonly #store: DeviceStore;
  readonly #url: string;
  readonly #turns = new Turns();
  #state: DeviceState;

  private constructor(store: DeviceStore, url: string, state: DeviceState) {
    this.#store = store;
    this.#url = url;
    this.#state = state;
  }

  /**
   * The device of a domain URL; a new one, already saved, if the store holds none.
   *
   * @throws DeviceDomainError `MACHINE_GUID_CONFLICT`, or what the store throws
   */
  static async open(store: DeviceStore, url: string, machineGuid: string | undefined): Promise<DeviceRecord> {
    const first = () => firstState(store, url, machineGuid);
    const state = (await store.load(url)) ?? (await exclusively(store, url, undefined, first));
    if (machineGuid !== undefined && state.machineGuid !== machineGuid) {
      throw new DeviceDomainError("MACHINE_GUID_CONFLICT", "The store holds a device with another machine GUID");
    }
    return new DeviceRecord(store, url, state);
  }

  get state(): DeviceState {
    return this.#state;
  }

  get keepsCryptoKeys(): boolean {
    return this.#store.keepsCryptoKeys;
  }

  /** The state as the store has it now: another program may have changed it. */
  async latest(): Promise<DeviceState> {
    return (await this.#store.load(this.#url)) ?? this.#state;
  }

  /** @param readmitted whether this state follows a removal that was not known */
  async save(state: DeviceState, readmitted = false): Promise<void> {
    await this.#store.save(this.#url, state);
    this.#become(state, readmitted);
  }

  /** Runs work once all before it is done, on what the store holds by then: another program may share it. */
  inTurn<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const onLatestState = async () => {
      this.#become(await this.latest());
      return work();
    };
    return this.#turns.take(signal, () => exclusively(this.#store, this.#url, signal, onLatestState));
  }

  #become(state: DeviceState, readmitted = false): void {
    const before = this.#state;
    this.#state = state;
    this.listeners.tell(before, state, readmitted);
  }
}

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
  // Save first. If the program ended after joining but before saving, the membership would be orphaned.
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
