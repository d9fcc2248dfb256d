import { DeviceDomain, IndexedDbStore } from "device-domain-server/client";
import { Film } from "./film.ts";
import { Licences } from "./licences.ts";

const NOT_OPENED = [
  "Not for this device",
  "The licence is encrypted to a key that this device does not hold.",
] as const;

/** The texts of the screen, by the names of the client library's errors. */
const FAILURES: Readonly<Record<string, readonly [notice: string, reason: string]>> = {
  KEY_NOT_HELD: NOT_OPENED,
  NOT_A_MEMBER: NOT_OPENED,
  UNREACHABLE: ["The server does not answer", "What this device holds already, plays all the same."],
};

const STATUSES: Readonly<Record<string, string>> = { new: "not joined", member: "member", left: "left" };

/** A device on the page: its screen, its buttons, and a store of its own. */
export class DevicePane {
  readonly name: string;
  readonly element: HTMLElement;
  readonly #device: DeviceDomain;
  readonly #licences: Licences;
  readonly #film: Film;

  private constructor(name: string, device: DeviceDomain, domain: string) {
    const template = document.getElementById("device") as HTMLTemplateElement;
    this.element = (template.content.cloneNode(true) as DocumentFragment).firstElementChild as HTMLElement;
    this.name = name;
    this.element.id = name.toLowerCase();
    this.#device = device;
    this.#licences = new Licences(device, domain, name);
    this.#film = new Film(this.#part<HTMLVideoElement>("video"));
    this.#part("h2").textContent = name;
    this.#on("join", () => this.join());
    this.#on("leave", () => this.leave());
    this.#on("episode-1", () => this.play("episode-1"));
    this.#on("episode-2", () => this.play("episode-2"));
    device.onChange(() => this.#show());
    this.#show();
  }

  /** Opens a device, which the browser keeps. */
  static async open(name: string, domain: string, domainServer: string): Promise<DevicePane> {
    const url = `${domainServer}/domains/${encodeURIComponent(domain)}`;
    const store = new IndexedDbStore(`player ${name}`);
    return new DevicePane(name, await DeviceDomain.open(url, { store, deviceName: name, retries: 0 }), domain);
  }

  join(): Promise<void> {
    return this.#try(async () => {
      const { keyVersion } = await this.#device.join();
      return `Holds key ${keyVersion} of the domain.`;
    });
  }

  leave(): Promise<void> {
    return this.#try(async () => {
      await this.#device.leave();
      await this.#film.stop();
      return "Left, and erased the domain's keys.";
    });
  }

  play(episode: string): Promise<void> {
    return this.#try(async () => {
      await this.#film.stop();
      await this.#film.play(episode, await this.#licences.of(episode));
      return `Plays ${episode.replace("-", " ")}.`;
    });
  }

  /** Does something, and says what came of it. */
  async #try(act: () => Promise<string>): Promise<void> {
    const notice = this.#part("p.notice");
    notice.hidden = true;
    this.element.toggleAttribute("aria-busy", true);
    try {
      this.#part(".message").textContent = await act();
    } catch (error) {
      const { error: name = "", message } = error as Readonly<{ error?: string; message: string }>;
      const [shown, reason] = FAILURES[name] ?? ["This failed", message];
      notice.textContent = shown;
      notice.hidden = false;
      this.#part(".message").textContent = reason;
    } finally {
      this.element.toggleAttribute("aria-busy", false);
      this.#show();
    }
  }

  #show(): void {
    const { status, currentKeyVersion } = this.#device;
    const chip = this.#part(".status");
    chip.dataset.status = status;
    chip.textContent = STATUSES[status] ?? status;
    this.#part(".key").textContent = currentKeyVersion === null ? "" : `key ${currentKeyVersion}`;
    this.#button("join").textContent = status === "member" ? "Renew" : "Join";
    this.#button("leave").disabled = status !== "member";
  }

  #on(button: string, act: () => Promise<void>): void {
    this.#button(button).addEventListener("click", act);
  }

  #button(name: string): HTMLButtonElement {
    return this.#part<HTMLButtonElement>(`button.${name}`);
  }

  #part<Element extends HTMLElement = HTMLElement>(selector: string): Element {
    return this.element.querySelector(selector) as Element;
  }
}
