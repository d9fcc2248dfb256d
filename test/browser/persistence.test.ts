import { decodeJwt } from "jose";
import type { BrowserContext } from "playwright-core";
import { describe, expect } from "vitest";
import { crash } from "../support/browser/chromium.ts";
import { test } from "../support/browser/stage.ts";
import { storeContents } from "../support/browser/stored-keys.ts";
import { decrypted, openDevice, openTab, standing } from "../support/browser/tabs.ts";

describe("a device in IndexedDB", () => {
  test("is the same after a reload, and opens secrets without the server", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    await tab.evaluate(() => device.join());
    const before = await standing(tab);
    const secret = await domain.encrypt("a film");
    const { revision } = await domain.overview();

    await tab.reload();
    await openDevice(tab, domain);
    expect(await standing(tab)).toEqual(before);
    expect(await decrypted(tab, secret)).toBe("a film");
    expect(await domain.overview()).toMatchObject({ revision });
    expect(await tab.evaluate(() => device.renew())).toEqual({ newMember: false, keyVersion: 1 });
  });

  test("knows after a reload that it was removed, and opens what it could", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    await tab.evaluate(() => device.join());
    const { guid } = await standing(tab);
    const secret = await domain.encrypt("a film");
    await domain.ban(guid, "sold");
    expect(await tab.evaluate(() => outcome(device.renew()))).toMatchObject({ error: "DEVICE_BANNED" });

    await tab.reload();
    await openDevice(tab, domain);
    expect(await standing(tab)).toEqual({ guid, status: "removed", version: 1 });
    expect(await decrypted(tab, secret)).toBe("a film");
  });

  test.for([
    ["was closed", (browser: BrowserContext) => browser.close()],
    ["crashed", crash],
  ] as const)("is the same after the browser %s and started again", async ([, end], { site, domain, profile }) => {
    const first = await profile.start();
    const tab = await openTab(first, site);
    await openDevice(tab, domain);
    await tab.evaluate(() => device.join());
    const before = await standing(tab);
    const secret = await domain.encrypt("a film");
    await end(first);

    const again = await openTab(await profile.start(), site);
    await openDevice(again, domain);
    expect(await standing(again)).toEqual(before);
    expect(await decrypted(again, secret)).toBe("a film");
    await again.evaluate(() => device.leave());
    expect(await domain.overview()).toMatchObject({ memberCount: 0 });
  });

  test("has keys that no script can export, and no key in any other form", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    await tab.evaluate(() => device.join());
    const privateKeys = await domain.privateKeys();
    expect(privateKeys).toHaveLength(1);

    const { names, texts, keys } = await storeContents(tab, domain);
    expect(keys.map(({ path }) => path).sort()).toEqual([
      "devices.credentials.0.privateKey",
      "devices.sealingKey.privateKey",
      "devices.signingKey.privateKey",
    ]);
    for (const { type, extractable, exports } of keys) {
      expect({ type, extractable }).toEqual({ type: "private", extractable: false });
      expect(exports).not.toContain("exported");
    }
    expect(names).toContain("publicJwk");
    expect(names).not.toContain("d");
    for (const text of texts) {
      for (const { d } of privateKeys) expect(text).not.toContain(d);
      if (text.split(".").length === 3) expect(JSON.stringify(decodeJwt(text))).not.toContain('"d"');
    }
    expect(await tab.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie])).toEqual([0, 0, ""]);
  });

  test("is left without domain keys once it has left", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    await tab.evaluate(() => device.join());
    await tab.evaluate(() => device.leave());
    const paths = (await storeContents(tab, domain)).keys.map(({ path }) => path);
    expect(paths.sort()).toEqual(["devices.sealingKey.privateKey", "devices.signingKey.privateKey"]);
  });
});
