import { DeviceDomainError, DomainServerError } from "./client-errors.ts";
import type { DomainAddress } from "./domain-url.ts";
import { untrusted } from "./sealed-credentials.ts";
import type { ServerConnection } from "./server-connection.ts";

/** A device of the domain, as its owner sees it. */
export type OwnedDevice = Readonly<{
  /** Names the device in requests. Each listing has another handle for it. */
  handle: string;
  /** Names the device to people, the same in each listing. */
  deviceId: string;
  name: string | null;
  /** In milliseconds since the Unix epoch. */
  joinedAt: number;
  /** The day, such as `2026-11-25`. */
  lastRenewedOn: string;
  thisDevice: boolean;
}>;

/** A device of `devices()`, or its handle. */
export type NamedDevice = OwnedDevice | string;

/** How many handles of this device are remembered: enough for whatever a page still shows. */
const MAX_OWN_HANDLES = 100;

/** The devices of a domain, for its owner, who shows a token. */
export class OwnedDevices {
  readonly #url: string;
  readonly #server: ServerConnection;
  readonly #machineGuid: string;
  /** The latest handles of this device. */
  readonly #ownHandles = new Set<string>();

  constructor({ url }: DomainAddress, server: ServerConnection, machineGuid: string) {
    this.#url = `${url}/devices`;
    this.#server = server;
    this.#machineGuid = machineGuid;
  }

  /** All of them, page by page. */
  async list(signal: AbortSignal | undefined): Promise<readonly OwnedDevice[]> {
    const devices: OwnedDevice[] = [];
    let cursor: string | null = null;
    do {
      const url: string = cursor === null ? this.#url : `${this.#url}?cursor=${encodeURIComponent(cursor)}`;
      const headers = { "machine-guid": this.#machineGuid };
      const page = pageOf(await this.#ask({ method: "GET", url, headers }, signal));
      devices.push(...page.devices.map(ownedDevice));
      cursor = page.nextCursor;
    } while (cursor !== null);
    for (const { handle, thisDevice } of devices) if (thisDevice) this.#remember(handle);
    return devices;
  }

  async rename(device: NamedDevice, name: string | null, signal: AbortSignal | undefined): Promise<void> {
    const headers = { "content-type": "application/json" };
    const url = this.#urlOf(device);
    await this.#ask({ method: "PATCH", url, headers, body: JSON.stringify({ name }) }, signal);
  }

  /** Removes another device. If the answer to a removal was lost, and the device is not there now, it has been removed. */
  async remove(device: NamedDevice, signal: AbortSignal | undefined): Promise<void> {
    if (this.#isThisDevice(device)) {
      throw new DeviceDomainError("THIS_DEVICE", "The device to remove is this one: it leaves instead");
    }
    let mayBeDone = false;
    await this.#server.retried(signal, async () => {
      try {
        await this.#server.authorized({ method: "DELETE", url: this.#urlOf(device) }, signal);
      } catch (error) {
        if (!mayBeDone || !isNotFound(error)) {
          mayBeDone = true;
          throw error;
        }
        // It is gone, unless what is not there is an owner of the domain: then the list is refused, too.
        await this.#server.authorized({ method: "GET", url: this.#url }, signal);
      }
    });
  }

  /** Removes all but this device; all, if this one is not a member. */
  async removeAllOthers(signal: AbortSignal | undefined): Promise<void> {
    const own = (await this.list(signal)).find(({ thisDevice }) => thisDevice);
    const url = own ? `${this.#url}?except=${encodeURIComponent(own.handle)}` : this.#url;
    await this.#ask({ method: "DELETE", url }, signal);
  }

  #ask(request: Parameters<ServerConnection["authorized"]>[0], signal: AbortSignal | undefined): Promise<unknown> {
    return this.#server.retried(signal, () => this.#server.authorized(request, signal));
  }

  #urlOf(device: NamedDevice): string {
    const handle = typeof device === "string" ? device : device.handle;
    // A URL with such a segment is that of another resource, such as all devices.
    if (["", ".", ".."].includes(handle)) throw new DeviceDomainError("INVALID_HANDLE", "The handle names no device");
    return `${this.#url}/${encodeURIComponent(handle)}`;
  }

  #isThisDevice(device: NamedDevice): boolean {
    return typeof device === "string" ? this.#ownHandles.has(device) : device.thisDevice;
  }

  #remember(handle: string): void {
    this.#ownHandles.add(handle);
    const [oldest] = this.#ownHandles;
    if (oldest !== undefined && this.#ownHandles.size > MAX_OWN_HANDLES) this.#ownHandles.delete(oldest);
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof DomainServerError && error.error === "NOT_FOUND";
}

type Page = Readonly<{ devices: readonly unknown[]; nextCursor: string | null }>;

function pageOf(body: unknown): Page {
  const { devices, nextCursor } = (body ?? {}) as Partial<Page>;
  if (!Array.isArray(devices) || !(nextCursor === null || typeof nextCursor === "string")) throw notAList();
  return { devices, nextCursor };
}

function ownedDevice(row: unknown): OwnedDevice {
  const { handle, deviceId, name, joinedAt, lastRenewedOn, thisDevice } = (row ?? {}) as Record<string, unknown>;
  const joined = typeof joinedAt === "string" ? Date.parse(joinedAt) : Number.NaN;
  const isDevice =
    [handle, deviceId, lastRenewedOn].every((text) => typeof text === "string") &&
    (name === null || typeof name === "string") &&
    typeof thisDevice === "boolean" &&
    !Number.isNaN(joined);
  if (!isDevice) throw notAList();
  return { handle, deviceId, name, joinedAt: joined, lastRenewedOn, thisDevice } as OwnedDevice;
}

function notAList(): DeviceDomainError {
  return untrusted("it is not a list of devices");
}
