import { createHash, randomBytes } from "node:crypto";

/** More pages than any sign-in has. */
const MAX_PAGES = 30;

/** Keeps cookies as a browser does, as far as a sign-in needs it. */
class Browser {
  readonly #cookies = new Map<string, string>();

  async open(url: string, form?: Record<string, string>): Promise<Response> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, {
      method: form ? "POST" : "GET",
      headers: { cookie },
      body: form ? new URLSearchParams(form) : null,
      redirect: "manual",
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      this.#cookies.set(name, value);
    }
    return response;
  }
}

/**
 * Signs a person in at an OpenID provider as a public client does: by the authorization code flow with PKCE. The
 * provider has the development pages of `oidc-provider`, where any name is let in.
 *
 * @returns an access token for the resource
 * @see RFC 7636, Proof Key for Code Exchange; RFC 8707, Resource Indicators
 */
export async function signIn(
  issuer: string,
  { clientId, redirectUri, resource }: Readonly<{ clientId: string; redirectUri: string; resource: string }>,
  person: string,
): Promise<string> {
  const discovered = await fetch(`${issuer}/.well-known/openid-configuration`);
  const { authorization_endpoint, token_endpoint } = (await discovered.json()) as Record<string, string>;
  const verifier = randomBytes(32).toString("base64url");
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  const query = new URLSearchParams({
    ...{ client_id: clientId, redirect_uri: redirectUri, resource, response_type: "code", scope: "openid" },
    ...{ code_challenge: challenge, code_challenge_method: "S256" },
  });
  const url = await throughPages(`${authorization_endpoint}?${query}`, person, redirectUri);
  const code = new URL(url).searchParams.get("code");
  if (code === null) throw new Error(`the provider sent back ${url}`);
  const response = await fetch(token_endpoint as string, {
    method: "POST",
    body: new URLSearchParams({
      ...{ grant_type: "authorization_code", client_id: clientId, redirect_uri: redirectUri },
      ...{ code, code_verifier: verifier, resource },
    }),
  });
  const { access_token } = (await response.json()) as { access_token?: string };
  if (!access_token) throw new Error(`the provider gave no token: ${response.status}`);
  return access_token;
}

/**
 * Has a person let a device in whose code she was shown.
 *
 * @param address the `verification_uri_complete` that the device has
 * @see RFC 8628, OAuth 2.0 Device Authorization Grant, section 3.3
 */
export async function confirmDevice(address: string, person: string): Promise<void> {
  await throughPages(address, person);
}

/**
 * Follows redirects and sends the form of each page: who signs in, and that she consents.
 *
 * @returns the address it ends at: one that begins with `end`, or that of a page without a form
 */
async function throughPages(start: string, person: string, end?: string): Promise<string> {
  const browser = new Browser();
  let url = start;
  let response = await browser.open(url);
  for (let page = 0; page < MAX_PAGES; page++) {
    const location = response.headers.get("location");
    const form = location === null ? formOf(await response.text(), person) : null;
    if (location === null && !form) return ended(url, response, end);
    url = new URL(form?.action ?? location ?? "", url).href;
    if (end !== undefined && url.startsWith(end)) return url;
    response = await browser.open(url, form?.fields);
  }
  throw new Error(`the pages from ${start} come to no end`);
}

function ended(url: string, { status, ok }: Response, end: string | undefined): string {
  if (!ok || end !== undefined) throw new Error(`the pages end at ${url} with ${status}`);
  return url;
}

/** The form of a page as a person fills it in; null if there is none. */
function formOf(html: string, person: string): { action: string; fields: Record<string, string> } | null {
  const action = /<form[^>]* action="([^"]+)"/.exec(html)?.[1];
  if (!action) return null;
  const hidden = [...html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)];
  const fields = Object.fromEntries(hidden.map(([, name = "", value = ""]) => [name, value]));
  return { action, fields: html.includes('name="login"') ? { ...fields, login: person, password: "any" } : fields };
}
