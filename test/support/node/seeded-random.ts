import { createHash } from "node:crypto";

/** Choices that a seed decides: the same seed, the same choices. */
export type Random = {
  /** At least 0, below 1. */
  next(): number;
  /** A whole number, at least 0, below `limit`. */
  below(limit: number): number;
  /** One of these, each as likely as often as it stands there. */
  pick<T>(choices: readonly T[]): T;
};

/** @see Mulberry32, by Tommy Ettinger: small, and good enough for choices in tests */
export function seededRandom(seed: string): Random {
  let state = createHash("sha256").update(seed).digest().readInt32BE();
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return { next, below, pick: <T>(choices: readonly T[]) => choices[below(choices.length)] as T };
}
