import type { Page } from "playwright-core";
import { describe, expect } from "vitest";
import { DeviceDomain } from "../../src/client/index.ts";
import { test } from "../support/browser/stage.ts";
import { abortedWithReason, decrypted, openDevice, openTab, standing } from "../support/browser/tabs.ts";

describe("two tabs with one device, one after the other", () => {
  test("go on from what the other one stored", async ({ domain, openDeviceTab }) => {
    const [one, other] = [await openDeviceTab(), await openDeviceTab()];
    expect(await standing(other)).toEqual(await standing(one));
    await one.evaluate(() => device.join());
    expect(await other.evaluate(() => device.renew())).toEqual({ newMember: false, keyVersion: 1 });
    expect(await decrypted(other, await domain.encrypt("a film"))).toBe("a film");

    await other.evaluate(() => device.leave());
    const after = await domain.overview();
    expect(await one.evaluate(() => outcome(device.renew()))).toMatchObject({ error: "NOT_A_MEMBER" });
    await one.evaluate(() => device.leave());
    expect(await standing(one)).toMatchObject({ status: "left", version: null });
    expect(await domain.overview()).toEqual(after);
    expect(await one.evaluate(() => device.join())).toEqual({ newMember: true, keyVersion: 2 });
    expect(await domain.overview()).toMatchObject({ memberCount: 1 });
  });

  test("open what the other one got the key for, until it leaves", async ({ domain, openDeviceTab }) => {
    const [one, other] = [await openDeviceTab(), await openDeviceTab()];
    await one.evaluate(() => device.join());
    const secret = await domain.encrypt("a film");
    expect(await decrypted(other, secret)).toBe("a film");
    await one.evaluate(() => device.leave());
    expect(await other.evaluate((jwe) => outcome(device.decrypt(jwe)), secret)).toMatchObject({
      error: "NOT_A_MEMBER",
    });
  });

  test("finish each other's leave", async ({ domain, openDeviceTab }) => {
    const [one, other] = [await openDeviceTab(), await openDeviceTab()];
    await one.evaluate(() => device.join());
    const answer = domain.hold("deregister", "answer");
    one.evaluate(() => device.leave()).catch(() => {});
    await answer.reached;
    await one.close();
    answer.lose();
    const after = await domain.overview();
    expect(await other.evaluate(() => outcome(device.leave()))).toEqual({ value: undefined });
    expect(await standing(other)).toMatchObject({ status: "left", version: null });
    expect(await domain.overview()).toEqual(after);
  });

  test("do not keep each other from deleting the database", async ({ domain, openDeviceTab }) => {
    const [one, other] = [await openDeviceTab(), await openDeviceTab()];
    await one.evaluate(() => device.join());
    const deletion = await other.evaluate(
      () =>
        new Promise((resolve) => {
          const request = indexedDB.deleteDatabase("device-domains");
          request.onsuccess = () => resolve("done");
          request.onerror = () => resolve("failed");
        }),
    );
    expect(deletion).toBe("done");
    // Who is still there goes on with what it remembers, in a new database.
    expect(await one.evaluate(() => device.renew())).toEqual({ newMember: false, keyVersion: 1 });
    expect(await standing(await openDeviceTab())).toEqual(await standing(one));
    expect(await domain.overview()).toMatchObject({ memberCount: 1 });
  });
});

