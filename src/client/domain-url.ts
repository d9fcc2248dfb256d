import { isSafeUrl } from "../protocol/loopback.ts";
import { DeviceDomainError } from "./client-errors.ts";

/** Where a domain is: its own URL, its name, and the origin of its server. */
export type DomainAddress = Readonly<{ url: string; domain: string; origin: string }>;

/**
 * Takes apart the URL of a domain, such as `https://host/domains/den`.
 *
 * @throws DeviceDomainError `INVALID_DOMAIN_URL`
 */
export function domainAddress(text: string | URL): DomainAddress {
  const origin = serverOrigin(text);
  const { pathname, username, password, search, hash } = new URL(text);
  const domain = decoded(/^\/domains\/([^/]+)\/?$/.exec(pathname)?.[1] ?? "");
  if (username || password || search || hash || !/^[A-Za-z0-9._:@~-]+$/.test(domain)) {
    throw invalid("must be of the form https://host/domains/name");
  }
  return { url: `${origin}/domains/${domain}`, domain, origin };
}

/**
 * The origin of a server's URL.
 *
 * @throws DeviceDomainError `INVALID_DOMAIN_URL`
 */
export function serverOrigin(text: string | URL): string {
  // The keys that everything else is checked with come from there: nobody on the way may swap them.
  if (isSafeUrl(text)) return new URL(text).origin;
  throw invalid("must begin with https://, or http:// and a loopback address");
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}

function invalid(problem: string): DeviceDomainError {
  return new DeviceDomainError("INVALID_DOMAIN_URL", `The URL ${problem}`);
}
