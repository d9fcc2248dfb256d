// The server whose owners remove a device without a rollover that follows.
import { DomainStorage } from "../../../src/server/object/storage/domain-storage.ts";

export { DatabaseWriter, DeviceBans, DomainObject, Door, default } from "../variants/watched.ts";

const { commit } = DomainStorage.prototype;

DomainStorage.prototype.commit = function (before, change, ...rest) {
  const { state, events } = change;
  const isOwners = events.every((event) => event.type === "device-evicted" && event.by === "owner");
  const forgotten = { ...state, keyRolloverRequired: before.keyRolloverRequired };
  return commit.call(this, before, isOwners ? { ...change, state: forgotten } : change, ...rest);
};
