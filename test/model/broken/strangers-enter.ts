// The server that lets any subject of the right namespace into a domain that belongs to one of them.
import { DomainStorage } from "../../../src/server/object/storage/domain-storage.ts";

export * from "../variants/watched.ts";
export { default } from "../variants/watched.ts";

const { stateFor } = DomainStorage.prototype;

DomainStorage.prototype.stateFor = function (commands) {
  const state = stateFor.call(this, commands);
  const isOwners = commands.some(({ type }) => type === "remove");
  return isOwners ? state : { ...state, settings: { ...state.settings, ownerSubject: null } };
};
