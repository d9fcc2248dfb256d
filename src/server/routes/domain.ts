import { Hono } from "hono";
import type { ResponseBody } from "../../openapi/response-types.ts";
import { authorizationServers } from "../auth/authorization-servers.ts";
import { configOf } from "../config.ts";
import { read } from "../http/domain-objects.ts";
import { type AppEnv, domainName } from "../http/request-context.ts";
import { limitedReads } from "../middleware/rate-limit.ts";

/** A domain as anybody may read it. Never creates one. */
export const domain = new Hono<AppEnv>().get("/domains/:domain", limitedReads, async (c) => {
  const overview = await read(c, domainName(c), "overview");
  const { domain, authenticationRequired, authNamespace, deviceKeyRequired, keyVersion } = overview;
  return c.json({
    domain,
    authenticationRequired,
    authNamespace,
    authorizationServers: authorizationServers(configOf(c.env).trustedIssuers, overview),
    deviceKeyRequired,
    keyVersion,
  } satisfies ResponseBody<"domainResponse">);
});
