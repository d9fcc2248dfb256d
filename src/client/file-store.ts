import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { DeviceState, DeviceStore } from "./device-state.ts";
import { isDeviceState } from "./device-state.ts";
import { DeviceDomainError } from "./errors.ts";

/**
 * Keeps devices in a folder, one file for each domain URL, for the eyes of its owner alone. Needs Node, and is for one
 * program at a time.
 */
export class FileStore implements DeviceStore {
  readonly keepsCryptoKeys = false;
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws DeviceDomainError `STORE_MALFORMED` that names the file */
  async load(domainUrl: string): Promise<DeviceState | null> {
    const path = this.#path(domainUrl);
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    return text === null ? null : parsed(text, domainUrl, path);
  }

  async save(domainUrl: string, state: DeviceState): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
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
  }

  #path(domainUrl: string): string {
    return join(this.#directory, `${createHash("sha256").update(domainUrl).digest("hex")}.json`);
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
