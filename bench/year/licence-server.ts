import { encryptToDomain } from "../../src/licence/domain-encryption.ts";
import { type Place, requestsToOpen, urlOf } from "./licences.ts";

/** How many licences are encrypted at the same time. */
const AT_ONCE = 4;
/** How many of all are opened in the end. */
const OPENED = 10;

/** A licence server that encrypts one licence after the other to a domain. */
export class LicenceServer {
  /** How many licences were encrypted. */
  issued = 0;
  /** How many responses made it try again. */
  refusedTries = 0;
  /** How long each licence took. */
  readonly milliseconds: number[] = [];
  /** In words, each licence that could not be encrypted. */
  readonly failures: string[] = [];
  readonly #place: Place;
  #kept: { secret: string; jwe: string }[] = [];
  /** Every licence of so many is kept, to be opened. */
  #step = 1;

  constructor(place: Place) {
    this.#place = place;
  }

  /** Encrypts licences as long as it is to go on, and at least one at each place. */
  async work(goesOn: () => boolean): Promise<void> {
    const work = async () => {
      do await this.#issue();
      while (goesOn());
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  /** Opens some of the licences with new devices. @returns in words, those that do not open */
  async unopened(): Promise<readonly string[]> {
    const failures: string[] = [];
    for (const { secret, jwe } of this.#kept) {
      await requestsToOpen(this.#place, jwe, secret).catch((error) =>
        failures.push(`a licence did not open: ${error}`),
      );
    }
    return failures;
  }

  async #issue(): Promise<void> {
    const secret = `licence ${crypto.randomUUID()}`;
    const start = performance.now();
    try {
      const jwe = await encryptToDomain(urlOf(this.#place), secret, { issuer: this.#place.issuer, fetch: this.#fetch });
      this.milliseconds.push(performance.now() - start);
      if (this.issued++ % this.#step === 0) this.#keep({ secret, jwe });
    } catch (error) {
      this.failures.push(`a licence could not be encrypted: ${error}`);
    }
  }

  /** Keeps licences from all of the time, and not too many. */
  #keep(licence: { secret: string; jwe: string }): void {
    this.#kept.push(licence);
    if (this.#kept.length <= OPENED) return;
    this.#kept = this.#kept.filter((_, index) => index % 2 === 0);
    this.#step *= 2;
  }

  readonly #fetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (!response.ok) this.refusedTries++;
    return response;
  };
}
