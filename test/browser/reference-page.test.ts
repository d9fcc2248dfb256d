import axe from "axe-core";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newProfile } from "../support/browser/chromium.ts";
import { startServer, type TestServer } from "../support/node/server.ts";

const profile = newProfile();
let server: TestServer;
let browser: BrowserContext;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), profile.start()]);
}, 120_000);

afterAll(() => Promise.all([server?.stop(), profile.remove()]));

describe("the page of the API's description", () => {
  it("shows operations, asks nobody but its own server, and breaks no rule of its policy", async () => {
    const { page, complaints, requests } = await open("/docs");
    await page.getByRole("navigation").getByRole("link", { name: "Join a domain, or renew" }).click();
    const registration = page.locator("#register");
    await registration.getByRole("heading", { name: "Join a domain, or renew" }).waitFor();
    await registration.getByText("/domains/{domain}/register").first().waitFor();
    await registration.getByText("afterKeyVersion").first().waitFor();
    await registration.getByText("The device was a member already").click();
    await registration.getByRole("link", { name: "SealedRegistrationResponse" }).first().click();
    await page.getByRole("heading", { name: "SealedRegistrationResponse" }).waitFor();
    await page.goto(`${server.url}/docs#banDevice`);
    await page.getByRole("heading", { name: "Keep a device out of a domain" }).waitFor();
    await page.getByText("Why, for operators to read.").first().waitFor();
    expect(complaints).toEqual([]);
    expect(requests.filter((url) => new URL(url).origin !== server.url)).toEqual([]);
  });

  it("describes every operation and every schema, and no link within it leads nowhere", async () => {
    const { page } = await open("/docs");
    const { paths, components } = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { operationId: string }>>;
      components: { schemas: object };
    };
    const operations = Object.values(paths).flatMap((each) =>
      Object.values(each).map(({ operationId }) => operationId),
    );
    const ids = await page.locator("[id]").evaluateAll((elements) => elements.map(({ id }) => id));
    const links = await page.locator("a[href^='#']").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
    expect(ids).toEqual(expect.arrayContaining(operations));
    expect(ids).toEqual(expect.arrayContaining(Object.keys(components.schemas).map((name) => `schema-${name}`)));
    expect(links.length).toBeGreaterThan(operations.length);
    expect(links.filter((link) => !ids.includes(link?.slice(1) ?? ""))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("is within the reach of the tab's admin token, and so runs no script, not even the server's own", async () => {
    const { page, requests } = await open("/console");
    await page.getByLabel("Operator token").fill(server.adminToken);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    const kept = () => page.evaluate(() => JSON.stringify(Object.entries(sessionStorage)));
    expect(await kept()).toContain(server.adminToken);

    requests.length = 0;
    await page.goto(`${server.url}/docs`);
    // What would run here could read this.
    expect(await kept()).toContain(server.adminToken);
    expect(await page.locator("script").count()).toBe(0);
    expect(requests.filter((url) => new URL(url).pathname.endsWith(".js"))).toEqual([]);
    const outcome = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const script = document.createElement("script");
          script.onload = () => resolve("ran");
          script.onerror = () => resolve("blocked");
          script.src = "/console/console.js";
          document.head.append(script);
        }),
    );
    expect(outcome).toBe("blocked");
  });

  it.each(["light", "dark"] as const)("can be read by all, %s, and in a window of 400 pixels", async (colorScheme) => {
    const { page } = await open("/docs");
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate<axe.AxeResults>("axe.run()");
    expect(violations.map(({ id }) => id)).toEqual([]);
    await page.setViewportSize({ width: 400, height: 800 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(400);
  });

  it.each(["/docs", "/openapi.json", "/problems/", "/problems/dereg-denied"])(
    "%s is served under a policy that lets no script run",
    async (path) => {
      const policy = (await fetch(server.url + path)).headers.get("content-security-policy")?.split("; ");
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'none'");
      expect(policy?.join()).not.toContain("unsafe");
    },
  );
});

describe("the pages of problems", () => {
  it("lead from the list to each and back", async () => {
    const { page, complaints } = await open("/problems/");
    await page.getByRole("link", { name: "DEREG_DENIED" }).click();
    await page.getByRole("heading", { name: "The device is not a member of the domain" }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/problems/dereg-denied");
    await page.getByRole("link", { name: "All problems" }).click();
    await page.getByRole("heading", { name: "Problems" }).waitFor();
    expect(complaints).toEqual([]);
  });
});

/** A page with all it complains of, and every address it asks for but those within it. */
async function open(path: string): Promise<{ page: Page; complaints: string[]; requests: string[] }> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith("data:")) requests.push(request.url());
  });
  await page.goto(`${server.url}${path}`);
  return { page, complaints, requests };
}
