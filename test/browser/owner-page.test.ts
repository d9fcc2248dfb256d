import { describe, expect } from "vitest";
import { AUDIENCE, test } from "../support/browser/owner-stage.ts";

describe("the owner of a domain", () => {
  test("signs in, and sees, renames and removes the devices", async ({ person, join, tab }) => {
    const domain = `home:${person}`;
    await join(person, domain, "TV", "Phone", "Tablet", null);
    await tab.open();
    await tab.signIn(person);
    await tab.hasItems("Devices", 4);
    await tab.shows(`${domain}: 4 of 5 devices`);
    await tab
      .items("Devices")
      .filter({ hasText: "TV" })
      .getByText(/^last renewed/)
      .waitFor();
    await tab
      .items("Devices")
      .filter({ hasText: /^Device [\w-]{6}/ })
      .waitFor();

    await tab.press("Rename TV");
    await tab.dialog.getByLabel("Name").fill("  Kitchen TV ");
    await tab.answer("Rename");
    await tab.hears("The device is called Kitchen TV now.");
    await tab.items("Devices").filter({ hasText: "Kitchen TV" }).waitFor();

    await tab.press("Remove Phone");
    await tab.answer("Remove");
    await tab.hears("Phone is removed.");
    await tab.hasItems("Devices", 3);
    await tab.shows("3 of 5 devices");

    await tab.press("Remove all others…");
    await tab.dialog.getByLabel("The one that stays").selectOption("Tablet");
    await tab.answer("Remove all others");
    await tab.hears("All others are removed.");
    await tab.hasItems("Devices", 1);
    await tab.items("Devices").filter({ hasText: "Tablet" }).waitFor();
    // One has no others.
    expect(await tab.page.getByRole("button", { name: "Remove all others…" }).count()).toBe(0);
  });

  test("signs out everywhere: no device stays, once that is chosen", async ({ person, join, tab }) => {
    await join(person, `home:${person}`, "TV", "Phone");
    await tab.open();
    await tab.signIn(person);
    await tab.press("Remove all others…");
    await tab.answer("Remove all others");
    // Nothing was chosen: the browser does not send that.
    expect(
      await tab.dialog.getByLabel("The one that stays").evaluate((it: HTMLSelectElement) => it.validity.valid),
    ).toBe(false);
    await tab.hasItems("Devices", 2);
    await tab.dialog.getByLabel("The one that stays").selectOption("None: remove all devices");
    await tab.answer("Remove all others");
    await tab.hears("All devices are removed.");
    await tab.shows("No device yet.");
  });

  test("is told what is wrong with a name", async ({ person, join, tab }) => {
    await join(person, `home:${person}`, "TV");
    await tab.open();
    await tab.signIn(person);
    await tab.press("Rename TV");
    await tab.dialog.getByLabel("Name").fill("\u202eTV\u0085");
    await tab.answer("Rename");
    await tab.isRefused("It must be 1 to 64 characters, one of them visible, and no control characters.");
    await tab.answer("Cancel");
    await tab.hasItems("Devices", 1);
  });

  test("sees no device while none has joined, and makes no domain by looking", async ({ household, person, tab }) => {
    await tab.open();
    await tab.signIn(person);
    await tab.shows(`home:${person}: 0 devices`);
    await tab.shows("No device yet.");
    expect((await fetch(`${household.server.url}/domains/home:${person}`)).status).toBe(404);
  });

  test("goes through many devices page by page", async ({ household: { server }, person, join, tab }) => {
    const domain = `home:${person}`;
    await join(person, domain, "first");
    const headers = { "content-type": "application/json", authorization: `Bearer ${server.adminToken}` };
    const url = `${server.url}/admin/domains/${domain}`;
    await fetch(url, { method: "PATCH", headers, body: JSON.stringify({ maxMembership: null }) });
    await join(person, domain, ...Array.from({ length: 51 }, (_, index) => `device ${index}`));
    await tab.open();
    await tab.signIn(person);
    await tab.hasItems("Devices", 50);
    await tab.press("More");
    await tab.hasItems("Devices", 52);
    await tab.shows(`${domain}: 52 devices`);
  });
});

