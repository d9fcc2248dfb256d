/** The scopes of operators: to read, to change domains and their settings, to remove devices, to read metrics alone. */
export const SCOPES = ["domains:read", "domains:write", "domains:evict", "metrics:read"] as const;

/** One of the things an operator may do. */
export type Scope = (typeof SCOPES)[number];
