import { describe, expect } from "vitest";
import { DeviceDomain } from "../../src/client/index.ts";
import { test } from "../support/browser/stage.ts";
import { decrypted, standing } from "../support/browser/tabs.ts";

describe("a device in a web page", () => {
  test("joins, renews when another has left, opens secrets, and leaves", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    expect(await standing(tab)).toMatchObject({ status: "new", version: null });
    expect(await tab.evaluate(() => device.join())).toEqual({ newMember: true, keyVersion: 1 });
    expect(await standing(tab)).toMatchObject({ status: "member", version: 1 });
    expect(await tab.evaluate(() => device.domain())).toMatchObject({ domain: domain.name, keyVersion: 1 });

    const other = await DeviceDomain.open(domain.url);
    await other.join();
    const early = await domain.encrypt("a film");
    expect(await decrypted(tab, early)).toBe("a film");
    await other.leave();
    const late = await domain.encrypt("another film");
    expect(await tab.evaluate((jwe) => outcome(device.decrypt(jwe)), late)).toMatchObject({ error: "KEY_NOT_HELD" });
    expect(await tab.evaluate(() => device.renew())).toEqual({ newMember: false, keyVersion: 2 });
    expect(await decrypted(tab, late)).toBe("another film");
    expect(await decrypted(tab, early)).toBe("a film");
    expect(await tab.evaluate(() => device.domainToken)).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);

    const before = await domain.overview();
    expect(await tab.evaluate(() => device.previewLeave())).toBe(true);
    expect(await domain.overview()).toEqual(before);
    await tab.evaluate(() => device.leave());
    expect(await standing(tab)).toMatchObject({ status: "left", version: null });
    expect(await domain.overview()).toMatchObject({ memberCount: 0 });
    expect(await tab.evaluate(() => device.previewLeave())).toBe(false);
    expect(await tab.evaluate((jwe) => outcome(device.decrypt(jwe)), late)).toMatchObject({ error: "NOT_A_MEMBER" });
  });

  test("joins again after it left, under the same name", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    const { guid } = await standing(tab);
    await tab.evaluate(() => device.join());
    await tab.evaluate(() => device.leave());
    expect(await tab.evaluate(() => device.join())).toEqual({ newMember: true, keyVersion: 2 });
    expect(await standing(tab)).toEqual({ guid, status: "member", version: 2 });
    expect(await domain.overview()).toMatchObject({ memberCount: 1 });
  });

  test("joins by the server's time where the computer's clock is wrong", async ({ openDeviceTab }) => {
    const tab = await openDeviceTab();
    await tab.evaluate(() => {
      const rightTime = Date.now;
      Date.now = () => rightTime() - 60 * 60 * 1000;
    });
    expect(await tab.evaluate(() => device.join())).toEqual({ newMember: true, keyVersion: 1 });
  });
});
