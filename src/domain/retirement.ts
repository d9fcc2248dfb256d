import { type Decision, type DomainState, granted, refused } from "./types.ts";

/** An operator retires the keys up to a version: they are kept, and handed out to nobody any more. */
export type Retirement = Readonly<{
  type: "retire";
  requestId: string;
  /** The operator. */
  by: string;
  /** The highest version that is retired; 0 brings all back that are not lost. */
  upTo: number;
  /** Whether a key that is retired stays so, also one above `upTo`. */
  bringsNoneBack?: boolean;
}>;

/** Up to which key version the keys are retired from now on. */
export type RetirementGrant = Readonly<{ retiredUpTo: number }>;

/**
 * Decides a retirement. Never of the newest key: a registration must bring the key that is encrypted to, and while a
 * rollover is due, the next one.
 */
export function decideRetirement(state: DomainState, retirement: Retirement): Decision<RetirementGrant> {
  const { bringsNoneBack = false, requestId, by } = retirement;
  const { revision, keyVersion, retiredUpTo } = state;
  const upTo = Math.max(retirement.upTo, state.lostUpTo);
  if (revision === 0) return refused({ error: "DOMAIN_NOT_FOUND", reason: "no domain to retire keys of" });
  if (upTo === retiredUpTo || (bringsNoneBack && upTo < retiredUpTo)) return granted({ retiredUpTo });
  if (upTo > 0 && upTo >= keyVersion) {
    const fields = [{ field: "upTo", detail: `must be below the highest key version, which is ${keyVersion}` }];
    return refused({ error: "INVALID_REQUEST", reason: "the highest key cannot be retired", fields });
  }
  return granted({ retiredUpTo: upTo }, [{ type: "keys-retired", upTo, previous: retiredUpTo, requestId, by }]);
}
