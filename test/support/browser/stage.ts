// biome-ignore-all lint/correctness/noEmptyPattern: by its pattern a fixture says which others it needs
import type { Page } from "playwright-core";
import { expect, test as plainTest } from "vitest";
import { newProfile } from "./chromium.ts";
import { ConsoleTab } from "./console-tab.ts";
import { startSite } from "./site.ts";
import { type DeviceSettings, openDevice, openTab } from "./tabs.ts";
import { TestDomain } from "./test-domain.ts";

/** A test with a site and a browser, both shared by all, and with a domain of its own. */
export const test = plainTest
  .extend("site", { scope: "worker" }, async ({}, { onCleanup }) => {
    const site = await startSite();
    onCleanup(() => site.stop());
    return site;
  })
  .extend("browser", { scope: "worker" }, ({}, { onCleanup }) => {
    const profile = newProfile();
    onCleanup(() => profile.remove());
    return profile.start();
  })
  .extend("profile", ({}, { onCleanup }) => {
    const profile = newProfile();
    onCleanup(() => profile.remove());
    return profile;
  })
  .extend("domain", ({ site }) => new TestDomain(site))
  .extend("openDeviceTab", async ({ site, browser, domain }, { onCleanup }) => {
    const tabs: Page[] = [];
    const uncaught: Error[] = [];
    onCleanup(async () => {
      for (const tab of tabs) await tab.close();
      // Every error is thrown at the caller, and nowhere else.
      expect(uncaught).toEqual([]);
    });
    /** A tab with the device that the browser keeps for the test's domain. */
    return async (settings: DeviceSettings = {}): Promise<Page> => {
      const tab = await openTab(browser, site);
      tabs.push(tab);
      tab.on("pageerror", (error) => uncaught.push(error));
      await openDevice(tab, domain, settings);
      return tab;
    };
  })
  .extend("openConsole", async ({ site, browser }, { onCleanup }) => {
    const tabs: ConsoleTab[] = [];
    onCleanup(async () => {
      for (const tab of tabs) await tab.page.close();
      expect(tabs.flatMap(({ complaints }) => complaints)).toEqual([]);
    });
    /** A tab with the console, at a place such as `#/domains`; signed in with the admin token, or with none. */
    return async (place: string, token: string | null = site.adminToken): Promise<ConsoleTab> => {
      const tab = new ConsoleTab(await browser.newPage(), site);
      tabs.push(tab);
      await tab.open(place, token);
      return tab;
    };
  });
