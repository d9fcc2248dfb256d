import type { Page } from "playwright-core";
import { expect, test as plainTest } from "vitest";
import { newProfile } from "./chromium.ts";
import { startSite } from "./site.ts";
import { type DeviceSettings, openDevice, openTab } from "./tabs.ts";
import { TestDomain } from "./test-domain.ts";

/** A test with a site and a browser, both shared by all, and with a domain of its own. */
export const test = plainTest
  // biome-ignore lint/correctness/noEmptyPattern: by the pattern vitest sees that it needs no other fixture
  .extend("site", { scope: "worker" }, async ({}, { onCleanup }) => {
    const site = await startSite();
    onCleanup(() => site.stop());
    return site;
  })
  // biome-ignore lint/correctness/noEmptyPattern: as above
  .extend("browser", { scope: "worker" }, async ({}, { onCleanup }) => {
    const profile = newProfile();
    const browser = await profile.start();
    onCleanup(async () => {
      await browser.close();
      profile.remove();
    });
    return browser;
  })
  .extend("domain", ({ site }) => new TestDomain(site))
  .extend("openDeviceTab", async ({ site, browser, domain }, { onCleanup }) => {
    const tabs: Page[] = [];
    const uncaught: Error[] = [];
    onCleanup(async () => {
      for (const tab of tabs) await tab.close();
      // Whatever goes wrong is thrown at whoever called, and nowhere else.
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
  });
