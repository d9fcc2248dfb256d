import { type Context, Hono } from "hono";
import { currentKeyVersion } from "../../src/domain/rollover.ts";
import { authorizationServers } from "../../src/server/auth/authorization-servers.ts";
import { configOf } from "../../src/server/config.ts";
import { Problem } from "../../src/server/http/problems.ts";
import { type AppEnv, domainName } from "../../src/server/http/request-context.ts";
import { Tables } from "./tables.ts";

/** A domain as anybody may read it. */
export const reads = new Hono<AppEnv>()
  .get("/domains/:domain", async (c) => {
    const settings = await settingsOf(c);
    const { domain, authenticationRequired, authNamespace, deviceKeyRequired, keyVersion } = settings;
    const servers = authorizationServers(configOf(c.env).trustedIssuers, settings);
    return c.json({
      domain,
      authenticationRequired,
      authNamespace,
      authorizationServers: servers,
      deviceKeyRequired,
      keyVersion,
    });
  })
  .get("/domains/:domain/keys", async (c) => {
    const { publicJwks, keyRolloverRequired, keyVersion } = await domainOf(c);
    c.header("cache-control", "no-cache");
    return c.json({
      keys: publicJwks.map((jwk) => JSON.parse(jwk)),
      currentKeyVersion: currentKeyVersion({ keyRolloverRequired, keyVersion, rolloverNotBefore: 0 }, Date.now()),
    });
  });

/** The settings and counters of the domain of a request. @throws Problem `DOMAIN_NOT_FOUND` */
export async function settingsOf(c: Context<AppEnv>) {
  const { publicJwks, ...settings } = await domainOf(c);
  return settings;
}

async function domainOf(c: Context<AppEnv>) {
  const domain = domainName(c);
  const tables = new Tables(c.env.DB, domain);
  const info = await tables.info();
  if (!info) throw new Problem("DOMAIN_NOT_FOUND");
  const keys = await tables.keys();
  return { domain, ...info, keyVersion: keys.length, publicJwks: keys.map(({ publicJwk }) => publicJwk) };
}
