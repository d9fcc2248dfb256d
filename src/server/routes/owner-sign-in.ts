import { Hono } from "hono";
import type { ResponseBody } from "../../openapi/response-types.ts";
import { signInIssuers } from "../auth/owner-sign-in.ts";
import { configOf } from "../config.ts";
import { ownerPage, ownerPageHeaders } from "../http/owner-page.ts";
import { ownersToken } from "../http/owner-tokens.ts";
import { Problem } from "../http/problems.ts";
import type { AppEnv } from "../http/request-context.ts";
import { limitedByAddress } from "../middleware/rate-limit.ts";

/** Where the owners' page is, and the redirect URI of its sign-in. */
const OWNER_PAGE = "/devices";

/** How owners sign in: their page, the issuers it may send them to, and the domain that a token stands for. */
export const ownerSignIn = new Hono<AppEnv>()
  .get(OWNER_PAGE, limitedByAddress, (c) => {
    const issuers = signInIssuers(configOf(c.env).trustedIssuers);
    const offersSignIn = issuers.length > 0;
    return c.html(ownerPage(offersSignIn), offersSignIn ? 200 : 404, ownerPageHeaders(issuers));
  })
  .get("/sign-in", limitedByAddress, (c) => {
    const issuers = signInIssuers(configOf(c.env).trustedIssuers);
    return c.json({ issuers } satisfies ResponseBody<"signInResponse">);
  })
  .get("/own-domain", limitedByAddress, async (c) => {
    const auth = await ownersToken(c);
    if (auth.kind !== "verified" || !auth.ownDomain) {
      throw new Problem("NOT_FOUND", { detail: "The token's subject has no domain of its own." });
    }
    return c.json({ domain: auth.ownDomain.name } satisfies ResponseBody<"ownDomainResponse">);
  });
