import { Hono } from "hono";
import type { ResponseBody } from "../../../openapi/response-types.ts";
import { namespacesOf } from "../../auth/trusted-issuers.ts";
import { configOf } from "../../config.ts";
import type { AppEnv } from "../../http/request-context.ts";

/** The caller's identity and scopes, and the auth namespaces of the trusted issuers. Pages show by it what their user may do. */
export const adminOperatorIdentity = new Hono<AppEnv>().get("/admin/operator", (c) => {
  const authNamespaces = configOf(c.env).trustedIssuers.flatMap(namespacesOf);
  const answer = { ...c.get("operator"), authNamespaces: [...new Set(authNamespaces)] };
  return c.json(answer satisfies ResponseBody<"operatorResponse">);
});
