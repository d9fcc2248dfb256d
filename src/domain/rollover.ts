import type { DomainEvent, DomainState } from "./types.ts";

/** The new domain key, one version above the highest, if a rollover is due; else nothing. */
export function rolloverEvents(state: DomainState): readonly DomainEvent[] {
  return state.keyRolloverRequired ? [{ type: "key-made", keyVersion: state.keyVersion + 1 }] : [];
}

/** The key version to encrypt to; null before the first key, and while a rollover is due: who left has the newest. */
export function currentKeyVersion(state: Pick<DomainState, "keyRolloverRequired" | "keyVersion">): number | null {
  return state.keyRolloverRequired || state.keyVersion === 0 ? null : state.keyVersion;
}
