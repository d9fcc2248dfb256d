// The server that forgets, with the commit of a leave, that a rollover is due.
import { DomainStorage } from "../../../src/server/object/storage/domain-storage.ts";

export { DatabaseWriter, DeviceBans, DomainObject, Door, default } from "../variants/watched.ts";

const { commit } = DomainStorage.prototype;

DomainStorage.prototype.commit = function (before, change, ...rest) {
  const { state, events } = change;
  const forgets = events.some(({ type }) => type === "device-left");
  const kept = forgets ? { ...change, state: { ...state, keyRolloverRequired: before.keyRolloverRequired } } : change;
  return commit.call(this, before, kept, ...rest);
};
