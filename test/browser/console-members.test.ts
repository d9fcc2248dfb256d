import type { Route } from "playwright-core";
import { describe, expect } from "vitest";
import { DeviceDomain } from "../../src/client/index.ts";
import { joinedDevice, joinUnsigned } from "../support/browser/console-devices.ts";
import type { ConsoleTab } from "../support/browser/console-tab.ts";
import { test } from "../support/browser/stage.ts";
import type { TestDomain } from "../support/browser/test-domain.ts";

async function named(domain: TestDomain, deviceName: string): Promise<DeviceDomain> {
  const device = await DeviceDomain.open(domain.url, { deviceName });
  await device.join();
  return device;
}

/** Finds a device, again until the database knows its domain. */
async function findInDomain(tab: ConsoleTab, machineGuid: string): Promise<void> {
  await tab.page.getByLabel("Find by machine GUID").fill(machineGuid);
  const domainsFound = async () => {
    await tab.press("Find");
    await tab.page.getByRole("region", { name: "Found" }).waitFor();
    await tab.settled();
    return tab.items("Domains of the device").count();
  };
  await expect.poll(domainsFound, { timeout: 30_000 }).toBe(1);
}

/** Evicts all members that are shown, and cancels that during the first eviction. @returns that one, which is held */
async function cancelledAtFirst(tab: ConsoleTab, members: number): Promise<Route> {
  await tab.hasItems("Members", members);
  await tab.page.getByLabel("Select all shown").check();
  await tab.press("Evict selected…");
  const first = Promise.withResolvers<Route>();
  await tab.page.route(/\/members\/./, first.resolve, { times: 1 });
  await tab.answer("Evict");
  const eviction = await first.promise;
  await tab.answer("Cancel");
  return eviction;
}

describe("the members of a domain, in the console", () => {
  test("show their names, and are evicted and banned many at a time", async ({ domain, openConsole }) => {
    const [tv, phone] = [await named(domain, "TV in the den"), await named(domain, "Phone")];
    await joinUnsigned(domain, 2);
    const tab = await openConsole(`#/domains/${domain.name}/members`);
    await tab.hasItems("Members", 4);
    await tab.page.getByLabel("Select TV in the den").check();
    await tab.page.getByLabel("Select Phone").check();
    await tab.shows("2 devices selected");
    await tab.press("Ban selected…");
    await tab.dialog.getByText("TV in the den").waitFor();
    await tab.dialog.getByLabel("Reason").fill("They were sold together.");
    await tab.answer("Ban");
    await tab.hears("2 devices are banned.");
    await tab.hasItems("Members", 2);
    for (const device of [tv, phone]) await expect(device.join()).rejects.toMatchObject({ error: "DEVICE_BANNED" });

    await tab.page.getByLabel("Select all shown").check();
    await tab.press("Evict selected…");
    await tab.answer("Cancel");
    await tab.dialog.waitFor({ state: "detached" });
    expect(await domain.overview()).toMatchObject({ memberCount: 2 });
    await tab.press("Evict selected…");
    await tab.answer("Evict");
    await tab.hears("2 devices are evicted.");
    await tab.shows("The domain has no members. Devices join by themselves; under “Try it”, this browser can.");
    expect(await tab.page.getByLabel("Select all shown").count()).toBe(0);
  });

  test("of which some cannot be evicted are named, and the others are gone", async ({ domain, openConsole }) => {
    await named(domain, "TV");
    await named(domain, "Phone");
    const tab = await openConsole(`#/domains/${domain.name}/members`);
    await tab.page.getByLabel("Select all shown").check();
    await tab.press("Evict selected…");
    const refusal = { status: 403, error: "ADMIN_SCOPE_REQUIRED", title: "Insufficient scope" };
    const answer = { status: 403, contentType: "application/problem+json", body: JSON.stringify(refusal) };
    await tab.page.route(/\/members\/./, (route) => route.fulfill(answer), { times: 1 });
    await tab.answer("Evict");
    await tab.isRefused("1 of 2 failed");
    await tab.dialog.getByText(/^Still members: (TV|Phone)\.$/).waitFor();
    await tab.answer("Cancel");
    await tab.hears("1 device is evicted.");
    expect(await domain.overview()).toMatchObject({ memberCount: 1 });
  });

  test("are no longer evicted one after the other once that is cancelled", async ({ domain, openConsole }) => {
    await joinUnsigned(domain, 3);
    const tab = await openConsole(`#/domains/${domain.name}/members`);
    const eviction = await cancelledAtFirst(tab, 3);
    await eviction.continue();
    await tab.hears("1 device is evicted.");
    await tab.dialog.waitFor({ state: "detached" });
    await tab.hasItems("Members", 2);
    expect(await domain.overview()).toMatchObject({ memberCount: 2 });
  });

  test("are named if a cancelled eviction failed", async ({ domain, openConsole }) => {
    await joinUnsigned(domain, 3);
    const tab = await openConsole(`#/domains/${domain.name}/members`);
    const eviction = await cancelledAtFirst(tab, 3);
    const failure = { status: 500, error: "INTERNAL_ERROR", title: "Internal error" };
    await eviction.fulfill({ status: 500, contentType: "application/problem+json", body: JSON.stringify(failure) });
    await tab.isRefused("1 of 3 failed: Internal error");
    expect(await tab.dialog.getByRole("listitem").count()).toBe(3);
    await tab.answer("Cancel");
    await tab.dialog.waitFor({ state: "detached" });
    expect(await domain.overview()).toMatchObject({ memberCount: 3 });
  });

  test("keep their question while one of them is evicted", async ({ domain, openConsole }) => {
    await joinUnsigned(domain, 1);
    const tab = await openConsole(`#/domains/${domain.name}/members`);
    await tab.page.getByRole("button", { name: /^Evict / }).click();
    const first = Promise.withResolvers<Route>();
    await tab.page.route(/\/members\/./, first.resolve, { times: 1 });
    await tab.answer("Evict");
    const eviction = await first.promise;
    const cancel = tab.dialog.getByRole("button", { name: "Cancel" });
    await expect.poll(() => cancel.getAttribute("aria-disabled")).toBe("true");
    await tab.page.keyboard.press("Escape");
    await eviction.continue();
    await tab.hears("The device is evicted.");
  });

  test("of which one left meanwhile are gone", async ({ domain, openConsole }) => {
    const [tv, phone] = [await named(domain, "TV"), await named(domain, "Phone")];
    const tab = await openConsole(`#/domains/${domain.name}/members`);
    await tab.page.getByLabel("Select all shown").check();
    await tab.press("Evict selected…");
    await phone.leave();
    await tab.answer("Evict");
    await tab.hears("2 devices are evicted.");
    await tab.shows("The domain has no members. Devices join by themselves; under “Try it”, this browser can.");
    expect(await tv.renew()).toMatchObject({ newMember: true });
  });
});

