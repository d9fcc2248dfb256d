import { useEffect, useState } from "preact/hooks";

/** What there is to see of a domain, in the order of its navigation. */
export const VIEWS = ["overview", "settings", "members", "bans", "keys", "log", "try"] as const;

/** One of the views of a domain. */
export type View = (typeof VIEWS)[number];

/** A place in the console. It is kept in the URL's fragment, which never leaves the browser. */
export type Route =
  | Readonly<{ page: "domains"; prefix: string }>
  | Readonly<{ page: "devices" }>
  | Readonly<{ page: "domain"; domain: string; view: View }>;

/** The place a fragment such as `#/domains/den/members` names; the list of domains if it names none. */
export function routeOf(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?", 2);
  if (path === "/devices") return { page: "devices" };
  const [domain, view] = (/^\/domains\/([^/]+)(?:\/([^/]+))?$/.exec(path) ?? []).slice(1).map(decoded);
  if (!domain) return { page: "domains", prefix: new URLSearchParams(search).get("prefix") ?? "" };
  return { page: "domain", domain, view: VIEWS.find((each) => each === view) ?? "overview" };
}

/** The fragment that names a place. */
export function hashOf(route: Route): string {
  if (route.page === "domains") {
    return route.prefix === "" ? "#/domains" : `#/domains?${new URLSearchParams({ prefix: route.prefix })}`;
  }
  if (route.page === "devices") return "#/devices";
  const domain = `#/domains/${encodeURIComponent(route.domain)}`;
  return route.view === "overview" ? domain : `${domain}/${route.view}`;
}

/** Goes to a place, as a link would. */
export function goTo(route: Route): void {
  location.hash = hashOf(route);
}

/** The place the browser is at, and whether the operator went there since the page was loaded. */
export function useRoute(): Readonly<{ route: Route; arrived: boolean }> {
  const [place, setPlace] = useState(() => ({ route: routeOf(location.hash), arrived: false }));
  useEffect(() => {
    const follow = () => setPlace({ route: routeOf(location.hash), arrived: true });
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return place;
}

function decoded(segment: string | undefined): string | undefined {
  try {
    return segment === undefined ? undefined : decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
