import type { Page } from "playwright-core";
import type { TestDomain } from "./test-domain.ts";

/** The content of a browser's store, as a script finds it there that has the run of the page. */
export type StoreContents = {
  /** Every name of a member, at any depth. */
  names: string[];
  /** Every text, at any depth. */
  texts: string[];
  /** Every `CryptoKey`: where it is, and what came of the attempts to export it. */
  keys: { path: string; type: string; extractable: boolean; exports: string[] }[];
};

/** Reads everything that the page's IndexedDB holds for a domain, without the library. */
export function storeContents(tab: Page, domain: TestDomain): Promise<StoreContents> {
  return tab.evaluate(async (url) => {
    const answered = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const contents: StoreContents = { names: [], texts: [], keys: [] };

    async function look(value: unknown, path: string): Promise<void> {
      if (typeof value === "string") contents.texts.push(value);
      if (typeof value !== "object" || value === null) return;
      if (value instanceof CryptoKey) {
        const exports: string[] = [];
        for (const format of ["jwk", "pkcs8", "raw"] as const) {
          const attempt = crypto.subtle.exportKey(format as "pkcs8", value);
          exports.push(await attempt.then(() => "exported").catch(({ name }: Error) => name));
        }
        contents.keys.push({ path, type: value.type, extractable: value.extractable, exports });
      }
      for (const [name, member] of Object.entries(value)) {
        contents.names.push(name);
        await look(member, `${path}.${name}`);
      }
    }

    for (const { name } of await indexedDB.databases()) {
      const database = await answered(indexedDB.open(name as string));
      for (const store of database.objectStoreNames) {
        for (const each of await answered(database.transaction(store).objectStore(store).getAll(url))) {
          await look(each, store);
        }
      }
      database.close();
    }
    return contents;
  }, domain.url);
}
