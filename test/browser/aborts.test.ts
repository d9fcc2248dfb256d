import { describe, expect } from "vitest";
import { test } from "../support/browser/stage.ts";
import { abortedWithReason, openDevice, standing } from "../support/browser/tabs.ts";

describe("an abort signal in a page", () => {
  test("ends a request on its way: the browser hangs up", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    const request = domain.hold("register", "request");
    await tab.evaluate(() => {
      controller = new AbortController();
      call = device.join({ signal: controller.signal });
    });
    const { hungUp } = await request.reached;
    expect(await abortedWithReason(tab)).toBe(true);
    await hungUp;
    request.lose();

    expect(await standing(tab)).toMatchObject({ status: "new", version: null });
    expect(await tab.evaluate(() => device.join())).toEqual({ newMember: true, keyVersion: 1 });
  });

  test("that has aborted before lets nothing be sent", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    await tab.evaluate(() => {
      controller = new AbortController();
      controller.abort();
      call = outcome(device.join({ signal: controller.signal }));
    });
    expect(await tab.evaluate(() => call)).toMatchObject({
      thrown: "other",
      message: expect.stringMatching("AbortError"),
    });
    await expect(domain.overview()).rejects.toThrow("DOMAIN_NOT_FOUND");
  });

  test("ends the wait for an earlier call, and leaves that one alone", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    const request = domain.hold("register", "request");
    const joining = tab.evaluate(() => device.join());
    await request.reached;
    await tab.evaluate(() => {
      controller = new AbortController();
      call = device.leave({ signal: controller.signal });
    });
    expect(await abortedWithReason(tab)).toBe(true);
    // It did not take until the other was done, or given up.
    await expect(domain.overview()).rejects.toThrow("DOMAIN_NOT_FOUND");
    request.release();
    expect(await joining).toEqual({ newMember: true, keyVersion: 1 });
    expect(await standing(tab)).toMatchObject({ status: "member" });
  });

  test("ends a leave that the server has granted: it stays to be finished", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    await tab.evaluate(() => device.join());
    const answer = domain.hold("deregister", "answer");
    await tab.evaluate(() => {
      controller = new AbortController();
      call = device.leave({ signal: controller.signal });
    });
    const { hungUp } = await answer.reached;
    expect(await abortedWithReason(tab)).toBe(true);
    await hungUp;
    answer.lose();
    const after = await domain.overview();
    expect(after).toMatchObject({ memberCount: 0 });

    await tab.reload();
    await openDevice(tab, domain);
    expect(await standing(tab)).toMatchObject({ status: "leaving" });
    await tab.evaluate(() => device.leave());
    expect(await standing(tab)).toMatchObject({ status: "left" });
    expect(await domain.overview()).toEqual(after);
  });
});
