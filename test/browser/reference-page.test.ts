import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";
import { newProfile } from "./chromium.ts";

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
    await page.getByText("/domains/{domain}/register").first().click();
    await page.getByRole("heading", { name: "Join a domain, or renew" }).waitFor();
    await page.getByText("afterKeyVersion").first().waitFor();
    await page.goto(`${server.url}/docs#/members/banDevice`);
    await page.getByRole("heading", { name: "Keep a device out of a domain" }).waitFor();
    await page.getByText("Why, for operators to read.").first().waitFor();
    await page.waitForLoadState("networkidle");
    expect(complaints).toEqual([]);
    expect(requests.length).toBeGreaterThan(3);
    expect(requests.filter((url) => new URL(url).origin !== server.url)).toEqual([]);
  });

  it("is served under a policy without inline scripts, and no inline styles but empty ones", async () => {
    const policy = (await fetch(`${server.url}/docs`)).headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toContain("unsafe");
    // The one hash is that of nothing: of style elements that are empty.
    const nothing = await crypto.subtle.digest("SHA-256", new Uint8Array());
    const hash = `'sha256-${Buffer.from(nothing).toString("base64")}'`;
    expect(policy?.match(/'sha256-[^']*'/g)).toEqual([hash]);
  });
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
