import { decodeJwt } from "jose";
import type { Page } from "playwright-core";
import { describe, expect } from "vitest";
import { crash } from "../support/browser/chromium.ts";
import { test } from "../support/browser/stage.ts";
import { storeContents } from "../support/browser/stored-keys.ts";
import { openDevice, openTab, standing } from "../support/browser/tabs.ts";
import type { TestDomain } from "../support/browser/test-domain.ts";

describe("a leave whose tab is closed is finished by the next page", () => {
  test("at the moment the request was sent: the server never saw it", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    await tab.evaluate(() => device.join());
    const { guid } = await standing(tab);
    const request = domain.hold("deregister", "request");
    beginToLeave(tab);
    const sent = await request.reached;
    await tab.close();
    await sent.hungUp;
    request.lose();
    expect(await domain.overview()).toMatchObject({ memberCount: 1 });

    const next = await openDeviceTab();
    expect(await standing(next)).toMatchObject({ guid, status: "leaving" });
    expect(await finished(next, domain)).toEqual({ value: undefined });
    expect(await domain.overview()).toMatchObject({ memberCount: 0 });
  });

  test("when the server had let it go, and its answer was on the way", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    await tab.evaluate(() => device.join());
    const answer = domain.hold("deregister", "answer");
    beginToLeave(tab);
    const first = await answer.reached;
    expect(first.answer?.status).toBe(200);
    const after = await domain.overview();
    expect(after).toMatchObject({ memberCount: 0 });
    await tab.close();
    await first.hungUp;
    answer.lose();

    const next = await openDeviceTab();
    expect(await standing(next)).toMatchObject({ status: "leaving" });
    const repeated = domain.hold("deregister", "answer");
    const finishing = finished(next, domain);
    const second = await repeated.reached;
    repeated.release();
    expect(await finishing).toEqual({ value: undefined });
    // It is the same leave, asked again: the server answers as before, and does nothing.
    expect(decodeJwt(second.body).jti).toBe(decodeJwt(first.body).jti);
    expect(second.answer).toMatchObject({ status: 200, body: first.answer?.body });
    expect(await domain.overview()).toEqual(after);
  });

  test("when the request reaches the server only later, and the device is back by then", async ({
    domain,
    openDeviceTab,
  }) => {
    const tab = await openDeviceTab();
    await tab.evaluate(() => device.join());
    const request = domain.hold("deregister", "request");
    beginToLeave(tab);
    const { hungUp } = await request.reached;
    await tab.close();
    await hungUp;

    const next = await openDeviceTab();
    expect(await finished(next, domain)).toEqual({ value: undefined });
    await next.evaluate(() => device.join());
    const before = await domain.overview();
    const late = domain.hold("deregister", "answer");
    request.release();
    expect((await late.reached).answer?.status).toBe(200);
    late.release();
    expect(await domain.overview()).toEqual(before);
    expect(await next.evaluate(() => device.renew())).toEqual({ newMember: false, keyVersion: 2 });
  });

  test("when the whole browser crashed", async ({ site, domain, profile }) => {
    const first = await profile.start();
    const tab = await openTab(first, site);
    await openDevice(tab, domain);
    await tab.evaluate(() => device.join());
    const answer = domain.hold("deregister", "answer");
    beginToLeave(tab);
    await answer.reached;
    await crash(first);
    answer.lose();
    const after = await domain.overview();

    const next = await openTab(await profile.start(), site);
    await openDevice(next, domain);
    expect(await standing(next)).toMatchObject({ status: "leaving" });
    expect(await finished(next, domain)).toEqual({ value: undefined });
    expect(await domain.overview()).toEqual(after);
  });

  test("while it deleted its licences: the next one deletes them first", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    await tab.evaluate(() => device.join());
    await tab.evaluate(
      () =>
        new Promise<void>((resolve) => {
          const beforeLeaving = () => {
            resolve();
            return new Promise(() => {});
          };
          void device.leave({ beforeLeaving });
        }),
    );
    // Another tab waits for this one.
    const next = await openDeviceTab();
    const waiting = next.evaluate(() => outcome(device.leave()));
    await tab.close();

    expect(await waiting).toMatchObject({ thrown: "DeviceDomainError", error: "LEAVE_UNFINISHED" });
    expect(await standing(next)).toMatchObject({ status: "leaving", version: 1 });
    expect(await domain.overview()).toMatchObject({ memberCount: 1 });
    const done = await next.evaluate(async () => {
      const held: unknown[] = [];
      await device.leave({ beforeLeaving: () => held.push(device.currentKeyVersion) });
      return held;
    });
    expect(done).toEqual([1]);
    expect(await standing(next)).toMatchObject({ status: "left", version: null });
    expect(await domain.overview()).toMatchObject({ memberCount: 0 });
  });

  test("and until then it does nothing else", async ({ domain, openDeviceTab }) => {
    const tab = await openDeviceTab();
    await tab.evaluate(() => device.join());
    const answer = domain.hold("deregister", "answer");
    beginToLeave(tab);
    await answer.reached;
    await tab.close();
    answer.lose();
    const before = await domain.overview();

    const next = await openDeviceTab();
    const unfinished = { thrown: "DeviceDomainError", error: "LEAVE_UNFINISHED", retryable: false };
    expect(await next.evaluate(() => outcome(device.join()))).toMatchObject(unfinished);
    expect(await next.evaluate(() => outcome(device.renew()))).toMatchObject(unfinished);
    expect(await domain.overview()).toEqual(before);
    expect(await finished(next, domain)).toEqual({ value: undefined });
  });
});

/** Has a tab begin to leave; it will be closed before it is done. */
function beginToLeave(tab: Page): void {
  tab.evaluate(() => device.leave()).catch(() => {});
}

/** Leaves, and looks whether nothing of the membership is left. */
async function finished(tab: Page, domain: TestDomain) {
  const outcomeOfLeave = await tab.evaluate(() => outcome(device.leave()));
  expect(await standing(tab)).toMatchObject({ status: "left", version: null });
  expect((await storeContents(tab, domain)).keys.map(({ path }) => path)).not.toContain(
    "devices.credentials.0.privateKey",
  );
  return outcomeOfLeave;
}
