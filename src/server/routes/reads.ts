import { Hono } from "hono";
import { etag } from "hono/etag";
import type { JWK } from "jose";
import { type Config, configOf } from "../config.ts";
import { signLogHead } from "../crypto/log-statements.ts";
import { openText, sealText } from "../crypto/sealed-texts.ts";
import { d1Advice, d1Failure } from "../database/d1-errors.ts";
import { checkDatabase, readDomain, readPublicKeys } from "../database/domain-reader.ts";
import { type AppEnv, domainName } from "../http/context.ts";
import { Problem } from "../http/problems.ts";
import { errorFields, log } from "../log.ts";
import { checkKeyEncryption } from "../middleware/key-encryption.ts";
import { limited } from "../middleware/rate-limit.ts";

/** What anyone may read. None of it creates a domain. */
export const reads = new Hono<AppEnv>()
  .get("/domains/:domain", limited, async (c) => {
    const overview = await readDomain(c.env.DB, domainName(c));
    if (!overview) throw new Problem("DOMAIN_NOT_FOUND");
    const { domain, authenticationRequired, authNamespace, deviceKeyRequired, keyVersion } = overview;
    return c.json({ domain, authenticationRequired, authNamespace, deviceKeyRequired, keyVersion });
  })
  .get("/domains/:domain/keys", limited, etag(), async (c) => {
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
    const config = configOf(c.env);
    const database = await databaseHealth(c.env.DB);
    const secrets = await secretsHealth(config, database === "ok" ? c.env.DB : null);
    const well = database === "ok" && secrets === "ok";
    return c.json({ status: well ? "ok" : "failing", database, secrets }, well ? 200 : 503);
  });

/** Whether the database answers and has its tables. */
async function databaseHealth(database: D1Database): Promise<"ok" | "unmigrated" | "failing"> {
  try {
    await checkDatabase(database);
    return "ok";
  } catch (error) {
    log("error", "the database is not well", { ...errorFields(error), ...d1Advice(error) });
    return d1Failure(error) === "unmigrated" ? "unmigrated" : "failing";
  }
}

/** Whether the keys among the secrets do what they are for, and none is missing that the database needs. */
async function secretsHealth(config: Config, database: D1Database | null): Promise<"ok" | "failing"> {
  const { keyEncryptionKeys, domainAuthorityKeys } = config;
  try {
    const [authorityKey] = domainAuthorityKeys as readonly [JWK, ...JWK[]];
    await Promise.all([
      ...keyEncryptionKeys.map(async (key) => openText(await sealText("", "health", [key]), "health", [key])),
      database && checkKeyEncryption(database, config),
      signLogHead({ domain: "health", revision: 0, hash: null }, "health", 0, authorityKey),
    ]);
    return "ok";
  } catch (error) {
    log("error", "the secrets are not well", errorFields(error));
    return "failing";
  }
}
