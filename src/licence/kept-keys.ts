import { type PublishedKeys, publishedKeys } from "../client/authority.ts";

/** How long statements of unknown keys, which anybody can make, do not have the keys fetched again. */
const COOLDOWN_MILLISECONDS = 30_000;

const kept = new WeakMap<typeof fetch, Map<string, PublishedKeys>>();

/** The keys that a server publishes: the same source for every statement, so that they are not fetched for each. */
export function keptKeys(origin: string, fetch: typeof globalThis.fetch = globalThis.fetch): PublishedKeys {
  const byOrigin = kept.get(fetch) ?? new Map<string, PublishedKeys>();
  kept.set(fetch, byOrigin);
  const keys =
    byOrigin.get(origin) ?? publishedKeys(origin, (input, init) => fetch(input, init), COOLDOWN_MILLISECONDS);
  byOrigin.set(origin, keys);
  return keys;
}
