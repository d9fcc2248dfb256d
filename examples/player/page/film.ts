/** The part of Shaka Player that this page uses, which its script puts into the global scope. */
declare const shaka: Readonly<{
  polyfill: { installAll(): void };
  Player: new () => Readonly<{
    attach(video: HTMLVideoElement): Promise<void>;
    configure(options: object): void;
    load(manifest: string): Promise<void>;
    unload(): Promise<void>;
  }>;
}>;

/** A ClearKey licence: content keys, in base64url. @see Encrypted Media Extensions, section 9.1.4 */
export type Licence = Readonly<{ keys: readonly Readonly<{ kid: string; k: string }>[] }>;

shaka.polyfill.installAll();

/** A film on a video element: Shaka Player, and the browser's decryption module for ClearKey. */
export class Film {
  readonly #video: HTMLVideoElement;
  readonly #player = new shaka.Player();
  readonly #attached: Promise<void>;

  constructor(video: HTMLVideoElement) {
    this.#video = video;
    this.#attached = this.#player.attach(video);
  }

  /** Plays an episode with the keys of a licence; without any it waits for one. */
  async play(episode: string, { keys }: Licence): Promise<void> {
    await this.#attached;
    await this.#player.unload();
    const clearKeys = Object.fromEntries(keys.map(({ kid, k }) => [hex(kid), hex(k)]));
    this.#player.configure({ drm: { clearKeys } });
    await this.#player.load(`media/${episode}.mpd`);
    await this.#video.play();
  }

  async stop(): Promise<void> {
    await this.#attached;
    await this.#player.unload();
  }
}

function hex(base64url: string): string {
  const bytes = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Array.from(bytes, (byte) => byte.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}
