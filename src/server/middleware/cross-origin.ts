import type { Context } from "hono";
import { cors } from "hono/cors";
import { etag, RETAINED_304_HEADERS } from "hono/etag";
import { createMiddleware } from "hono/factory";
import { configOf } from "../config.ts";
import type { AppEnv } from "../http/request-context.ts";

/** CORS headers for the origins whose pages may be devices, by the configuration. */
const ALLOWED = {
  allowMethods: ["GET", "POST", "PATCH", "DELETE"],
  allowHeaders: ["authorization", "content-type", "idempotency-key", "if-none-match", "machine-guid"],
  exposeHeaders: ["date", "etag", "retry-after", "www-authenticate", "x-request-id"],
  maxAge: 600,
};

/** Entity tags, by which a page of such an origin may ask again: without these headers its browser would refuse the 304. */
export const entityTags = etag({
  retainedHeaders: [...RETAINED_304_HEADERS, "access-control-allow-origin", "access-control-expose-headers"],
});

/** Lets pages of the configured origins in. It tells others nothing: the browser refuses theirs. */
export const crossOrigin = createMiddleware<AppEnv>(async (c, next) => {
  const allowed = allowedOrigins(c);
  const origin = c.req.header("origin");
  if (origin !== undefined && allowed.includes(origin)) return cors({ ...ALLOWED, origin })(c, next);
  await next();
  // A cache must not serve this response to an allowed page: its browser would refuse it.
  if (allowed.length > 0) c.res.headers.append("vary", "Origin");
});

function allowedOrigins(c: Context<AppEnv>): readonly string[] {
  try {
    return configOf(c.env).corsOrigins;
  } catch {
    return [];
  }
}
