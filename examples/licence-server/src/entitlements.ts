import type { TrackType } from "./content-keys.ts";

/** The purchases of each domain: films, and the tracks of each. A service asks its shop. */
const ENTITLEMENTS: Readonly<Record<string, Readonly<Record<string, readonly TrackType[]>>>> = {
  den: { "film-1": ["SD", "HD", "AUDIO"], "film-2": ["SD", "AUDIO"] },
  attic: { "film-1": ["SD", "AUDIO"] },
};

/** The tracks of a film that a domain may watch; none if it has not paid. */
export function entitlement(domain: string, content: string): readonly TrackType[] {
  const films = Object.hasOwn(ENTITLEMENTS, domain) ? ENTITLEMENTS[domain] : undefined;
  return films && Object.hasOwn(films, content) ? (films[content] ?? []) : [];
}
