import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { DeviceDomainError } from "./client-errors.ts";
import { type DeviceState, type DeviceStore, isDeviceState } from "./device-state.ts";

/** The drafts that this program is writing at the moment, by path. Any other was left by a program that was killed. */
const ownDrafts = new Set<string>();
const DRAFT_NAME = /^[0-9a-f]{64}\.json\.[0-9a-f-]{36}\.tmp$/;

/**
 * Keeps devices in a folder, one file for each domain URL. Needs Node, and is for one program at a time.
 *
 * The folder must be private: it belongs to the user, and nobody else may enter it. It is created so. On Windows, which
 * has no such modes, nothing is checked.
 */
export class FileStore implements DeviceStore {
  readonly keepsCryptoKeys = false;
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = resolve(directory);
  }

  /** @throws DeviceDomainError `STORE_MALFORMED` that names the file, `STORE_NOT_PRIVATE` that names the folder */
  async load(domainUrl: string): Promise<DeviceState | null> {
    const path = this.#path(domainUrl);
    const text = await this.#prepare()
      .then(() => readFile(path, "utf8"))
      .catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return null;
        throw error;
      });
    return text === null ? null : parsed(text, domainUrl, path);
  }

  /** @throws DeviceDomainError `STORE_NOT_PRIVATE` that names the folder */
  async save(domainUrl: string, state: DeviceState): Promise<void> {
    await makePrivateFolder(this.#directory);
    await this.#prepare();
    const path = this.#path(domainUrl);
    // A program that ends in mid-writing leaves the old file as it was.
    const draft = `${path}.${randomUUID()}.tmp`;
    ownDrafts.add(draft);
    try {
      const file = await open(draft, "wx", 0o600);
      try {
        await file.writeFile(`${JSON.stringify({ domainUrl, ...state }, null, 2)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, path);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    } finally {
      ownDrafts.delete(draft);
    }
    await syncDirectory(this.#directory);
  }

  /**
   * Refuses a folder that is not private, and erases the drafts of killed programs: they may hold domain keys.
   *
   * @returns the names in the folder
   */
  async #prepare(): Promise<readonly string[]> {
    const names = await readdir(this.#directory);
    await checkPrivate(this.#directory);
    const drafts = names.filter((name) => DRAFT_NAME.test(name)).map((name) => join(this.#directory, name));
    await Promise.all(drafts.filter((draft) => !ownDrafts.has(draft)).map((draft) => rm(draft, { force: true })));
    return names;
  }

  /** The domains it has devices of, with what is known of each. @throws DeviceDomainError `STORE_NOT_PRIVATE` */
  async list(): Promise<readonly Readonly<{ domainUrl: string; state: DeviceState }>[]> {
    const names = await this.#prepare().catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    const files = names.filter((name) => /^[0-9a-f]{64}\.json$/.test(name));
    const texts = await Promise.all(files.map((name) => readFile(join(this.#directory, name), "utf8")));
    return texts.flatMap((text) => {
      const { domainUrl, ...state } = (json(text) ?? {}) as { domainUrl?: unknown };
      return typeof domainUrl === "string" && isDeviceState(state) ? [{ domainUrl, state }] : [];
    });
  }

  #path(domainUrl: string): string {
    return join(this.#directory, `${createHash("sha256").update(domainUrl).digest("hex")}.json`);
  }
}

async function checkPrivate(directory: string): Promise<void> {
  const user = process.getuid?.();
  if (user === undefined) return;
  const { uid, mode } = await stat(directory);
  if (uid !== user) {
    throw new DeviceDomainError(
      "STORE_NOT_PRIVATE",
      `${directory} belongs to another user; use a folder of your own, with mode 700`,
    );
  }
  if ((mode & 0o077) !== 0) {
    throw new DeviceDomainError("STORE_NOT_PRIVATE", `Other users may enter ${directory}; run: chmod 700 ${directory}`);
  }
}

/** Makes a renaming durable. Windows cannot open a directory. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function parsed(text: string, domainUrl: string, path: string): DeviceState {
  const value = json(text);
  const { domainUrl: writtenFor, ...state } = (value ?? {}) as { domainUrl?: unknown };
  if (writtenFor === domainUrl && isDeviceState(state)) return state;
  throw new DeviceDomainError(
    "STORE_MALFORMED",
    `${path} does not hold a device of ${domainUrl}; it was left as it is`,
  );
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Makes a folder for its owner alone, and those above it that are missing, one after the other: where the system makes
 * none, as in `/proc`, Node's own recursive way would try for minutes.
 *
 * @throws Error of the file system
 */
export async function makePrivateFolder(path: string): Promise<void> {
  try {
    await makeFolder(path);
  } catch (error) {
    const above = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || above === path) throw error;
    await makePrivateFolder(above);
    await makeFolder(path);
  }
}

/** Makes one folder, unless the path exists. If that is no folder, its first use reports it. */
async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}
