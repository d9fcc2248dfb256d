import { useEffect, useMemo, useState } from "preact/hooks";
import { Progress } from "../console/components.tsx";
import { RefusedHere } from "../console/failures.ts";
import { Mark, OutcomeRegion } from "../console/frame.tsx";
import { useAction } from "../console/hooks.ts";
import { DevicesPage } from "./owner-devices-page.tsx";
import { OwnerServer } from "./owner-server.ts";
import { type Session, savedSession, saveSession } from "./owner-session.ts";
import { type Arrival, completeSignIn } from "./sign-in.ts";
import { SignInPage } from "./sign-in-page.tsx";

const ENDED = new RefusedHere("Your sign-in has ended", "Sign in again to go on.").failure;

/** The whole page: who is signed in, and what was done last. */
export function App({ arrival }: { arrival: Arrival | null }) {
  const [session, setSession] = useState(savedSession);
  const [arriving, setArriving] = useState(arrival !== null);
  const [ended, setEnded] = useState(false);
  const [outcome, setOutcome] = useState<string | null>(null);
  const signIn = useAction();
  const domain = new URLSearchParams(location.search).get("domain") || null;

  const change = (next: Session | null, hasEnded = false) => {
    saveSession(next);
    setSession(next);
    setEnded(hasEnded);
    setOutcome(null);
  };
  useEffect(() => {
    if (arrival) signIn.run(async () => change(await completeSignIn(arrival))).then(() => setArriving(false));
  }, []);
  const server = useMemo(() => session && new OwnerServer(session, () => change(null, true)), [session]);
  return (
    <>
      <header class="masthead">
        <span class="brand">
          <Mark />
          {location.host}
        </span>
        {server && (
          <button type="button" class="button quiet" onClick={() => change(null)}>
            Sign out
          </button>
        )}
      </header>
      <main>
        {arriving ? (
          <Progress />
        ) : server ? (
          <DevicesPage server={server} domain={domain} arrived={arrival !== null} say={setOutcome} />
        ) : (
          <SignInPage domain={domain} failure={ended ? ENDED : signIn.failure} />
        )}
      </main>
      <OutcomeRegion text={outcome} onDismiss={() => setOutcome(null)} />
    </>
  );
}
