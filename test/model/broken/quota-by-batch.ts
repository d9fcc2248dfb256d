// The server that counts no members of a token's subject for a batch of several commands: they all find room.
import { DomainStorage } from "../../../src/server/object/storage/domain-storage.ts";

export * from "../variants/watched.ts";
export { default } from "../variants/watched.ts";

const { stateFor } = DomainStorage.prototype;

DomainStorage.prototype.stateFor = function (commands) {
  const state = stateFor.call(this, commands);
  return commands.length > 1 ? { ...state, subjectMembers: new Map() } : state;
};
