import { useEffect, useRef, useState } from "preact/hooks";

/** The views of a domain, in the order of its navigation. */
export const VIEWS = ["overview", "settings", "members", "bans", "keys", "log", "try"] as const;

/** One of the views of a domain. */
export type View = (typeof VIEWS)[number];

/** The filter of a view of a domain: a device, by the id that the log calls it by, and a type of change. */
export type Selection = Readonly<{ device?: string | undefined; type?: string | undefined }>;

/** A place in the console. It is kept in the URL's fragment, which never leaves the browser. */
export type Route =
  | Readonly<{ page: "domains"; prefix: string }>
  | Readonly<{ page: "devices" }>
  | Readonly<{ page: "domain"; domain: string; view: View; selection?: Selection | undefined }>;

/** The place a fragment such as `#/domains/den/members` names; the list of domains if it names none. */
export function routeOf(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?", 2);
  if (path === "/devices") return { page: "devices" };
  const query = new URLSearchParams(search);
  const [domain, view] = (/^\/domains\/([^/]+)(?:\/([^/]+))?$/.exec(path) ?? []).slice(1).map(decoded);
  if (!domain) return { page: "domains", prefix: query.get("prefix") ?? "" };
  const [device, type] = [query.get("device") ?? undefined, query.get("type") ?? undefined];
  const selection = device || type ? { device, type } : undefined;
  return { page: "domain", domain, view: VIEWS.find((each) => each === view) ?? "overview", selection };
}

/** The fragment that names a place. */
export function hashOf(route: Route): string {
  if (route.page === "domains") {
    return route.prefix === "" ? "#/domains" : `#/domains?${new URLSearchParams({ prefix: route.prefix })}`;
  }
  if (route.page === "devices") return "#/devices";
  const domain = `#/domains/${encodeURIComponent(route.domain)}`;
  if (route.view === "overview") return domain;
  const query = new URLSearchParams(
    Object.entries(route.selection ?? {}).flatMap(([name, value]) => (value ? [[name, value]] : [])),
  );
  return query.size === 0 ? `${domain}/${route.view}` : `${domain}/${route.view}?${query}`;
}

/** Goes to a place, as a link would. */
export function goTo(route: Route): void {
  location.hash = hashOf(route);
}

/** Where the operator is, and whether they went there since the page was loaded. */
type Place = Readonly<{
  route: Route;
  arrived: boolean;
  /** Answers whether to go to where the browser is already; null if nobody has to be asked. */
  answer: ((goes: boolean) => void) | null;
}>;

/** Follows the browser. @param isHeld whether the operator must be asked before the place is left */
export function useRoute(isHeld: () => boolean): Place {
  const [place, setPlace] = useState(() => ({ route: routeOf(location.hash), arrived: false }));
  const [wanted, setWanted] = useState<Route | null>(null);
  const here = useRef(place.route);
  const entry = useRef(entryNow());
  const go = (route: Route) => {
    here.current = route;
    entry.current = entryNow();
    setPlace({ route, arrived: true });
  };
  useEffect(() => {
    const follow = () => {
      const route = routeOf(location.hash);
      const asks = isHeld() && hashOf(route) !== hashOf(here.current);
      setWanted(asks ? route : null);
      if (!asks) go(route);
    };
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const answer = (goes: boolean) => {
    setWanted(null);
    const moved = entryNow() - entry.current;
    if (wanted && goes) go(wanted);
    else if (moved !== 0) history.go(-moved);
    else history.replaceState(null, "", hashOf(here.current));
  };
  return { ...place, answer: wanted && answer };
}

/** Where in its history the browser is; always 0 if it does not say. */
function entryNow(): number {
  return globalThis.navigation?.currentEntry?.index ?? 0;
}

function decoded(segment: string | undefined): string | undefined {
  try {
    return segment === undefined ? undefined : decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
