import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../http/request-context.ts";
import { newRequestId } from "../request-ids.ts";
import { continueTrace } from "../spans.ts";

/** Security headers sent with every response; a page has a policy of its own. HSTS: HTTPS alone, from the first response on. */
const SECURITY_HEADERS = [
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
  ["referrer-policy", "no-referrer"],
  ["strict-transport-security", "max-age=31536000; includeSubDomains"],
  ["x-content-type-options", "nosniff"],
] as const;

/** Gives each request its id, and each response the headers that all have. */
export const commonHeaders = createMiddleware<AppEnv>(async (c, next) => {
  c.set("requestId", newRequestId());
  c.set("traceId", continueTrace(c.req.header("traceparent")));
  await next();
  // Set where they are: `c.header` would make a new response for each.
  const { headers } = c.res;
  headers.set("x-request-id", c.get("requestId"));
  // Not every runtime adds it by itself.
  headers.set("date", new Date().toUTCString());
  for (const [name, value] of SECURITY_HEADERS) if (!headers.has(name)) headers.set(name, value);
  // Responses carry credentials or depend on who asks; a route of which neither is true says so itself.
  if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
});