describe("a domain in the address", () => {
  test("is kept across the sign-in, and is shown to whom an operator bound it", async ({
    household: { server },
    person,
    join,
    tab,
  }) => {
    const domain = `den-${person}`;
    const headers = { "content-type": "application/json", authorization: `Bearer ${server.adminToken}` };
    const settings = { authenticationRequired: true, authNamespace: "home", ownerSubject: person };
    await fetch(`${server.url}/admin/domains/${domain}`, { method: "PUT", headers, body: JSON.stringify(settings) });
    await join(person, domain, "TV");
    await tab.open(`?domain=${domain}`);
    await tab.signIn(person);
    await tab.hasItems("Devices", 1);
    await tab.shows(`${domain}: 1 device`);
    expect(tab.page.url()).toBe(`${server.url}/devices?domain=${domain}`);
  });

  test("that is another person's is refused, and shows nothing of it", async ({ person, join, tab }) => {
    const [hers, his] = [person, `other-${person}`];
    await join(hers, `home:${hers}`, "Her TV");
    await tab.open(`?domain=home:${hers}`);
    await tab.signIn(his);
    await tab.isRefused("You cannot manage these devices");
    expect(await tab.page.textContent("body")).not.toContain("Her TV");
    expect(await tab.page.getByRole("button", { name: /Remove|Rename/ }).count()).toBe(0);
    // The session is good for what is his.
    await tab.open();
    await tab.shows("No device yet.");
  });

  test("is needed where nobody has one of their own, and has to be somebody's", async ({
    household: { server, issuer },
    person,
    tab,
  }) => {
    await tab.open();
    await tab.plant(await issuer.token(person, AUDIENCE), null);
    await tab.page.route("**/own-domain", (route) =>
      route.fulfill({
        status: 404,
        contentType: "application/problem+json",
        json: { status: 404, error: "NOT_FOUND" },
      }),
    );
    await tab.page.reload();
    await tab.isRefused("Domain unknown");
    const domain = `ownerless-${person}`;
    const headers = { "content-type": "application/json", authorization: `Bearer ${server.adminToken}` };
    await fetch(`${server.url}/admin/domains/${domain}`, { method: "PUT", headers, body: "{}" });
    await tab.open(`?domain=${domain}`);
    await tab.isRefused("These devices have no owner");
  });

  test("that is malformed is refused in words, and stays text", async ({ household, person, tab }) => {
    await tab.open();
    await tab.plant(await household.issuer.token(person, AUDIENCE), null);
    await tab.open(`?domain=${encodeURIComponent('"><img src=x onerror=alert(1)>/..')}`);
    await tab.isRefused("may hold only the characters");
    expect(await tab.page.locator("img").count()).toBe(0);
  });
});

describe("the session", () => {
  test("is in the tab alone, outlives a reload, and is gone after a sign-out", async ({ person, household, tab }) => {
    await tab.open();
    await tab.signIn(person);
    await tab.shows("No device yet.");
    const [, token] = /\\"token\\":\\"([^"\\]+)/.exec(await tab.kept()) ?? [];
    expect(token).toMatch(/^eyJ/);
    await tab.page.reload();
    await tab.shows("No device yet.");

    await tab.press("Sign out");
    await tab.page.getByRole("heading", { name: "Sign in" }).waitFor();
    expect(await tab.kept()).toBe('[[],[],""]');
    await tab.page.reload();
    await tab.page.getByRole("heading", { name: "Sign in" }).waitFor();
    for (const url of await tab.history()) {
      // The code goes from the issuer to the page. It is not where the tab can go back to, nor is the token.
      if (url.startsWith(household.server.url)) expect(url).toBe(`${household.server.url}/devices`);
      expect(url).not.toContain(token);
    }
  });

  test("that has ended is closed, with the way to a new one", async ({ household, person, join, tab }) => {
    await join(person, `home:${person}`, "TV");
    await tab.open();
    await tab.plant(await household.issuer.token(person, AUDIENCE, -120), Date.now() - 120_000);
    await tab.isRefused("Your sign-in has ended");
    expect(await tab.kept()).toBe('[[],[],""]');
    await tab.signIn(person);
    await tab.hasItems("Devices", 1);
  });

  test("that ends while a question is open is closed as well", async ({ household, person, join, tab }) => {
    await join(person, `home:${person}`, "TV");
    await tab.open();
    await tab.plant(await household.issuer.token(person, AUDIENCE), Date.now());
    await tab.press("Remove TV");
    await tab.page.route("**/devices/*", (route) =>
      route.fulfill({
        status: 401,
        contentType: "application/problem+json",
        json: { status: 401, title: "The domain requires a valid auth token", error: "DOM_AUTHENTICATION_REQUIRED" },
      }),
    );
    await tab.answer("Remove");
    await tab.isRefused("Your sign-in has ended");
    expect(await tab.kept()).toBe('[[],[],""]');
  });

  test("is not that of a token for another service", async ({ household, person, tab }) => {
    await tab.open();
    await tab.plant(await household.issuer.token(person, "https://films.example"), null);
    await tab.isRefused("You cannot manage these devices");
  });
});

