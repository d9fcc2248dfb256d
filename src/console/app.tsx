import { useEffect, useMemo, useState } from "preact/hooks";
import { ConsoleContext } from "./context.ts";
import { DevicesPage } from "./devices-page.tsx";
import { DomainPage } from "./domain-page.tsx";
import { DomainsPage } from "./domains-page.tsx";
import { type Failure, failureOf } from "./failures.ts";
import { Mark, OutcomeRegion } from "./frame.tsx";
import { operatorWith } from "./operator.ts";
import { hashOf, routeOf, useRoute } from "./routes.ts";
import { savedToken, saveToken } from "./session.ts";
import { SignIn } from "./sign-in.tsx";

/** The whole console: who is signed in, where they are, and what was done last. */
export function App() {
  const [token, setToken] = useState(savedToken);
  const [signedInHere, setSignedInHere] = useState(false);
  const [farewell, setFarewell] = useState<Failure | null>(null);
  const [outcome, setOutcome] = useState<Readonly<{ text: string; place: string }> | null>(null);
  const { route, arrived } = useRoute();
  const place = hashOf(route);

  const signOut = (why: Failure | null) => {
    saveToken(null);
    setToken(null);
    setOutcome(null);
    setFarewell(why);
  };
  const signIn = (newToken: string) => {
    saveToken(newToken);
    setToken(newToken);
    setSignedInHere(true);
    setFarewell(null);
  };
  const tools = useMemo(
    () => ({
      operator: operatorWith(token ?? "", (error) => signOut(failureOf(error))),
      say: (text: string) => setOutcome({ text, place: hashOf(routeOf(location.hash)) }),
    }),
    [token],
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
    <ConsoleContext.Provider value={{ ...tools, arrived: arrived || signedInHere }}>
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
            <button type="button" class="button quiet" onClick={() => signOut(null)}>
              Sign out
            </button>
          </nav>
        )}
      </header>
      <main>
        {token === null ? (
          <SignIn failure={farewell} onSignIn={signIn} />
        ) : route.page === "domains" ? (
          <DomainsPage key={place} prefix={route.prefix} />
        ) : route.page === "devices" ? (
          <DevicesPage />
        ) : (
          <DomainPage key={route.domain} domain={route.domain} view={route.view} />
        )}
      </main>
      <OutcomeRegion text={outcome?.place === place ? outcome.text : null} onDismiss={() => setOutcome(null)} />
    </ConsoleContext.Provider>
  );
}
