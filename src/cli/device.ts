import { DeviceDomainError } from "../client/client-errors.ts";
import { DeviceDomain } from "../client/device-domain.ts";
import type { DeviceState } from "../client/device-state.ts";
import { domainAddress } from "../client/domain-url.ts";
import { FileStore } from "../client/file-store.ts";
import { Home } from "./home-folder.ts";
import type { Options, Surroundings } from "./surroundings.ts";

/** This machine, as the options of a command have it. */
export class Device {
  readonly home: Home;
  readonly #options: Options;
  readonly #environment: Surroundings["environment"];

  constructor({ environment }: Surroundings, options: Options) {
    this.home = new Home(options.home, environment);
    this.#options = options;
    this.#environment = environment;
  }

  /** The device in the domain at `url`. */
  open(url: string): Promise<DeviceDomain> {
    const authToken = this.#options.authToken ?? this.#environment.DEVICE_DOMAIN_AUTH_TOKEN;
    return DeviceDomain.open(url, { store: this.#store, ...(authToken ? { authToken } : {}) });
  }

  /** The device in the domain that is spoken of. */
  async current(): Promise<{ url: string; domain: DeviceDomain }> {
    const { url } = await this.remembered();
    return { url, domain: await this.open(url) };
  }

  /** The stored state of the device in the chosen domain. */
  async remembered(): Promise<{ url: string; state: DeviceState }> {
    const url = this.#options.domain ?? (await this.home.currentDomain());
    if (url === null) throw new DeviceDomainError("NOT_A_MEMBER", "This device has not joined a domain");
    const state = await this.#store.load(domainAddress(url).url);
    if (!state) throw new DeviceDomainError("NOT_A_MEMBER", `This device has not joined ${url}`);
    return { url, state };
  }

  /** The devices that are kept here. */
  all(): ReturnType<FileStore["list"]> {
    return this.#store.list();
  }

  get #store(): FileStore {
    return new FileStore(this.home.directory);
  }
}
