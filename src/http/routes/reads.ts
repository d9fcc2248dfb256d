import { Hono } from "hono";
import { etag } from "hono/etag";
import { configOf } from "../../config.ts";
import { checkDatabase, readDomain, readPublicKeys } from "../../storage/domain-reader.ts";
import { type AppEnv, domainName } from "../context.ts";
import { Problem } from "../problems.ts";

/** What anyone may read. None of it creates a domain. */
export const reads = new Hono<AppEnv>()
  .get("/domains/:domain", async (c) => {
    const overview = await readDomain(c.env.DB, domainName(c));
    if (!overview) throw new Problem("DOMAIN_NOT_FOUND");
    const { domain, authenticationRequired, authNamespace, deviceKeyRequired, keyVersion } = overview;
    return c.json({ domain, authenticationRequired, authNamespace, deviceKeyRequired, keyVersion });
  })
  .get("/domains/:domain/keys", etag(), async (c) => {
    const keys = await readPublicKeys(c.env.DB, domainName(c));
    if (!keys) throw new Problem("DOMAIN_NOT_FOUND");
    // May be kept, but not used without asking: a leave must show at once.
    c.header("cache-control", "no-cache");
    const { currentKeyVersion, publicJwks } = keys;
    return c.json({ keys: publicJwks.map((jwk) => JSON.parse(jwk)), currentKeyVersion });
  })
  .get("/.well-known/jwks.json", etag(), (c) => {
    // May be kept, but not used without asking: a new key signs from the moment it is there.
    c.header("cache-control", "no-cache");
    const keys = configOf(c.env).domainAuthorityKeys.map(({ kty, crv, x, y, kid }) => ({
      kty,
      crv,
      x,
      y,
      kid,
      use: "sig",
      alg: "ES256",
    }));
    return c.json({ keys });
  })
  .get("/health", async (c) => {
    configOf(c.env);
    await checkDatabase(c.env.DB);
    return c.json({ status: "ok" });
  });
