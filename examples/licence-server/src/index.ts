import { DeviceDomainError, encryptToDomain, isRetryable, verifyDomainToken } from "device-domain-server/licence";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { contentKeysOf } from "./content-keys.ts";
import { entitlement } from "./entitlements.ts";

type Env = { Bindings: { DOMAIN_SERVER_URL: string } };

const app = new Hono<Env>();

// Requests carry no cookies, and licences open on the domain's devices alone: any page may ask.
app.use(cors({ origin: "*", exposeHeaders: ["retry-after"] }));

/**
 * A device asks for a licence, and shows its domain token. The token says which domain; it is no secret of one device.
 * That is enough: the licence is encrypted to the domain's current key, which a device that left does not get.
 */
app.post("/licences/:content", async (c) => {
  const authority = c.env.DOMAIN_SERVER_URL;
  const token = /^Bearer (\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? "";
  const { sub: domain } = await verifyDomainToken(token, { authority });

  const content = c.req.param("content");
  const tracks = entitlement(domain, content);
  if (tracks.length === 0) return c.json({ error: "NOT_ENTITLED" }, 403);

  const keys = contentKeysOf(content).filter(({ intendedTrackType }) => tracks.includes(intendedTrackType));
  const licence = JSON.stringify({
    content,
    keys: keys.map(({ kid, value, intendedTrackType }) => ({ kid, k: base64url(value), intendedTrackType })),
  });
  const jwe = await encryptToDomain(`${authority}/domains/${domain}`, licence, { authority });
  return c.body(jwe, 200, { "content-type": "application/jose", "cache-control": "no-store" });
});

app.onError((error, c) => {
  // The server of the domains cannot be asked at the moment.
  if (isRetryable(error)) return c.json({ error: "TRY_AGAIN" }, 503, { "retry-after": "5" });
  if (error instanceof DeviceDomainError && TOKEN_ERRORS.includes(error.error)) {
    return c.json({ error: error.error }, 401, { "www-authenticate": "Bearer" });
  }
  console.error(error);
  return c.json({ error: "FAILED" }, 500);
});

const TOKEN_ERRORS: readonly string[] = ["DOMAIN_TOKEN_EXPIRED", "UNKNOWN_AUTHORITY", "INVALID_DOMAIN_TOKEN"];

function base64url(bytes: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export default app;
