// The server whose domains begin again with key version 1, though one of that name was deleted.
import { DomainStorage } from "../../../src/server/object/storage/domain-storage.ts";

export * from "../variants/watched.ts";
export { default } from "../variants/watched.ts";

const deletion = Object.getOwnPropertyDescriptor(DomainStorage.prototype, "deletion") as PropertyDescriptor;

Object.defineProperty(DomainStorage.prototype, "deletion", {
  get() {
    const found = deletion.get?.call(this);
    return found && { ...found, keyVersion: 0 };
  },
});