describe("an id, in the console", () => {
  test("is copied by the button beside it", async ({ domain, openConsole }) => {
    await joinedDevice(domain);
    const tab = await openConsole(`#/domains/${domain.name}/members`);
    await tab.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const copied = () => tab.page.evaluate(() => navigator.clipboard.readText());
    await tab.press("Copy the name");
    await tab.hears("Copied.");
    expect(await copied()).toBe(domain.name);
    const id = await tab.items("Members").getByRole("link").textContent();
    await tab.press("Copy the id");
    await expect.poll(copied).toBe(id);
  });

  test("is told where the browser does not let pages copy", async ({ domain, openConsole }) => {
    await domain.configure({});
    const tab = await openConsole(`#/domains/${domain.name}`);
    await tab.page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
    await tab.press("Copy the name");
    await tab.hears(`The browser does not allow copying: ${domain.name}`);
  });
});

describe("the settings of a domain, in the console", () => {
  test("say whom it belongs to, and what becomes of idle devices", async ({ domain, openConsole }) => {
    await domain.configure({});
    const tab = await openConsole(`#/domains/${domain.name}/settings`);
    const fill = (label: string, text: string) => tab.page.getByLabel(label, { exact: true }).fill(text);
    await fill("Owner's token subject", "alice");
    await tab.press("Save");
    await tab.isMarked("Owner's token subject needs “Auth namespace”, the namespace of the owner's tokens.");
    await tab.page.getByLabel("Devices need an auth token").check();
    await fill("Auth namespace", "family");
    await fill("Maximum per token subject", "3");
    await tab.page.getByLabel("When the domain is full").selectOption("replace-least-recent");
    await fill("Days before a device may be replaced", "60");
    await fill("Days until an idle device is removed", "180");
    await fill("Days until an empty domain is deleted", "365");
    await tab.shows("Not saved yet.");
    await tab.press("Save");
    await tab.hears("The settings are saved.");
    const set = {
      ...{ authenticationRequired: true, authNamespace: "family", ownerSubject: "alice", maxMembershipPerSubject: 3 },
      ...{ whenFull: "replace-least-recent", minIdleDays: 60, memberIdleDays: 180, deleteAfterEmptyDays: 365 },
    };
    expect(await domain.overview()).toMatchObject(set);
    expect(await tab.page.getByText("Not saved yet.").count()).toBe(0);
    await fill("Days before a device may be replaced", "");
    await tab.press("Save");
    await tab.hears("The settings are saved.");
    expect(await domain.overview()).toMatchObject({ ...set, minIdleDays: 30 });
  });
});

describe("the auth namespace of a domain, in the console", () => {
  test("is chosen from those that have an issuer, with a warning about any other", async ({ domain, openConsole }) => {
    await domain.configure({});
    const tab = await openConsole(`#/domains/${domain.name}/settings`);
    const field = tab.page.getByLabel("Auth namespace", { exact: true });
    const warning = tab.page.getByText("No trusted issuer makes tokens of this namespace: no device will be let in.");
    // They come with who is signed in, a moment after the page.
    await tab.page.locator("datalist option").first().waitFor({ state: "attached" });
    const offered = await field.evaluate(({ list }: HTMLInputElement) =>
      Array.from(list?.options ?? [], ({ value }) => value),
    );
    expect(offered).toEqual(["studio", "arcade", "office"]);
    await field.fill("studios");
    expect(await warning.count()).toBe(0);
    await tab.page.getByLabel("Devices need an auth token").check();
    await warning.waitFor();
    await field.fill("studio");
    await warning.waitFor({ state: "hidden" });
    await field.fill("studios");
    await tab.press("Save");
    await tab.hears("The settings are saved.");
    expect(await domain.overview()).toMatchObject({ authenticationRequired: true, authNamespace: "studios" });
    await warning.waitFor();
  });
});

