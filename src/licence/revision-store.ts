/** The newest state of a domain that a statement told of: revisions are counted within an epoch. */
export type SeenRevision = Readonly<{ epoch: number; revision: number }>;

/** Keeps what was seen of each domain, so that no older statement is believed. One that lasts outlives a restart. */
export interface RevisionStore {
  /** The newest that was seen of a domain URL; null if nothing was. */
  load(domainUrl: string): Promise<SeenRevision | null>;
  /** Keeps what was seen, unless it is older than what it has. */
  save(domainUrl: string, seen: SeenRevision): Promise<void>;
}

/** Keeps it for as long as the program runs. */
export class MemoryRevisionStore implements RevisionStore {
  readonly #seen = new Map<string, SeenRevision>();

  async load(domainUrl: string): Promise<SeenRevision | null> {
    return this.#seen.get(domainUrl) ?? null;
  }

  async save(domainUrl: string, seen: SeenRevision): Promise<void> {
    const newest = this.#seen.get(domainUrl);
    if (!newest || isOlder(newest, seen)) this.#seen.set(domainUrl, seen);
  }
}

/** Whether one state is older than another. */
export function isOlder(one: SeenRevision, other: SeenRevision): boolean {
  return one.epoch === other.epoch ? one.revision < other.revision : one.epoch < other.epoch;
}
