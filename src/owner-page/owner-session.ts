const KEY = "device-domains-owner";

/** A sign-in that was begun, until the browser comes back from the issuer. */
export type BegunSignIn = Readonly<{
  issuer: string;
  clientId: string;
  audience: string;
  state: string;
  verifier: string;
  /** The domain that the page was opened for; null for the subject's own. */
  domain: string | null;
}>;

/** Who is signed in. */
export type Session = Readonly<{
  /** The access token. */
  token: string;
  /** When it ends, by the browser's clock; null if the issuer did not say. */
  endsAt: number | null;
}>;

type Kept = Readonly<{ begun?: BegunSignIn; session?: Session }>;

/** Keeps a sign-in that was begun, and ends what was before. */
export function saveBegunSignIn(begun: BegunSignIn): void {
  keep({ begun });
}

/** The sign-in that was begun. It is forgotten by that: an answer to it counts once. */
export function takeBegunSignIn(): BegunSignIn | null {
  const { begun, ...rest } = kept();
  if (begun) keep(rest);
  return begun ?? null;
}

/** Who is signed in, in this tab; null if nobody is. */
export function savedSession(): Session | null {
  return kept().session ?? null;
}

/** Keeps the session for this tab, or forgets it. */
export function saveSession(session: Session | null): void {
  keep(session ? { session } : {});
}

function kept(): Kept {
  return JSON.parse(sessionStorage.getItem(KEY) ?? "{}") as Kept;
}

function keep(state: Kept): void {
  if (Object.keys(state).length === 0) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, JSON.stringify(state));
}
