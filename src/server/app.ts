import { type Context, Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import { ConfigError } from "./config.ts";
import { d1Advice, d1Failure, ERROR_OF } from "./database/d1-errors.ts";
import { invalidRequest, Problem } from "./http/problems.ts";
import { type AppEnv, serverUrl } from "./http/request-context.ts";
import { commonHeaders } from "./middleware/common-headers.ts";
import { crossOrigin } from "./middleware/cross-origin.ts";
import { admin } from "./routes/admin/index.ts";
import { devices } from "./routes/devices.ts";
import { domain } from "./routes/domain.ts";
import { health } from "./routes/health.ts";
import { home } from "./routes/home-page.ts";
import { jwks } from "./routes/jwks.ts";
import { keys } from "./routes/keys.ts";
import { ownerDevices } from "./routes/owner-devices.ts";
import { ownerSignIn } from "./routes/owner-sign-in.ts";
import { errorFields, log } from "./worker-log.ts";

/** The application: its routes, and what they have in common. */
export function createApp(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use(commonHeaders);
  for (const path of ["/domains/*", "/.well-known/*", "/sign-in", "/own-domain"]) app.use(path, crossOrigin);
  app.use(async (c, next) => {
    // The runtime takes whatever is sent as a host; there is no URL with some of it.
    if (!URL.canParse(c.req.url))
      throw invalidRequest({ field: "host", detail: "must be a host, with a port or without" });
    await next();
  });
  app.use(methodNotAllowed({ app, onMethodNotAllowed: (c, methods) => answer(c, wrongMethod(methods)) }));
  for (const routes of [home, admin, devices, ownerDevices, ownerSignIn, domain, keys, jwks, health])
    app.route("/", routes);
  app.notFound((c) => answer(c, new Problem("NOT_FOUND")));
  app.onError((error, c) => answer(c, error instanceof Problem ? error : unexpected(error, c)));
  return app;
}

function answer(c: Context<AppEnv>, problem: Problem): Response {
  const [requestId, traceId] = [c.get("requestId"), c.get("traceId")];
  const { reason } = problem.details;
  if (reason !== undefined) log("info", "refused", { requestId, traceId, error: problem.problem, reason });
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

/** The response to an unexpected error: generic. The log has the cause, under the same request id. */
function unexpected(error: Error, c: Context<AppEnv>): Problem {
  log("error", error instanceof ConfigError ? "the configuration is at fault" : "a request failed", {
    requestId: c.get("requestId"),
    traceId: c.get("traceId"),
    ...errorFields(error),
    ...d1Advice(error),
  });
  return new Problem(ERROR_OF[d1Failure(error)]);
}
