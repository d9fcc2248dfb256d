/** How far apart clocks may be before this one is taken to be wrong, in milliseconds. */
const TOLERANCE_MILLISECONDS = 30_000;

/** The device's clock, set right by the server's where that turns out to be needed. */
export class DeviceClock {
  /** Milliseconds by which the server's time is ahead. */
  #offset = 0;

  get isCorrected(): boolean {
    return this.#offset !== 0;
  }

  /** Milliseconds since the Unix epoch. */
  now(): number {
    return Date.now() + this.#offset;
  }

  /** Goes by the server's time from now on, if it is far from this clock's. @returns whether it is */
  correct(serverTime: number | null): boolean {
    if (serverTime === null || Math.abs(serverTime - this.now()) <= TOLERANCE_MILLISECONDS) return false;
    this.#offset = serverTime - Date.now();
    return true;
  }
}
