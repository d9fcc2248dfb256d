import { createHash, randomBytes } from "node:crypto";

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
  const browser = new Browser();
  let url = `${authorization_endpoint}?${query}`;
  for (;;) {
    const page = await browser.open(url);
    const next = page.headers.get("location") ?? (await answered(browser, url, await page.text(), person));
    url = new URL(next, url).href;
    if (url.startsWith(redirectUri)) break;
  }
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

/** Sends the form of a page: who signs in, or that she consents. @returns where that leads */
async function answered(browser: Browser, url: string, html: string, person: string): Promise<string> {
  const action = /action="([^"]+)"/.exec(html)?.[1];
  const prompt = /name="prompt" value="([^"]+)"/.exec(html)?.[1];
  if (!action || !prompt) throw new Error(`there is no form at ${url}: ${html.slice(0, 500)}`);
  const form = prompt === "login" ? { prompt, login: person, password: "any" } : { prompt };
  const response = await browser.open(new URL(action, url).href, form);
  const next = response.headers.get("location");
  if (next === null) throw new Error(`the form at ${url} leads nowhere: ${response.status}`);
  return new URL(next, url).href;
}
