import type { SignInIssuer } from "../auth/owner-sign-in.ts";

/** The files that `scripts/assets.ts` builds of `src/owner-page`. */
const STYLESHEET = "/owner-page/owner-page.css";
const SCRIPT = "/owner-page/owner-page.js";

const NO_SIGN_IN = `<main>
<section class="sign-in card">
<h1>Your devices</h1>
<p>This server offers no sign-in. Ask the service that you subscribe to how you manage your devices.</p>
</section>
</main>`;

/** The owners' page. Without sign-in it is a sentence, and runs no script. */
export function ownerPage(offersSignIn: boolean): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Your devices</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${STYLESHEET}">${offersSignIn ? `\n<script type="module" src="${SCRIPT}"></script>` : ""}
</head>
<body>
${offersSignIn ? "<noscript>This page needs JavaScript.</noscript>" : NO_SIGN_IN}
</body>
</html>
`;
}

/**
 * The headers of the page. It may run its own files, and speak to this server and to the issuers. It has a window of its
 * own, so that it reaches no other page of this origin, such as the operators' console.
 *
 * @see Content Security Policy Level 3; HTML Standard, "Cross-origin opener policies"
 */
export function ownerPageHeaders(issuers: readonly SignInIssuer[]): Record<string, string> {
  const origins = new Set(issuers.map(({ issuer }) => new URL(issuer).origin));
  return {
    "content-security-policy": [
      "default-src 'none'",
      `script-src ${issuers.length === 0 ? "'none'" : "'self'"}`,
      "worker-src 'none'",
      "style-src 'self'",
      "img-src data:",
      ["connect-src 'self'", ...origins].join(" "),
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      // No text becomes markup or script.
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ].join("; "),
    "cross-origin-opener-policy": "same-origin",
  };
}