describe("a device in all its domains, in the console", () => {
  test("is found, evicted and banned everywhere, and let in again", async ({ domain, openConsole }) => {
    const tv = await joinedDevice(domain);
    const { machineGuid } = tv;
    const tab = await openConsole("#/domains");
    await tab.page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Devices" }).click();
    await tab.page.getByRole("heading", { name: "Devices", level: 1 }).waitFor();
    await tab.page.getByLabel("Find by machine GUID").fill("not-a-guid");
    await tab.press("Find");
    await tab.isMarked("Find by machine GUID must be a UUID");
    await findInDomain(tab, machineGuid);
    await tab.page.getByRole("link", { name: domain.name }).waitFor();
    // The GUID is a secret.
    expect(tab.page.url()).not.toContain(machineGuid.slice(0, 8));

    await tab.press("Evict from all domains…");
    await tab.answer("Evict");
    await tab.hears("The device is evicted from all its domains.");
    expect(await domain.overview()).toMatchObject({ memberCount: 0 });
    expect(await tv.renew()).toMatchObject({ newMember: true });

    await tab.press("Ban from all domains…");
    await tab.dialog.getByLabel("Reason").fill("Reported stolen.");
    await tab.answer("Ban");
    await tab.hears("The device is banned from all domains.");
    const bans = tab.items("Devices that are banned from all domains");
    await bans.getByText("Reported stolen.").waitFor();
    await expect(tv.renew()).rejects.toMatchObject({ error: "DEVICE_BANNED" });
    await tab.press(`Lift the ban of ${machineGuid.slice(0, 8)}…`);
    await tab.answer("Lift the ban");
    await tab.hears("The ban is lifted.");
    await tab.hasItems("Devices that are banned from all domains", 0);
  });

  test("is not called banned from all while domains may be left", async ({ openConsole }) => {
    const tab = await openConsole("#/devices");
    await tab.page.getByLabel("Find by machine GUID").fill(crypto.randomUUID());
    await tab.press("Find");
    await tab.press("Ban from all domains…");
    await tab.dialog.getByLabel("Reason").fill("Reported stolen.");
    let requests = 0;
    let held = Promise.withResolvers<Route>();
    await tab.page.route("**/admin/devices/*/ban", (route) => held.resolve(route));
    /** Responds as if the device were in 300 domains, and the database late. */
    const respond = async (banned: readonly string[]) => {
      const route = await held.promise;
      held = Promise.withResolvers();
      requests++;
      await route.fulfill({ json: { domains: { banned, failed: [], more: true } } });
    };
    await tab.answer("Ban");
    await respond(["a"]);
    await respond(["a"]);
    await tab.isRefused("Some domains may be left");
    await tab.dialog.getByText("Reached so far: 1. Try again in a moment.").waitFor();

    await tab.answer("Ban");
    await held.promise;
    await tab.answer("Cancel");
    await respond(["b", "c"]);
    await tab.dialog.getByText("Reached so far: 2. Try again in a moment.").waitFor();
    expect(requests).toBe(3);
    await tab.answer("Cancel");
    await tab.dialog.waitFor({ state: "detached" });
    expect(await tab.page.getByText("The device is banned from all domains.").count()).toBe(0);
  });

  test("is not shown in place of one that was looked for since", async ({ domain, openConsole }) => {
    const [tv, phone] = [await joinedDevice(domain), await joinedDevice(domain)];
    const tab = await openConsole("#/devices");
    const found = tab.page.getByRole("region", { name: "Found" }).getByRole("heading");
    const shown = ({ machineGuid }: DeviceDomain) => `${machineGuid.slice(0, 8)}…`;
    const guid = tab.page.getByLabel("Find by machine GUID");
    await findInDomain(tab, tv.machineGuid);
    await tab.press("Evict from all domains…");
    const refresh = Promise.withResolvers<Route>();
    await tab.page.route("**/admin/devices/*", refresh.resolve, { times: 1 });
    await tab.answer("Evict");
    const held = await refresh.promise;
    await guid.fill(phone.machineGuid);
    await tab.press("Find");
    await expect.poll(() => found.allTextContents()).toEqual([shown(phone)]);
    await held.continue();
    // None, if the page has hung up.
    await (await held.request().response())?.finished();
    await tab.settled();
    expect(await found.allTextContents()).toEqual([shown(phone)]);
    await tab.press("Ban from all domains…");
    await tab.dialog.getByText(shown(phone)).waitFor();
    await tab.answer("Cancel");
  });
});
