import { Hono } from "hono";
import type { AppEnv } from "../../http/request-context.ts";

/** Who asks, and the scopes of their credential: for pages that show what its holder may do. */
export const adminOperatorIdentity = new Hono<AppEnv>().get("/admin/operator", (c) => c.json(c.get("operator")));
