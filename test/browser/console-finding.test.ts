import { readFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { DeviceDomain } from "../../src/client/index.ts";
import { joinedDevice } from "../support/browser/console-devices.ts";
import { test } from "../support/browser/stage.ts";

describe("the log in the console", () => {
  test("leads to a device and back, and narrows to it and to a type of change", async ({ domain, openConsole }) => {
    const [first] = [await joinedDevice(domain), await joinedDevice(domain)];
    await first.leave();
    const tab = await openConsole(`#/domains/${domain.name}/members`);
    const { page } = tab;
    await page.getByRole("link", { name: /^[\w-]{43}$/ }).click();
    await page.getByRole("heading", { name: "Log", level: 2 }).waitFor();
    const entries = page.getByRole("list", { name: "Log" }).locator("article");
    // The one that stayed has joined, and nothing else.
    await page.getByText("Show all devices").waitFor();
    await expect.poll(() => entries.count()).toBe(1);
    expect(await entries.first().textContent()).toMatch(/joined/);

    await page.getByText("Show all devices").click();
    await page.getByLabel("Changes").selectOption("device left");
    await expect.poll(() => page.url()).toContain("type=device-left");
    await expect.poll(() => entries.allTextContents()).toEqual([expect.stringMatching(/left/)]);
    // It is no longer a member.
    await page.locator(".device-link").click();
    await page.getByText("No member of this domain has this GUID or id").waitFor();
    await page.goBack();
    await page.goBack();
    await page.goBack();
    await page.getByRole("list", { name: "Log" }).locator(".device-link").first().click();
    await page.getByRole("list", { name: "Found" }).getByText("signs its requests").waitFor();
  });

  test("is saved whole as a file", async ({ domain, openConsole }) => {
    await joinedDevice(domain);
    const tab = await openConsole(`#/domains/${domain.name}/log`);
    const [download] = await Promise.all([tab.page.waitForEvent("download"), tab.press("Save the whole log")]);
    expect(download.suggestedFilename()).toBe(`${domain.name}-log.jsonl`);
    const lines = readFileSync(await download.path(), "utf8")
      .trim()
      .split("\n");
    const { revision } = (await domain.overview()) as { revision: number };
    expect(lines.map((line) => JSON.parse(line)).filter((line) => "changes" in line)).toHaveLength(revision);
  });
});

describe("the members in the console", () => {
  test("are put in another order once all are there", async ({ domain, openConsole }) => {
    for (let count = 0; count < 3; count++) await joinedDevice(domain);
    const tab = await openConsole(`#/domains/${domain.name}/members`);
    const { page } = tab;
    const members = page.getByRole("list", { name: "Members" }).locator("code:first-of-type");
    await expect.poll(() => members.count()).toBeGreaterThan(2);
    const ids = () => page.getByRole("list", { name: "Members" }).getByRole("link").allTextContents();
    const before = await ids();
    await page.getByLabel("Order").selectOption("newest first");
    const times = await page
      .getByRole("list", { name: "Members" })
      .locator("time")
      .evaluateAll((all) => all.map((each) => each.getAttribute("datetime")).filter((at) => at?.includes("T")));
    expect(times).toEqual([...times].sort().reverse());
    await page.getByLabel("Order").selectOption("as they come");
    expect(await ids()).toEqual(before);
  });
});

describe("the domains in the console", () => {
  test("are a table that is put in order by its columns", async ({ domain, site, openConsole }) => {
    const names = ["a", "b", "c"].map((letter) => `${domain.name}-${letter}`);
    const joins = [1, 3, 2];
    for (const [index, name] of names.entries()) {
      for (let count = 0; count < (joins[index] as number); count++) {
        const device = await DeviceDomain.open(`${site.url}/domains/${name}`);
        await device.join();
      }
    }
    const tab = await openConsole(`#/domains?prefix=${domain.name}-`);
    const shown = () => tab.page.getByRole("table", { name: "Domains" }).locator("tbody th").allTextContents();
    await expect.poll(shown).toEqual(names);
    await tab.page.getByRole("button", { name: "Members" }).click();
    const byMembers = [names[1], names[2], names[0]];
    // The copy that lists are read from may be a moment late.
    await expect
      .poll(async () => {
        await tab.press("Search");
        return shown();
      })
      .toEqual(byMembers);
    await tab.page.getByRole("button", { name: "Name" }).click();
    expect(await shown()).toEqual(names);
    expect(await tab.page.locator('th[aria-sort="ascending"]').textContent()).toBe("Name");
  });
});
