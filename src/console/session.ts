const KEY = "device-domains-console";

/**
 * The credential of this tab; null if nobody is signed in. It goes with the tab, and no other tab sees it. No other page
 * of this server may run scripts (`scripts/assets.ts`): they could read it.
 */
export function savedToken(): string | null {
  return sessionStorage.getItem(KEY);
}

/** Keeps the credential of this tab, or forgets it. */
export function saveToken(token: string | null): void {
  if (token === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, token);
}