describe("a sign-in", () => {
  test("by the code flow with PKCE, for the audience of the server", async ({ household, person, tab }) => {
    const asked: URL[] = [];
    const exchanged: URLSearchParams[] = [];
    tab.page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.origin !== household.issuer.url) return;
      if (url.searchParams.has("response_type")) asked.push(url);
      if (request.method() === "POST" && url.pathname === "/token") {
        exchanged.push(new URLSearchParams(request.postData() ?? ""));
        expect(request.headers()).not.toHaveProperty("authorization");
      }
    });
    await tab.open();
    await tab.signIn(person);
    await tab.shows("No device yet.");
    const { code_challenge: challenge, state, ...request } = Object.fromEntries(asked[0]?.searchParams ?? []);
    expect(request).toEqual({
      response_type: "code",
      client_id: "devices-page",
      redirect_uri: `${household.server.url}/devices`,
      scope: "openid",
      code_challenge_method: "S256",
      resource: AUDIENCE,
      audience: AUDIENCE,
    });
    expect(state).toMatch(/^[\w-]{43}$/);
    const { code_verifier: verifier = "", code, ...exchange } = Object.fromEntries(exchanged[0] ?? []);
    expect(exchange).toEqual({
      grant_type: "authorization_code",
      client_id: "devices-page",
      redirect_uri: `${household.server.url}/devices`,
      resource: AUDIENCE,
    });
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    expect(Buffer.from(digest).toString("base64url")).toBe(challenge);
  });

  test("that is refused at the issuer says so, and may be begun anew", async ({ person, tab }) => {
    await tab.open();
    await tab.begin();
    await tab.cancel();
    await tab.isRefused("You are not signed in");
    await tab.isRefused("was cancelled, or is not allowed to you");
    expect(await tab.kept()).toBe('[[],[],""]');
    await tab.signIn(person);
    await tab.shows("No device yet.");
  });

  test("at an issuer that is down says so, and goes on once it is back", async ({ household, person, tab }) => {
    await tab.open();
    await household.issuer.stop();
    const button = `Sign in with ${new URL(household.issuer.url).host}`;
    await tab.press(button);
    await tab.isRefused("cannot be reached");
    expect(await tab.kept()).toBe('[[],[],""]');
    await household.issuer.start();
    await tab.signIn(person);
    await tab.shows("No device yet.");
  });

  test("whose issuer goes down halfway leaves nobody signed in", async ({ household, person, tab }) => {
    await tab.open();
    await tab.page.route(`${household.issuer.url}/token`, (route) => route.abort());
    await tab.signIn(person);
    await tab.isRefused("cannot be reached");
    expect(await tab.kept()).toBe('[[],[],""]');
    expect(tab.page.url()).toBe(`${household.server.url}/devices`);
  });

  test("that nobody began here is not completed", async ({ household, tab }) => {
    const asked: string[] = [];
    tab.page.on("request", (request) => asked.push(request.url()));
    await tab.open("?code=stolen&state=of-somebody-else");
    await tab.isRefused("This sign-in was not begun here");
    expect(tab.page.url()).toBe(`${household.server.url}/devices`);
    expect(asked.filter((url) => url.startsWith(household.issuer.url))).toEqual([]);
    expect(await tab.kept()).toBe('[[],[],""]');
  });

  test("is not completed with the answer to another one, nor later with its own", async ({ household, tab }) => {
    await tab.open();
    await tab.begin();
    const { searchParams } = new URL(tab.page.url());
    expect(searchParams.get("state")).toBeNull();
    await tab.open("?code=of-an-attacker&state=another");
    await tab.isRefused("failed");
    expect(await tab.kept()).toBe('[[],[],""]');
    await tab.page.goBack();
    expect(new URL(tab.page.url()).origin).toBe(household.issuer.url);
    await tab.cancel();
    await tab.isRefused("This sign-in was not begun here");
  });

  test("is not completed with the answer of another issuer", async ({ household, tab }) => {
    await tab.open();
    let state: string | null = null;
    tab.page.on("request", (request) => {
      state ??= new URL(request.url()).searchParams.get("state");
    });
    await tab.begin();
    const iss = encodeURIComponent("https://evil.example");
    await tab.open(`?code=of-an-attacker&state=${state}&iss=${iss}`);
    await tab.isRefused("failed");
    expect(await tab.kept()).toBe('[[],[],""]');
    expect(tab.page.url()).toBe(`${household.server.url}/devices`);
  });
});
