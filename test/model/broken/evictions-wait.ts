// The server whose evictions and bans wait for the interval between rollovers, as only leaves may.
import { earliestRollover } from "../../../src/domain/rollover.ts";
import { DomainStorage } from "../../../src/server/object/storage/domain-storage.ts";

export { DatabaseWriter, DeviceBans, DomainObject, Door, default } from "../variants/watched.ts";

const { commit } = DomainStorage.prototype;

DomainStorage.prototype.commit = function (before, change, ...rest) {
  const { state, events } = change;
  const waits = events.some(({ type }) => type === "device-evicted");
  const late = waits ? { ...change, state: { ...state, rolloverNotBefore: earliestRollover(state) } } : change;
  return commit.call(this, before, late, ...rest);
};
