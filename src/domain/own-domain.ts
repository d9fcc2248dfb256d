import type { AuthEvidence, DomainEvent, DomainSettings, DomainState } from "./types.ts";

/** The domain that belongs to the subject of a token. */
export type OwnDomain = Readonly<{
  name: string;
  /** The settings that the domain is born with. */
  settings: DomainSettings;
  /** The maximum that the token itself names; null if it names none. */
  claimedMaximum: number | null;
}>;

/** Initial settings of a domain that is not a token subject's own, and where they come from. */
export type Birth = Readonly<{ settings: DomainSettings; by: "token" | "DOMAIN_DEFAULTS" }>;

/**
 * A domain as a registration by this token finds it: one that it makes has the settings it is born with, any other
 * the maximum that the token names. A token changes nothing else of a domain that exists.
 */
export function stateByToken(state: DomainState, auth: AuthEvidence, birth: Birth | undefined): DomainState {
  const own = auth.kind === "verified" ? auth.ownDomain : undefined;
  if (own?.name !== state.name) return state.revision === 0 && birth ? { ...state, settings: birth.settings } : state;
  if (state.revision === 0) return { ...state, settings: own.settings };
  const maxMembership = own.claimedMaximum ?? state.settings.maxMembership;
  return maxMembership === state.settings.maxMembership
    ? state
    : { ...state, settings: { ...state.settings, maxMembership } };
}

/** The event of settings that a registration changed; nothing if it changed none. @param by what says so */
export function settingsEvents(
  { settings: previous }: DomainState,
  { settings }: DomainState,
  requestId: string,
  by: Birth["by"],
): readonly DomainEvent[] {
  return settings === previous ? [] : [{ type: "settings-changed", settings, previous, requestId, by }];
}
