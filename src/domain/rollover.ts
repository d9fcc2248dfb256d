import { type Decision, type DomainEvent, type DomainState, granted, refused } from "./types.ts";

/** An operator wants a new domain key: at once, or made by the next registration. */
export type Rollover = Readonly<{
  type: "rollover";
  requestId: string;
  /** The operator. */
  by: string;
  when: "now" | "next-registration";
}>;

/** Anybody has a rollover carried out that is due: any registration would do the same. */
export type DueRollover = Readonly<{ type: "due-rollover"; requestId: string }>;

/** The key version that is the highest from now on. */
export type RolloverGrant = Readonly<{ keyVersion: number }>;

/** Decides an operator's rollover; one that is due already is not made due twice. */
export function decideRollover(
  state: DomainState,
  { when, requestId, by }: Rollover,
  now: number,
): Decision<RolloverGrant> {
  const { revision, keyVersion } = state;
  if (revision === 0) return refused({ error: "DOMAIN_NOT_FOUND", reason: "no domain to roll over" });
  if (when === "now") {
    const next = keyVersion + 1;
    return granted({ keyVersion: next }, [{ type: "key-made", keyVersion: next, requestId, by }]);
  }
  return granted({ keyVersion }, isRolloverDue(state, now) ? [] : [{ type: "rollover-required", requestId, by }]);
}

/** Decides a request for the rollover that is due; nothing happens if none is. */
export function decideDueRollover(state: DomainState, now: number): Decision<RolloverGrant> {
  if (state.revision === 0) return refused({ error: "DOMAIN_NOT_FOUND", reason: "no domain to roll over" });
  const events = rolloverEvents(state, now);
  return granted({ keyVersion: state.keyVersion + events.length }, events);
}

/**
 * The new domain key, one version above the highest, if a rollover is due; else nothing.
 *
 * @param isRequired whether it is due in any case
 */
export function rolloverEvents(state: DomainState, now: number, isRequired = false): readonly DomainEvent[] {
  return isRequired || isRolloverDue(state, now) ? [{ type: "key-made", keyVersion: state.keyVersion + 1 }] : [];
}

/**
 * The key version to encrypt to; null before the first key, and while a rollover is due: a device that left holds the
 * newest key.
 */
export function currentKeyVersion(state: RolloverState, now: number): number | null {
  return isRolloverDue(state, now) || state.keyVersion === 0 ? null : state.keyVersion;
}

type RolloverState = Pick<DomainState, "keyRolloverRequired" | "rolloverNotBefore" | "keyVersion">;

/** Whether the next registration makes a new key. The first key waits for nothing. */
function isRolloverDue({ keyRolloverRequired, rolloverNotBefore, keyVersion }: RolloverState, now: number): boolean {
  return keyRolloverRequired && (keyVersion === 0 || now >= rolloverNotBefore);
}

/** The earliest time of a rollover that a leave brings about, in milliseconds since the Unix epoch. */
export function earliestRollover({ settings, defaultRolloverIntervalSeconds, keyMadeAt }: DomainState): number {
  return keyMadeAt + (settings.rolloverIntervalSeconds ?? defaultRolloverIntervalSeconds) * 1000;
}
