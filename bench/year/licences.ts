import { CompactEncrypt, decodeProtectedHeader, type JWK } from "jose";
import { DeviceDomain } from "../../src/client/device-domain.ts";
import { encryptToDomain } from "../../src/licence/domain-encryption.ts";

/** Where a domain is, and what its server calls itself. */
export type Place = Readonly<{ origin: string; issuer: string; domain: string }>;

/** A licence as this library encrypts it, and as a program does that leaves the key version out of the header. */
export type Licence = Readonly<{ keyVersion: number; secret: string; hinted: string; unhinted: string }>;

/** How many requests it took to open a licence in both forms. */
export type Opening = Readonly<{ keyVersion: number; hintedRequests: number; unhintedRequests: number }>;

/** Requests that opening a licence may take. */
export const MAX_REQUESTS = 3;
/** How many licences a server encrypts at the same time. */
const AT_ONCE = 4;
/** About how many of them are opened in the end. */
const OPENED = 10;

/** Encrypts a licence to a domain, in both forms. */
export async function issue(place: Place): Promise<Licence> {
  const secret = newSecret();
  const hinted = await encryptToDomain(urlOf(place), secret, { issuer: place.issuer });
  const { kid, key_version: keyVersion } = decodeProtectedHeader(hinted) as { kid: string; key_version: number };
  const response = await fetch(`${urlOf(place)}/keys?version=${keyVersion}`);
  const { keys } = (await response.json()) as { keys: readonly [JWK] };
  const unhinted = await new CompactEncrypt(new TextEncoder().encode(secret))
    .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM", kid })
    .encrypt(keys[0]);
  return { keyVersion, secret, hinted, unhinted };
}

/** Opens a licence in both forms, each by a device that has just joined. @throws Error if it does not open */
export async function open(place: Place, { keyVersion, secret, hinted, unhinted }: Licence): Promise<Opening> {
  return {
    keyVersion,
    hintedRequests: await requestsToOpen(place, hinted, secret),
    unhintedRequests: await requestsToOpen(place, unhinted, secret),
  };
}

/** The requests of a new device between its join and the secret. @throws Error if that is another one */
async function requestsToOpen(place: Place, jwe: string, secret: string): Promise<number> {
  let requests = 0;
  const counted: typeof fetch = (input, init) => {
    requests++;
    return fetch(input, init);
  };
  const device = await DeviceDomain.open(urlOf(place), { issuer: place.issuer, fetch: counted });
  await device.join();
  requests = 0;
  const opened = new TextDecoder().decode(await device.decrypt(jwe));
  if (opened !== secret) throw new Error("a licence opened to another secret than was encrypted");
  return requests;
}

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
  readonly #licences: { secret: string; jwe: string }[] = [];

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

  /** Opens licences from all of the time with new devices. @returns in words, those that do not open */
  async unopened(): Promise<readonly string[]> {
    const failures: string[] = [];
    const step = Math.ceil(this.#licences.length / OPENED);
    for (const { secret, jwe } of this.#licences.filter((_, index) => index % step === 0)) {
      await requestsToOpen(this.#place, jwe, secret).catch((error) =>
        failures.push(`a licence did not open: ${error}`),
      );
    }
    return failures;
  }

  async #issue(): Promise<void> {
    const secret = newSecret();
    const start = performance.now();
    try {
      const jwe = await encryptToDomain(urlOf(this.#place), secret, { issuer: this.#place.issuer, fetch: this.#fetch });
      this.milliseconds.push(performance.now() - start);
      this.#licences.push({ secret, jwe });
      this.issued++;
    } catch (error) {
      this.failures.push(`a licence could not be encrypted: ${error}`);
    }
  }

  readonly #fetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (!response.ok) this.refusedTries++;
    return response;
  };
}

/** The URL of a domain. */
export function urlOf({ origin, domain }: Place): string {
  return `${origin}/domains/${domain}`;
}

function newSecret(): string {
  return `licence ${crypto.randomUUID()}`;
}
