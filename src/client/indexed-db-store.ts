import type { DeviceState, DeviceStore } from "./device-state.ts";

const DEVICES = "devices";

/** Keeps devices in a browser's IndexedDB, their keys as `CryptoKey`s that no script can export. */
export class IndexedDbStore implements DeviceStore {
  readonly keepsCryptoKeys = true;
  readonly #name: string;
  #connection: Promise<IDBDatabase> | null = null;

  constructor(name = "device-domains") {
    this.#name = name;
  }

  async load(domainUrl: string): Promise<DeviceState | null> {
    const transaction = await this.#transaction("readonly");
    return ((await result(transaction.objectStore(DEVICES).get(domainUrl))) as DeviceState | undefined) ?? null;
  }

  async save(domainUrl: string, state: DeviceState): Promise<void> {
    const transaction = await this.#transaction("readwrite");
    transaction.objectStore(DEVICES).put(state, domainUrl);
    await completed(transaction);
  }

  /** Keeps the tabs of a browser from changing one device at the same time. */
  async exclusively<T>(domainUrl: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    // An old browser, or a page that did not come over TLS, has no locks.
    if (!navigator.locks) return work();
    return navigator.locks.request(`${this.#name} ${domainUrl}`, signal ? { signal } : {}, work);
  }

  /** Closes the connection; the next use opens another. */
  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = null;
    (await connection)?.close();
  }

  async #transaction(mode: IDBTransactionMode): Promise<IDBTransaction> {
    this.#connection ??= this.#open();
    const connection = await this.#connection;
    // Strict: a leave that was begun must be known after a power cut, too.
    return connection.transaction(DEVICES, mode, { durability: "strict" });
  }

  async #open(): Promise<IDBDatabase> {
    const forget = () => {
      this.#connection = null;
    };
    try {
      const request = indexedDB.open(this.#name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(DEVICES);
      const connection = await result(request);
      // Another tab wants a newer version or deletes the database: an open connection would block it.
      connection.onversionchange = () => {
        forget();
        connection.close();
      };
      connection.onclose = forget;
      return connection;
    } catch (error) {
      forget();
      throw error;
    }
  }
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
