import { Hono } from "hono";
import { etag } from "hono/etag";
import { type AppEnv, domainName } from "../http/context.ts";
import { read } from "../http/domain-objects.ts";
import { limited } from "../middleware/rate-limit.ts";

/** A domain as anybody may read it. None of it creates one. */
export const domain = new Hono<AppEnv>()
  .get("/domains/:domain", limited, async (c) => {
    const overview = await read(c, domainName(c), "overview");
    const { domain, authenticationRequired, authNamespace, deviceKeyRequired, keyVersion } = overview;
    return c.json({ domain, authenticationRequired, authNamespace, deviceKeyRequired, keyVersion });
  })
  .get("/domains/:domain/keys", limited, etag(), async (c) => {
    const { currentKeyVersion, publicJwks } = await read(c, domainName(c), "publicKeys");
    // May be kept, but not used without asking: a leave must show at once.
    c.header("cache-control", "no-cache");
    return c.json({ keys: publicJwks.map((jwk) => JSON.parse(jwk)), currentKeyVersion });
  });
