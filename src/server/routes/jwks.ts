import { Hono } from "hono";
import { etag } from "hono/etag";
import { configOf } from "../config.ts";
import type { AppEnv } from "../http/context.ts";

/** The public keys of the domain authority. */
export const jwks = new Hono<AppEnv>().get("/.well-known/jwks.json", etag(), (c) => {
  // May be kept, but not used without asking: a new key signs from the moment it is there.
  c.header("cache-control", "no-cache");
  const keys = configOf(c.env).domainAuthorityKeys.map(({ kty, crv, x, y, kid }) => {
    return { kty, crv, x, y, kid, use: "sig", alg: "ES256" };
  });
  return c.json({ keys });
});
