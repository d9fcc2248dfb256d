import { readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { makePrivateFolder } from "../client/file-store.ts";

/** Where the command line keeps its devices, and which domain it speaks of when none is named. */
export class Home {
  readonly directory: string;

  /** @param directory as asked for; else that of the environment, else one in the user's home */
  constructor(directory: string | undefined, environment: Readonly<Record<string, string | undefined>>) {
    this.directory = directory ?? environment.DEVICE_DOMAIN_HOME ?? join(homedir(), ".device-domain");
  }

  /** The URL of the current domain: the last one that `join` or `use` chose. Null before that. */
  async currentDomain(): Promise<string | null> {
    try {
      return (await readFile(this.#pointer, "utf8")).trim() || null;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }

  /** Makes a domain the current one. */
  async setCurrentDomain(url: string): Promise<void> {
    await makePrivateFolder(resolve(this.directory));
    const draft = `${this.#pointer}.${process.pid}`;
    await writeFile(draft, `${url}\n`, { mode: 0o600 });
    await rename(draft, this.#pointer);
  }

  get #pointer(): string {
    return join(this.directory, "current-domain");
  }
}
