import { type DeviceDomain, DeviceDomainError } from "device-domain-server/client";
import type { Licence } from "./film.ts";

/**
 * The licences of a device. It keeps them opened, as a device that cheats would: what it could open once, it has, with or
 * without the server, as a member or not. A real player leaves that to the decryption module.
 */
export class Licences {
  readonly #device: DeviceDomain;
  readonly #domain: string;
  readonly #name: string;

  constructor(device: DeviceDomain, domain: string, name: string) {
    this.#device = device;
    this.#domain = domain;
    this.#name = name;
  }

  /** The licence of an episode: the one that was kept, or a new one. */
  async of(episode: string): Promise<Licence> {
    const place = `${this.#domain} ${this.#name} ${episode}`;
    const kept = localStorage.getItem(place);
    if (kept) return JSON.parse(kept);
    const response = await fetch(`licences/${episode}?domain=${encodeURIComponent(this.#domain)}`, { method: "POST" });
    if (!response.ok) throw new DeviceDomainError("UNREACHABLE", "The licence server gave no licence");
    const licence = new TextDecoder().decode(await this.#opened(await response.text()));
    localStorage.setItem(place, licence);
    return JSON.parse(licence);
  }

  /** Opens a licence. Its key may be newer than this device's last renewal. */
  async #opened(licence: string): Promise<Uint8Array> {
    try {
      return await this.#device.decrypt(licence);
    } catch (error) {
      const isNewer = error instanceof DeviceDomainError && error.error === "KEY_NOT_HELD";
      if (!isNewer || this.#device.status !== "member") throw error;
      await this.#device.renew();
      return this.#device.decrypt(licence);
    }
  }
}
