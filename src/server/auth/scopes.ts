/** What an operator may do: look, change domains and their settings, remove devices. */
export const SCOPES = ["domains:read", "domains:write", "domains:evict"] as const;

/** One of the things an operator may do. */
export type Scope = (typeof SCOPES)[number];
