import { Hono } from "hono";
import type { JWK } from "jose";
import type { ResponseBody } from "../../openapi/response-types.ts";
import { AUTHORITY_ROTATION_TYPE } from "../../protocol/token-types.ts";
import { type Config, configOf, type Keys } from "../config.ts";
import { signStatement } from "../crypto/signed-statements.ts";
import { type AppEnv, serverUrl } from "../http/request-context.ts";
import { entityTags } from "../middleware/cross-origin.ts";

/**
 * The public keys of the domain authority, and `rotations`: each former key's statement that the present one is its
 * successor, for devices that trust a former key alone.
 */
export const jwks = new Hono<AppEnv>().get("/.well-known/jwks.json", entityTags, async (c) => {
  // May be kept, but not used without asking: a new key signs from the moment it is there.
  c.header("cache-control", "no-cache");
  const config = configOf(c.env);
  const keys = config.domainAuthorityKeys.map(publicKey);
  const rotations = await rotationsOf(config, serverUrl(c));
  const answer = rotations.length === 0 ? { keys } : { keys, rotations };
  return c.json(answer satisfies ResponseBody<"authorityKeySetResponse">);
});

type AuthorityKey = ResponseBody<"authorityKeySetResponse">["keys"][number];

/** The public half; the configuration takes P-256 keys with a `kid` and no others. */
function publicKey({ x, y, kid }: JWK): AuthorityKey {
  return { kty: "EC", crv: "P-256", x, y, kid, use: "sig", alg: "ES256" } as AuthorityKey;
}

/** A statement holds for so long, and is signed again once a day: until then the entity tag stays. */
const LIFETIME_SECONDS = 30 * 24 * 60 * 60;
const REUSE_MILLISECONDS = 24 * 60 * 60 * 1000;

const signed = new WeakMap<Config, Readonly<{ at: number; issuer: string; rotations: readonly string[] }>>();

async function rotationsOf(config: Config, issuer: string): Promise<readonly string[]> {
  const known = signed.get(config);
  const now = Date.now();
  if (known?.issuer === issuer && Math.abs(now - known.at) < REUSE_MILLISECONDS) return known.rotations;
  const [present, ...former] = config.domainAuthorityKeys as Keys;
  const claims = { cnf: { jwk: publicKey(present) } };
  const about = { issuer, issuedAt: now, lifetimeSeconds: LIFETIME_SECONDS };
  const rotations = await Promise.all(former.map((key) => signStatement(AUTHORITY_ROTATION_TYPE, claims, about, key)));
  signed.set(config, { at: now, issuer, rotations });
  return rotations;
}
