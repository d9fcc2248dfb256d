/** The overview of a domain for operators, as far as tests look at it. */
export type Overview = { revision: number; memberCount: number; keyVersion: number };

/** An overview without what is told of the copy: that changes a moment after the domain did. */
export function withoutCopy(seen: object): Overview {
  const { database, copiedRevision, copySecondsBehind, ...domain } = seen as Overview & Record<string, unknown>;
  return domain;
}
