import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { testIssuer } from "../support/issuers.ts";
import { ORIGIN, rows } from "../support/worker/client.ts";
import { askWith, from, limitOf } from "../support/worker/environments.ts";
import { bearer } from "../support/worker/owners.ts";

const { d: _, ...studioKey } = env.TEST_ISSUER_KEYS.studio;
const { d: __, ...arcadeKey } = env.TEST_ISSUER_KEYS.arcade;
const AUDIENCE = "https://domains.example";
const households = {
  ...{ namespace: "home", issuer: testIssuer("studio"), audience: AUDIENCE, jwks: { keys: [studioKey] } },
  domains: { name: "{namespace}:{sub}" },
  signIn: { clientId: "devices-page" },
};
const games = {
  ...{ namespace: "games", issuer: testIssuer("arcade"), audience: AUDIENCE, jwks: { keys: [arcadeKey] } },
  signIn: { clientId: "games-page", scope: "openid devices" },
};
const trusting = (...issuers: object[]) => ({ TRUSTED_ISSUERS: JSON.stringify(issuers) });
const { signIn, ...withoutSignIn } = households;
const both = trusting(households, games);

/** The page at `/devices`, and its policy by directive. */
async function page(vars: object, headers = {}) {
  const response = await createApp().fetch(new Request(`${ORIGIN}/devices`, { headers }), { ...env, ...vars } as Env);
  const policy = (response.headers.get("content-security-policy") ?? "").split("; ").map((directive) => {
    const [name = "", ...sources] = directive.split(" ");
    return [name, sources.join(" ")] as const;
  });
  return { status: response.status, headers: response.headers, policy: new Map(policy), text: await response.text() };
}

describe("the issuers at which owners sign in", () => {
  it("are told to anybody: those that offer it, and no more of them than a browser needs", async () => {
    const { status, body, headers } = await askWith(trusting(withoutSignIn, games), "GET", "/sign-in");
    expect(status).toBe(200);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(body).toEqual({
      issuers: [
        { issuer: "https://arcade.example", clientId: "games-page", scope: "openid devices", audience: AUDIENCE },
      ],
    });
  });

  it("are none where none offers it", async () => {
    expect((await askWith(trusting(withoutSignIn), "GET", "/sign-in")).body).toEqual({ issuers: [] });
  });
});

describe("the owners' page", () => {
  it("runs its own files alone, and speaks to this server and the issuers alone", async () => {
    const { status, headers, policy, text } = await page(both);
    expect([status, headers.get("content-type")]).toEqual([200, "text/html; charset=UTF-8"]);
    expect(Object.fromEntries(policy)).toEqual({
      "default-src": "'none'",
      "script-src": "'self'",
      "worker-src": "'none'",
      "style-src": "'self'",
      "img-src": "data:",
      "connect-src": "'self' https://studio.example https://arcade.example",
      "base-uri": "'none'",
      "form-action": "'none'",
      "frame-ancestors": "'none'",
      "require-trusted-types-for": "'script'",
      "trusted-types": "'none'",
    });
    expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(text).toContain('<script type="module" src="/owner-page/owner-page.js"></script>');
    expect(text).not.toMatch(/<style|<script(?![^>]* src=)|\sstyle=|\son\w+=|(?:src|href)="(?:https?:)?\/\//i);
  });

  it("names an issuer with a port or a path by its origin", async () => {
    const issuer = "http://127.0.0.1:8080/realms/home";
    const { policy } = await page(trusting({ ...households, issuer }, { ...households, issuer, audience: "urn:tv" }));
    expect(policy.get("connect-src")).toBe("'self' http://127.0.0.1:8080");
  });

  it("says in words that there is no sign-in, where there is none, and runs no script", async () => {
    const { status, policy, text } = await page(trusting(withoutSignIn));
    expect(status).toBe(404);
    expect(text).toContain("This server offers no sign-in.");
    expect(text).not.toContain("<script");
    expect([policy.get("script-src"), policy.get("connect-src")]).toEqual(["'none'", "'self'"]);
  });

  it("has nothing of its address in it", async () => {
    const request = new Request(`${ORIGIN}/devices?domain=%3Cscript%3E&error_description=%3Cscript%3E`);
    const text = await (await createApp().fetch(request, { ...env, ...both } as Env)).text();
    expect(text).toBe((await page(both)).text);
  });
});

describe("the domain of a token's subject", () => {
  it("is told to who shows the token, whether it exists or not, and is not made by that", async () => {
    const { status, body } = await askWith(both, "GET", "/own-domain", undefined, await bearer("alice"));
    expect([status, body]).toEqual([200, { domain: "home:alice" }]);
    expect(await rows("home:alice")).toMatchObject({ members: [], keys: [] });
  });

  it("is none where subjects have no domains", async () => {
    const { status, body } = await askWith(both, "GET", "/own-domain", undefined, await bearer("alice", "arcade"));
    expect({ status, ...body }).toMatchObject({ status: 404, error: "NOT_FOUND" });
    expect(body.detail).toBe("The token's subject has no domain of its own.");
  });

  it("is told to nobody else", async () => {
    const strangers = [
      {},
      { authorization: "Bearer rubbish" },
      { authorization: `Bearer ${env.ADMIN_TOKEN}` },
      await bearer("alice", "studio", { expires: -120 }),
      await bearer("alice", "studio", { audience: "https://films.example" }),
      await bearer("alice", "studio", { claims: { cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } } }),
    ];
    for (const headers of strangers) {
      const { status, body } = await askWith(both, "GET", "/own-domain", undefined, headers);
      expect({ status, error: body.error }).toEqual({ status: 401, error: "DOM_AUTHENTICATION_REQUIRED" });
    }
  });

  it("says which claim makes no name", async () => {
    const { status, body } = await askWith(both, "GET", "/own-domain", undefined, await bearer("auth0|507f"));
    expect([status, body.detail]).toEqual([401, expect.stringContaining("The token's sub claim cannot be part of")]);
  });

  it("is asked for within the limits of owners", async () => {
    const limit = limitOf(1);
    const ask = (headers: Record<string, string>) =>
      askWith({ ...both, DOMAIN_LIMIT: limit }, "GET", "/own-domain", undefined, headers);
    const statuses = [];
    for (const sub of ["bob", "bob", "alice"]) statuses.push((await ask(await bearer(sub))).status);
    expect(statuses).toEqual([200, 429, 200]);
  });
});

describe("what owners sign in with", () => {
  it.each(["/devices", "/sign-in", "/own-domain"])("at %s is limited by address before anything else", async (path) => {
    const full = { ...both, ADDRESS_LIMIT: limitOf(0) };
    expect((await askWith(full, "GET", path, undefined, from("203.0.113.7"))).status).toBe(429);
  });

  it("is for pages of the configured origins as well, and the page for none", async () => {
    const vars = { ...both, CORS_ORIGINS: '["https://player.example"]' };
    const origin = { origin: "https://player.example" };
    const allowed = async (path: string) =>
      (await askWith(vars, "GET", path, undefined, { ...origin, ...(await bearer("alice")) })).headers.get(
        "access-control-allow-origin",
      );
    expect(await allowed("/sign-in")).toBe("https://player.example");
    expect(await allowed("/own-domain")).toBe("https://player.example");
    expect((await page(vars, origin)).headers.get("access-control-allow-origin")).toBeNull();
  });
});
