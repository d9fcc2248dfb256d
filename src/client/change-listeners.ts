import type { DeviceState, DeviceStatus } from "./device-state.ts";

/** A change of a device: what it is from now on. */
export type DeviceChange = Readonly<{
  status: DeviceStatus;
  /** The highest key version it holds; null if none. */
  keyVersion: number | null;
  /** Whether the device had been removed from the domain. With the status `member`, the same call let it in again. */
  removed: boolean;
}>;

/** Hears of changes. A promise that it returns is not waited for. */
export type ChangeListener = (change: DeviceChange) => unknown;

/** The listeners of a device. */
export class ChangeListeners {
  readonly #listeners = new Set<Readonly<{ listener: ChangeListener }>>();

  /** @returns what removes the listener again */
  add(listener: ChangeListener): () => void {
    // The same function may be added twice, and is then removed one at a time.
    const entry = { listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /**
   * Tells the listeners of a new state, if it differs in what they hear of.
   *
   * @param readmitted whether the device had been removed, and is a member again
   */
  tell(before: DeviceState, state: DeviceState, readmitted: boolean): void {
    const { status } = state;
    const keyVersion = newestVersion(state);
    if (!readmitted && status === before.status && keyVersion === newestVersion(before)) return;
    const change = { status, keyVersion, removed: readmitted || status === "removed" };
    for (const { listener } of [...this.#listeners]) void heard(listener, change);
  }
}

/** The highest key version that a device holds; null if none. */
export function newestVersion({ credentials }: DeviceState): number | null {
  return credentials.at(-1)?.keyVersion ?? null;
}

/** Calls a listener. Its failure is the application's, not the call's. */
async function heard(listener: ChangeListener, change: DeviceChange): Promise<void> {
  try {
    await listener(change);
  } catch (error) {
    console.error("A listener to changes of a device failed", error);
  }
}
