import { type Decision, type DomainEvent, type DomainState, granted, refused } from "./types.ts";

/** An operator wants a new domain key: at once, or made by the next registration. */
export type Rollover = Readonly<{
  type: "rollover";
  requestId: string;
  /** The operator. */
  by: string;
  when: "now" | "next-registration";
}>;

/** The key version that is the highest from now on. */
export type RolloverGrant = Readonly<{ keyVersion: number }>;

/** Decides an operator's rollover; one that is due already is not made due twice. */
export function decideRollover(state: DomainState, { when, requestId, by }: Rollover): Decision<RolloverGrant> {
  const { revision, keyVersion, keyRolloverRequired } = state;
  if (revision === 0) return refused({ error: "DOMAIN_NOT_FOUND", reason: "no domain to roll over" });
  if (when === "now") {
    const next = keyVersion + 1;
    return granted({ keyVersion: next }, [{ type: "key-made", keyVersion: next, requestId, by }]);
  }
  return granted({ keyVersion }, keyRolloverRequired ? [] : [{ type: "rollover-required", requestId, by }]);
}

/** The new domain key, one version above the highest, if a rollover is due; else nothing. */
export function rolloverEvents(state: DomainState): readonly DomainEvent[] {
  return state.keyRolloverRequired ? [{ type: "key-made", keyVersion: state.keyVersion + 1 }] : [];
}

/** The key version to encrypt to; null before the first key, and while a rollover is due: who left has the newest. */
export function currentKeyVersion(state: Pick<DomainState, "keyRolloverRequired" | "keyVersion">): number | null {
  return state.keyRolloverRequired || state.keyVersion === 0 ? null : state.keyVersion;
}
