import { Hono } from "hono";
import { isLoopback } from "../../protocol/loopback.ts";
import { signInIssuers } from "../auth/owner-sign-in.ts";
import { configOf } from "../config.ts";
import type { AppEnv } from "../http/request-context.ts";

/** The page at the server's address: links to everything else. @param hasOwners whether owners sign in here */
const page = (hasOwners: boolean) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Device domains</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/console/console.css">
</head>
<body>
<main>
<section class="sign-in card">
<h1>Device domains</h1>
<p class="lead">A licence that belongs to a group of devices.</p>
<ul>${hasOwners ? '\n<li><a href="/devices">Your devices</a></li>' : ""}
<li><a href="/docs">The API</a>, and its <a href="/openapi.json">description</a></li>
<li><a href="/console">The operators’ console</a></li>
<li><a href="/health">Server health</a></li>
</ul>
</section>
</main>
</body>
</html>
`;

const POLICY =
  "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The first page. Of a local server it is the console. */
export const home = new Hono<AppEnv>().get("/", (c) => {
  if (isLoopback(new URL(c.req.url).hostname)) return c.redirect("/console");
  const hasOwners = signInIssuers(configOf(c.env).trustedIssuers).length > 0;
  return c.html(page(hasOwners), 200, { "content-security-policy": POLICY });
});
