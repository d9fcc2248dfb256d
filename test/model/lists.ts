import type { Versions } from "./requests.ts";

/** The versions above one and below another. */
export function versionsBetween(above: number, below: number): number[] {
  return Array.from({ length: Math.max(0, below - above - 1) }, (_, index) => above + 1 + index);
}

/** Numbers in rising order. */
export function inOrder(numbers: readonly number[]): number[] {
  return numbers.toSorted((a, b) => a - b);
}

/** Pairs in rising order of what comes first. */
export function pairsInOrder<T>(pairs: readonly (readonly [number, T])[]): (readonly [number, T])[] {
  return pairs.toSorted(([a], [b]) => a - b);
}

/** Whether two answers say the same, whatever order they say it in. */
export function same(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => same((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]));
}

/** The newest of some versions in rising order, so many at the most, and what an answer says of the others. */
export function newestOf(versions: readonly number[], most: number) {
  const others = versions.slice(0, -most);
  const [from, to] = [others[0], others.at(-1)];
  const rest: { older?: Versions } = from === undefined || to === undefined ? {} : { older: { from, to } };
  return { listed: versions.slice(-most), rest };
}
