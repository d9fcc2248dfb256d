// The server with an `await` in its transaction: a command is loaded, then others may come in between, and it is decided
// and committed on what was loaded.
import type { Command } from "../../../src/domain/commands.ts";
import type { DomainState } from "../../../src/domain/types.ts";
import { BatchQueue } from "../../../src/server/object/batch-queue.ts";
import { DomainStorage } from "../../../src/server/object/storage/domain-storage.ts";

export { DatabaseWriter, DeviceBans, DomainObject, Door, default } from "../variants/watched.ts";

const AWAITED_MILLISECONDS = 3;

const { add } = BatchQueue.prototype;
const { stateFor, transaction, commit } = DomainStorage.prototype;

/** The state that was loaded for each command before the wait. */
const loaded = new WeakMap<Command, DomainState>();
let isCommitting = false;

BatchQueue.prototype.add = function (item, bytes) {
  setTimeout(() => add.call(this, item, bytes), AWAITED_MILLISECONDS);
  return true;
};

DomainStorage.prototype.transaction = function <T>(work: () => T): T {
  const wasCommitting = isCommitting;
  isCommitting = true;
  try {
    return transaction.call(this, work) as T;
  } finally {
    isCommitting = wasCommitting;
  }
};

DomainStorage.prototype.stateFor = function (commands) {
  const stale = isCommitting ? loaded.get(commands[0] as Command) : undefined;
  const state = stateFor.call(this, commands);
  if (stale) return { ...state, ...stale, members: new Map([...state.members, ...stale.members]) };
  for (const command of commands) loaded.set(command, state);
  return state;
};

// The next free revision, and over whatever is there: only so does what was decided too late get into the storage.
DomainStorage.prototype.commit = function (before, { state, ...change }, newKeys, ...rest) {
  for (const { keyVersion } of newKeys) this.sql.exec("delete from domain_keys where key_version = ?", keyVersion);
  const revision = (this.row?.revision ?? 0) + 1;
  return commit.call(this, before, { ...change, state: { ...state, revision } }, newKeys, ...rest);
};