describe("two tabs with one device, at once", () => {
  test("open a new device, and it is one device", async ({ site, browser, domain }) => {
    const [slow, quick] = [await openTab(browser, site), await openTab(browser, site)];
    await slow.evaluate(async (url) => {
      const looked = Promise.withResolvers<void>();
      const goOn = Promise.withResolvers<void>();
      /** Finds nothing, and then takes its time. */
      class SlowStore extends library.IndexedDbStore {
        override async load(domainUrl: string) {
          const state = await super.load(domainUrl);
          looked.resolve();
          await goOn.promise;
          return state;
        }
      }
      globalThis.resume = goOn.resolve;
      globalThis.call = library.DeviceDomain.open(url, { store: new SlowStore() });
      await looked.promise;
    }, domain.url);
    await openDevice(quick, domain);
    await quick.evaluate(() => device.join());
    const guid = await slow.evaluate(async () => {
      resume();
      return ((await call) as typeof device).machineGuid;
    });
    await openDevice(slow, domain);
    expect(await standing(slow)).toEqual({ guid, status: "member", version: 1 });
    expect(await standing(quick)).toMatchObject({ guid });
    expect(await domain.overview()).toMatchObject({ memberCount: 1 });
  });

  test("take turns: a leave waits for a renewal, and is not undone by it", async ({ domain, openDeviceTab }) => {
    const [one, other] = [await openDeviceTab(), await openDeviceTab()];
    await one.evaluate(() => device.join());
    const answer = domain.hold("register", "answer");
    const renewal = one.evaluate(() => device.renew());
    await answer.reached;
    const leave = other.evaluate(() => device.leave());
    await waiting(other);
    expect(await domain.overview()).toMatchObject({ memberCount: 1 });
    answer.release();
    expect(await renewal).toEqual({ newMember: false, keyVersion: 1 });
    await leave;
    expect(await standing(await openDeviceTab())).toMatchObject({ status: "left", version: null });
    expect(await domain.overview()).toMatchObject({ memberCount: 0 });
  });

  test("take turns: a renewal that is tried again does not bring back what left", async ({ domain, openDeviceTab }) => {
    const [one, other] = [await openDeviceTab(), await openDeviceTab()];
    await one.evaluate(() => device.join());
    const request = domain.hold("register", "request");
    const renewal = one.evaluate(() => device.renew());
    await request.reached;
    const leave = other.evaluate(() => device.leave());
    await waiting(other);
    request.lose();
    expect(await renewal).toEqual({ newMember: false, keyVersion: 1 });
    await leave;
    expect(await domain.overview()).toMatchObject({ memberCount: 0, keyVersion: 1 });
  });

  test("renew, and both hold every key", async ({ domain, openDeviceTab }) => {
    const tabs = [await openDeviceTab(), await openDeviceTab()];
    await tabs[0]?.evaluate(() => device.join());
    const leaver = await DeviceDomain.open(domain.url);
    await leaver.join();
    await leaver.leave();
    const renewals = await Promise.all(tabs.map((tab) => tab.evaluate(() => device.renew())));
    expect(renewals).toEqual(Array(2).fill({ newMember: false, keyVersion: 2 }));

    const secret = await domain.encrypt("a film");
    tabs.push(await openDeviceTab());
    for (const tab of tabs) expect(await decrypted(tab, secret)).toBe("a film");
    expect(await domain.overview()).toMatchObject({ memberCount: 1, keyVersion: 2 });
  });

  test("leave, and it has left once", async ({ domain, openDeviceTab }) => {
    const tabs = [await openDeviceTab(), await openDeviceTab()];
    await tabs[0]?.evaluate(() => device.join());
    const { revision } = await domain.overview();
    const leaves = await Promise.all(tabs.map((tab) => tab.evaluate(() => outcome(device.leave()))));
    expect(leaves).toEqual([{ value: undefined }, { value: undefined }]);
    tabs.push(await openDeviceTab());
    for (const tab of tabs) expect(await standing(tab)).toMatchObject({ status: "left", version: null });
    expect(await domain.overview()).toMatchObject({ memberCount: 0, revision: revision + 1 });
  });

  test("let the other one go on when they are closed", async ({ domain, openDeviceTab }) => {
    const [one, other] = [await openDeviceTab(), await openDeviceTab()];
    const request = domain.hold("register", "request");
    one.evaluate(() => device.join()).catch(() => {});
    await request.reached;
    const joining = other.evaluate(() => device.join());
    await waiting(other);
    await one.close();
    expect(await joining).toEqual({ newMember: true, keyVersion: 1 });
    request.lose();
  });

  test("need not wait for each other for ever: a signal ends it", async ({ domain, openDeviceTab }) => {
    const [one, other] = [await openDeviceTab(), await openDeviceTab()];
    const request = domain.hold("register", "request");
    const joining = one.evaluate(() => device.join());
    await request.reached;
    await other.evaluate(() => {
      controller = new AbortController();
      call = device.leave({ signal: controller.signal });
    });
    await waiting(other);
    expect(await abortedWithReason(other)).toBe(true);
    // It did not take until the other was done, or given up.
    await expect(domain.overview()).rejects.toThrow("DOMAIN_NOT_FOUND");
    request.release();
    expect(await joining).toEqual({ newMember: true, keyVersion: 1 });
    expect(await domain.overview()).toMatchObject({ memberCount: 1 });
  });
});

/** Waits until a call waits for one of another tab. */
async function waiting(tab: Page): Promise<void> {
  const calls = () => tab.evaluate(async () => (await navigator.locks.query()).pending?.length);
  await expect.poll(calls, { timeout: 60_000 }).toBe(1);
}
