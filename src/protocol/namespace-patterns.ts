/** Whether one of these patterns stands for a namespace: its exact name, or a prefix of it that ends in `*`. */
export function covers(patterns: readonly string[], namespace: string): boolean {
  return patterns.some((pattern) => (isPrefix(pattern) ? namespace.startsWith(stem(pattern)) : namespace === pattern));
}

/** Whether there is a namespace that patterns of both lists stand for. */
export function overlap(some: readonly string[], others: readonly string[]): boolean {
  return some.some((one) => others.some((other) => meet(one, other)));
}

function meet(one: string, other: string): boolean {
  return (
    (isPrefix(one) && stem(other).startsWith(stem(one))) ||
    (isPrefix(other) && stem(one).startsWith(stem(other))) ||
    one === other
  );
}

/** Whether a pattern ends in `*`, and stands for all namespaces that begin with the rest of it. */
export function isPrefix(pattern: string): boolean {
  return pattern.endsWith("*");
}

/** The rest of a pattern without its `*`. */
export function stem(pattern: string): string {
  return isPrefix(pattern) ? pattern.slice(0, -1) : pattern;
}
