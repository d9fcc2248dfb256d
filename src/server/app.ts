import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import { methodNotAllowed } from "hono/method-not-allowed";
import { ConfigError, configOf } from "./config.ts";
import { type D1Failure, d1Advice, d1Failure } from "./database/d1-errors.ts";
import { type AppEnv, newRequestId, serverUrl } from "./http/context.ts";
import { invalidRequest, Problem } from "./http/problems.ts";
import { errorFields, log } from "./log.ts";
import { admin } from "./routes/admin/index.ts";
import { devices } from "./routes/devices.ts";
import { domain } from "./routes/domain.ts";
import { health } from "./routes/health.ts";
import { jwks } from "./routes/jwks.ts";

/** What keeps browsers from making more of an answer than it is. HTTPS alone, from the first answer on. */
const SAFETY_HEADERS = [
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
  ["referrer-policy", "no-referrer"],
  ["strict-transport-security", "max-age=31536000; includeSubDomains"],
  ["x-content-type-options", "nosniff"],
] as const;

/** What scripts of other origins may ask for, where the configuration lets their pages be devices. */
const CROSS_ORIGIN = {
  allowMethods: ["GET", "POST"],
  allowHeaders: ["authorization", "content-type", "idempotency-key", "if-none-match"],
  exposeHeaders: ["date", "etag", "retry-after", "www-authenticate", "x-request-id"],
  maxAge: 600,
};

/** The application: its routes, and what they have in common. */
export function createApp(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use(async (c, next) => {
    c.set("requestId", newRequestId());
    await next();
    // Set where they are: `c.header` would make a new answer for each.
    const { headers } = c.res;
    headers.set("x-request-id", c.get("requestId"));
    // A device whose clock is wrong learns from it what to sign; not every runtime adds it by itself.
    headers.set("date", new Date().toUTCString());
    for (const [name, value] of SAFETY_HEADERS) headers.set(name, value);
    // Answers carry credentials or depend on who asks; a route of which neither is true says so itself.
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  });
  for (const path of ["/domains/*", "/.well-known/*"]) app.use(path, crossOrigin);
  app.use(async (c, next) => {
    // The runtime takes whatever is sent as a host; there is no URL with some of it.
    if (!URL.canParse(c.req.url))
      throw invalidRequest({ field: "host", detail: "must be a host, with a port or without" });
    await next();
  });
  app.use(methodNotAllowed({ app, onMethodNotAllowed: (c, methods) => answer(c, wrongMethod(methods)) }));
  for (const routes of [admin, devices, domain, jwks, health]) app.route("/", routes);
  app.notFound((c) => answer(c, new Problem("NOT_FOUND")));
  app.onError((error, c) => answer(c, error instanceof Problem ? error : unexpected(error, c)));
  return app;
}

/** Lets pages of the configured origins in, and says nothing of it to others: theirs are refused by the browser. */
const crossOrigin = createMiddleware<AppEnv>(async (c, next) => {
  const origin = c.req.header("origin");
  if (origin === undefined || !allowedOrigins(c).includes(origin)) return next();
  return cors({ ...CROSS_ORIGIN, origin })(c, next);
});

function allowedOrigins(c: Context<AppEnv>): readonly string[] {
  try {
    return configOf(c.env).corsOrigins;
  } catch {
    return [];
  }
}

function answer(c: Context<AppEnv>, problem: Problem): Response {
  const requestId = c.get("requestId");
  const { reason } = problem.details;
  if (reason !== undefined) log("info", "refused", { requestId, error: problem.problem, reason });
  return problem.response(problemOrigin(c), requestId);
}

/** Where problem types are described, even when it is the configuration that is the problem. */
function problemOrigin(c: Context<AppEnv>): string {
  try {
    return serverUrl(c);
  } catch {
    return URL.canParse(c.req.url) ? new URL(c.req.url).origin : "";
  }
}

function wrongMethod(methods: readonly string[]): Problem {
  const allow = methods.join(", ");
  return new Problem("INVALID_REQUEST", {
    status: 405,
    errors: [{ field: "method", detail: `must be ${methods.join(" or ")}` }],
    headers: { allow },
  });
}

/** What the caller is told of an error nobody expected: little; the log has the rest, under the same request id. */
function unexpected(error: Error, c: Context<AppEnv>): Problem {
  log("error", error instanceof ConfigError ? "the configuration is at fault" : "a request failed", {
    requestId: c.get("requestId"),
    ...errorFields(error),
    ...d1Advice(error),
  });
  return new Problem(BY_D1_FAILURE[d1Failure(error)] ?? "INTERNAL_ERROR");
}

const BY_D1_FAILURE: { readonly [Failure in D1Failure]?: "OVERLOADED" | "TEMPORARILY_UNAVAILABLE" } = {
  overloaded: "OVERLOADED",
  transient: "TEMPORARILY_UNAVAILABLE",
};
