import axe from "axe-core";
import { describe, expect } from "vitest";
import { joinedDevice } from "../support/browser/console-devices.ts";
import { DOMAIN_VIEWS, tour } from "../support/browser/console-views.ts";
import { test } from "../support/browser/stage.ts";
import type { TestDomain } from "../support/browser/test-domain.ts";

const HOSTILE = `"><img src=x onerror="globalThis.hostile=1"><script>globalThis.hostile=1</script>`;

/** A domain that has something to show in every view. */
async function populate(domain: TestDomain, reason: string, settings: object = {}): Promise<void> {
  const devices = [await joinedDevice(domain), await joinedDevice(domain), await joinedDevice(domain)];
  await domain.ban(devices[0]?.machineGuid as string, reason);
  await devices[1]?.renew();
  await domain.configure(settings);
}

describe("every view of the console", () => {
  test.for(["light", "dark"] as const)(
    "has nothing that axe finds fault with, %s",
    async (colorScheme, { site, domain, openConsole }) => {
      await populate(domain, "It was sold.");
      const tab = await openConsole(`#/domains?prefix=${domain.name}`, null);
      await tab.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await tab.page.evaluate(axe.source);
      const found: string[] = [];
      await tour(tab, site.adminToken, domain.name, async (view) => {
        const { violations } = await tab.page.evaluate<axe.AxeResults>("axe.run()");
        for (const { id, nodes } of violations) for (const { html } of nodes) found.push(`${view}: ${id}: ${html}`);
      });
      expect(found).toEqual([]);
    },
  );

  test("fits a window of 400 pixels", async ({ site, domain, openConsole }) => {
    await populate(domain, "A-very-long-word-without-any-break-".repeat(10));
    const tab = await openConsole(`#/domains?prefix=${domain.name}`, null);
    await tab.page.setViewportSize({ width: 400, height: 700 });
    const tooWide: string[] = [];
    await tour(tab, site.adminToken, domain.name, async (view) => {
      const width = await tab.page.evaluate(() => document.documentElement.scrollWidth);
      if (width > 400) tooWide.push(`${view}: ${width}`);
    });
    expect(tooWide).toEqual([]);
  });

  test("breaks no policy of its own, and asks nothing of anybody else", async ({ site, domain, openConsole }) => {
    await populate(domain, "It was sold.");
    const tab = await openConsole(`#/domains?prefix=${domain.name}`, null);
    const seen: string[] = [];
    await tour(tab, site.adminToken, domain.name, async (view) => void seen.push(view));
    expect(seen).toEqual(expect.arrayContaining([...DOMAIN_VIEWS]));
    expect(tab.complaints).toEqual([]);

    // A breach would have been noticed.
    await tab.page.evaluate(() => {
      const style = document.createElement("style");
      style.textContent = "p { color: red }";
      document.head.append(style);
    });
    await expect.poll(() => tab.complaints).toEqual([expect.stringContaining("Content Security Policy")]);
    tab.complaints.length = 0;
  });
});

describe("text that is meant to be markup", () => {
  test("stays text in every view", async ({ site, domain, openConsole }) => {
    await populate(domain, HOSTILE, { authenticationRequired: true, authNamespace: HOSTILE });
    const tab = await openConsole(`#/domains?prefix=${domain.name}`, null);
    const markup = () =>
      tab.page.evaluate(() => [document.querySelectorAll("img, body script").length, "hostile" in globalThis]);
    await tour(tab, site.adminToken, domain.name, async () => expect(await markup()).toEqual([0, false]));
    await tab.view("Bans");
    await tab.items("Bans").getByText(HOSTILE).waitFor();
    await tab.view("Log");
    // As the reason and as the namespace.
    await tab.page.getByRole("list", { name: "Log" }).getByText(HOSTILE).nth(1).waitFor();
    await tab.view("Settings");
    expect(await tab.page.getByLabel("Auth namespace").inputValue()).toBe(HOSTILE);
  });

  test("stays text in the URL", async ({ openConsole }) => {
    const tab = await openConsole(`#/domains/${encodeURIComponent(HOSTILE)}`);
    await tab.isRefused("may hold only the characters");
    expect(await tab.page.getByRole("heading", { level: 1 }).textContent()).toBe(HOSTILE);
    expect(await tab.page.locator("img").count()).toBe(0);
  });
});

describe("what is served as files", () => {
  const policy = (scripts: string) => [
    "default-src 'none'",
    `script-src ${scripts}`,
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];

  test.for([
    ["/console", "'self'"],
    ["/console/console.js", "'none'"],
    ["/console/console.css", "'none'"],
  ] as const)("%s has strict headers", async ([path, scripts], { site }) => {
    const response = await fetch(site.url + path);
    expect(response.status).toBe(200);
    expect(await response.text()).not.toBe("");
    expect(response.headers.get("content-security-policy")?.split("; ")).toEqual(policy(scripts));
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("referrer-policy")).toBe("no-referrer");
    expect(response.headers.get("strict-transport-security")).toMatch(/^max-age=\d{8}/);
    expect(response.headers.get("cache-control")).toBe("no-cache");
  });

  test("has no script or style in the page itself", async ({ site }) => {
    const page = await (await fetch(`${site.url}/console`)).text();
    expect(page).not.toMatch(/<style|<script(?![^>]* src=)|\sstyle=|\son\w+=|javascript:/i);
    expect(page).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });

  test.for([
    ["GET", "/console/nothing"],
    ["GET", "/_headers"],
    ["GET", "/nothing"],
    ["POST", "/nothing"],
    ["PUT", "/console/nothing"],
  ] as const)("leaves %s %s to the Worker", async ([method, path], { site }) => {
    const response = await fetch(site.url + path, { method });
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toMatchObject({ error: "NOT_FOUND" });
  });
});
