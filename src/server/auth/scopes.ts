/** What an operator may do: look, change domains and their settings, remove devices; and see numbers alone. */
export const SCOPES = ["domains:read", "domains:write", "domains:evict", "metrics:read"] as const;

/** One of the things an operator may do. */
export type Scope = (typeof SCOPES)[number];
