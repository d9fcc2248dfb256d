import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DeviceDomainError } from "./client-errors.ts";
import { type DeviceState, type DeviceStore, isDeviceState } from "./device-state.ts";
import { withLock } from "./file-lock.ts";
import { Turns } from "./turns.ts";

/** The work that waits in this program for one file, by path. */
const queues = new Map<string, Turns>();

/**
 * Keeps devices in a folder, one file for each domain URL. Needs Node. Programs of one machine that share it take turns to
 * change a device. A read waits for none of them.
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
    const text = await this.#names()
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
    await this.#names();
    const path = this.#path(domainUrl);
    // A program that ends in mid-writing leaves the old file as it was.
    const draft = `${path}.${randomUUID()}.tmp`;
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
    }
    await syncDirectory(this.#directory);
  }

  /** @throws DeviceDomainError `STORE_NOT_PRIVATE` that names the folder */
  async exclusively<T>(domainUrl: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    await makePrivateFolder(this.#directory);
    await this.#names();
    const path = await realpath(this.#directory).then((directory) => join(directory, fileName(domainUrl)));
    const queue = queues.get(path) ?? new Turns();
    queues.set(path, queue);
    const withoutDrafts = async () => {
      await eraseDrafts(path);
      return work();
    };
    return queue.take(signal, () => withLock(path, signal, withoutDrafts));
  }

  /** The domains it has devices of, with what is known of each. @throws DeviceDomainError `STORE_NOT_PRIVATE` */
  async list(): Promise<readonly Readonly<{ domainUrl: string; state: DeviceState }>[]> {
    const names = await this.#names().catch((error: NodeJS.ErrnoException) => {
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

  /** The names in the folder, which has to be private. */
  async #names(): Promise<readonly string[]> {
    const names = await readdir(this.#directory);
    await checkPrivate(this.#directory);
    return names;
  }

  #path(domainUrl: string): string {
    return join(this.#directory, fileName(domainUrl));
  }
}

function fileName(domainUrl: string): string {
  return `${createHash("sha256").update(domainUrl).digest("hex")}.json`;
}

/** Erases what killed programs left beside a file: drafts may hold domain keys. For the holder of the file's lock. */
async function eraseDrafts(path: string): Promise<void> {
  const names = await readdir(dirname(path));
  const drafts = names.filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith(".tmp"));
  // A program that waits for the lock may be writing into its draft of one: the second try finds it written.
  const options = { recursive: true, force: true, maxRetries: 2 };
  await Promise.all(drafts.map((name) => rm(join(dirname(path), name), options)));
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
