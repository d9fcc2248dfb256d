import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ConsoleContext } from "./context.ts";
import { DevicesPage } from "./devices-page.tsx";
import { DomainPage } from "./domain-page.tsx";
import { DomainsPage } from "./domains-page.tsx";
import { type Failure, failureOf } from "./failures.ts";
import { LostBanner, Mark, OutcomeRegion } from "./frame.tsx";
import { Surroundings, useLoaded } from "./hooks.ts";
import { LeavingDialog } from "./leaving-dialog.tsx";
import { operatorWith } from "./operator.ts";
import { hashOf, routeOf, useRoute } from "./routes.ts";
import { savedToken, saveToken } from "./session.ts";
import { SignIn } from "./sign-in.tsx";
import { SignedIn } from "./signed-in.tsx";

/** The whole console: who is signed in, where they are, and what was done last. */
export function App() {
  const [token, setToken] = useState(savedToken);
  const [signedInHere, setSignedInHere] = useState(false);
  const [farewell, setFarewell] = useState<Failure | null>(null);
  const [outcome, setOutcome] = useState<Readonly<{ text: string; place: string }> | null>(null);
  const [lostSince, setLostSince] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  const lastAnswer = useRef<string | null>(null);
  const unsaved = useRef(false);
  const [signsOut, setSignsOut] = useState(false);
  const { route, arrived, answer } = useRoute(() => unsaved.current);
  const place = hashOf(route);

  const signOut = (why: Failure | null) => {
    saveToken(null);
    setToken(null);
    setOutcome(null);
    setLostSince(null);
    setFarewell(why);
  };
  const signIn = (newToken: string) => {
    saveToken(newToken);
    setToken(newToken);
    setSignedInHere(true);
    setFarewell(null);
  };
  const onReached = (isReached: boolean) => {
    if (isReached) lastAnswer.current = new Date().toISOString();
    setLostSince(isReached ? null : lastAnswer.current);
  };
  const tools = useMemo(
    () => ({
      operator: operatorWith(token ?? "", { onSignedOut: (error) => signOut(failureOf(error)), onReached }),
      unsaved,
      say: (text: string) => setOutcome({ text, place: hashOf(routeOf(location.hash)) }),
    }),
    [token],
  );
  const { value: identity } = useLoaded(
    async (signal) => (token === null ? null : tools.operator.identity({ signal })),
    [tools.operator],
  );
  useEffect(() => {
    // Elsewhere it would be about nothing.
    setOutcome((before) => (before?.place === place ? before : null));
  }, [place]);
  useEffect(() => {
    if (token === null) document.title = "Sign in – Device domains";
    else if (route.page === "domain") document.title = `${route.domain} – Device domains`;
    else document.title = route.page === "devices" ? "Devices – Device domains" : "Device domains";
  }, [token, route]);

  return (
    <ConsoleContext.Provider value={{ ...tools, identity, arrived: arrived || signedInHere }}>
      <header class="masthead">
        <a class="brand" href={hashOf({ page: "domains", prefix: "" })}>
          <Mark />
          Device domains
        </a>
        {token !== null && (
          <nav class="pages" aria-label="Pages">
            <a
              href={hashOf({ page: "domains", prefix: "" })}
              aria-current={route.page === "domains" ? "page" : undefined}
            >
              Domains
            </a>
            <a href={hashOf({ page: "devices" })} aria-current={route.page === "devices" ? "page" : undefined}>
              Devices
            </a>
            {identity && <SignedIn {...identity} />}
            <button
              type="button"
              class="button quiet"
              onClick={() => (unsaved.current ? setSignsOut(true) : signOut(null))}
            >
              Sign out
            </button>
          </nav>
        )}
      </header>
      <main>
        <LostBanner since={lostSince} onRetry={() => setTurn((before) => before + 1)} />
        <Surroundings.Provider value={{ turn, onAction: () => setOutcome(null), isLost: lostSince !== null }}>
          {token === null ? (
            <SignIn failure={farewell} onSignIn={signIn} />
          ) : route.page === "domains" ? (
            <DomainsPage key={place} prefix={route.prefix} />
          ) : route.page === "devices" ? (
            <DevicesPage />
          ) : (
            <DomainPage key={route.domain} {...route} />
          )}
        </Surroundings.Provider>
      </main>
      {answer && <LeavingDialog onClose={answer} />}
      {signsOut && (
        <LeavingDialog
          onClose={(goes) => {
            setSignsOut(false);
            if (goes) signOut(null);
          }}
        />
      )}
      <OutcomeRegion text={outcome?.place === place ? outcome.text : null} onDismiss={() => setOutcome(null)} />
    </ConsoleContext.Provider>
  );
}
