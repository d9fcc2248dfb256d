import type { BrowserContext, Page } from "playwright-core";
import type { Site } from "./site.ts";
import type { TestDomain } from "./test-domain.ts";

/** The options with which a tab opens its device, besides the browser's store. */
export type DeviceSettings = { machineGuid?: string; retries?: number };

/** A tab with the page in it, and no device yet. */
export async function openTab(browser: BrowserContext, site: Site): Promise<Page> {
  const tab = await browser.newPage();
  await tab.goto(site.url);
  return tab;
}

/** Opens the device that the browser keeps for a domain: `device`, in the tab. */
export async function openDevice(tab: Page, domain: TestDomain, settings: DeviceSettings = {}): Promise<void> {
  await tab.evaluate(
    async ([url, more]) => {
      globalThis.device = await library.DeviceDomain.open(url, { store: new library.IndexedDbStore(), ...more });
    },
    [domain.url, settings] as const,
  );
}

/** The state of the tab's device. */
export function standing(tab: Page) {
  return tab.evaluate(() => ({ guid: device.machineGuid, status: device.status, version: device.currentKeyVersion }));
}

/** The text that the tab's device reads in a secret. */
export function decrypted(tab: Page, secret: string): Promise<string> {
  return tab.evaluate(async (jwe) => new TextDecoder().decode(await device.decrypt(jwe)), secret);
}

/** Aborts the tab's call, and tells whether it is thrown the reason for that, the very object. */
export function abortedWithReason(tab: Page): Promise<boolean> {
  return tab.evaluate(async () => {
    const reason = new Error("the user has closed the player");
    controller.abort(reason);
    return (await call.catch((thrown) => thrown)) === reason;
  });
}
