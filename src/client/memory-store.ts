import type { DeviceState, DeviceStore } from "./device-state.ts";

/** Keeps devices for as long as the program runs. */
export class MemoryStore implements DeviceStore {
  readonly keepsCryptoKeys = true;
  readonly #states = new Map<string, DeviceState>();

  async load(domainUrl: string): Promise<DeviceState | null> {
    return this.#states.get(domainUrl) ?? null;
  }

  async save(domainUrl: string, state: DeviceState): Promise<void> {
    this.#states.set(domainUrl, state);
  }
}
