import { DEFAULT_SETTINGS, type DomainSettings } from "./events.ts";
import type { LogChange, LogEntry } from "./log-entry.ts";

/** The result of a log: the state of a domain as far as the log records it. */
export type ReplayedState = Readonly<{
  settings: DomainSettings;
  keyVersion: number;
  retiredUpTo: number;
  keyRolloverRequired: boolean;
  memberCount: number;
}>;

/** Where a log was cut: the last revision that is gone, the hash of its entry, and the state it left. */
export type LogCheckpoint = Readonly<{ revision: number; hash: string; state: ReplayedState }>;

/** The state before the first entry. */
const BEFORE_THE_LOG: ReplayedState = {
  settings: DEFAULT_SETTINGS,
  keyVersion: 0,
  retiredUpTo: 0,
  keyRolloverRequired: true,
  memberCount: 0,
};

/**
 * The state that a log begins with, after the cut if it was cut. Properties missing from the checkpoint keep their
 * initial values.
 */
export function stateAfterCut(checkpoint: Pick<LogCheckpoint, "state"> | null): ReplayedState {
  return { ...BEFORE_THE_LOG, ...checkpoint?.state };
}

/** The state after an entry. */
export function replayed(state: ReplayedState, { changes }: Pick<LogEntry, "changes">): ReplayedState {
  return changes.reduce(afterChange, state);
}

function afterChange(state: ReplayedState, change: LogChange): ReplayedState {
  switch (change.type) {
    case "domain-created": {
      // The keys of a domain of that name that was deleted are lost.
      const { keyVersion = 0 } = change as { keyVersion?: number };
      return { ...state, keyVersion, retiredUpTo: keyVersion };
    }
    case "device-joined":
      return { ...state, memberCount: state.memberCount + 1 };
    case "device-left":
    case "device-evicted":
      return { ...state, memberCount: state.memberCount - 1, keyRolloverRequired: true };
    case "rollover-required":
      return { ...state, keyRolloverRequired: true };
    case "key-made":
      return { ...state, keyVersion: change.keyVersion as number, keyRolloverRequired: false };
    case "keys-retired":
      return { ...state, retiredUpTo: change.upTo as number };
    case "domain-taken-over": {
      const { settings, keyVersion, retiredUpTo, memberCount } = change as unknown as ReplayedState;
      return { settings, keyVersion, retiredUpTo, memberCount, keyRolloverRequired: true };
    }
    case "settings-changed":
      return { ...state, settings: change.settings as DomainSettings };
    default:
      return state;
  }
}
