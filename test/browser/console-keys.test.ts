import { calculateJwkThumbprint } from "jose";
import { describe, expect } from "vitest";
import { joinUnsigned, leaveUnsigned, newcomersKeys } from "../support/browser/console-devices.ts";
import type { ConsoleTab } from "../support/browser/console-tab.ts";
import { test } from "../support/browser/stage.ts";

/** The key versions that the console lists, with what each is labelled. */
async function listed(tab: ConsoleTab, label = ""): Promise<number[]> {
  const rows = await tab.items("Keys").filter({ hasText: label }).allInnerTexts();
  return rows.map((row) => Number.parseInt(row, 10));
}

describe("the keys of a domain, in the console", () => {
  test("are shown page by page, the newest first", async ({ domain, openConsole }) => {
    await domain.configure({});
    await domain.rollOver(60);
    const tab = await openConsole(`#/domains/${domain.name}/keys`);
    await tab.hasItems("Keys", 50);
    await tab.press("More");
    await tab.hasItems("Keys", 60);
    expect(await listed(tab)).toEqual(Array.from({ length: 60 }, (_, index) => 60 - index));
    expect(await tab.page.getByRole("button", { name: "More" }).count()).toBe(0);
    await tab.items("Keys").getByText("Current").waitFor();
    expect(await listed(tab, "Current")).toEqual([60]);
    expect(await listed(tab, "Retired")).toEqual([]);
  });

  test("show their thumbprints, shortened until they are opened", async ({ domain, openConsole }) => {
    await domain.configure({});
    await domain.rollOver(2);
    const tab = await openConsole(`#/domains/${domain.name}/keys`);
    await tab.hasItems("Keys", 2);
    const keys = await domain.publicKeys();
    const thumbprints = await Promise.all(keys.reverse().map((key) => calculateJwkThumbprint(key)));
    for (const [index, thumbprint] of thumbprints.entries()) {
      const row = tab.items("Keys").nth(index);
      expect(await row.getByText(thumbprint).isVisible()).toBe(false);
      await row.getByText(`${thumbprint.slice(0, 12)}…`).click();
      await row.getByText(thumbprint).waitFor();
    }
  });

  test("are retired up to a version, and brought back", async ({ domain, openConsole }) => {
    await domain.configure({});
    await domain.rollOver(4);
    const tab = await openConsole(`#/domains/${domain.name}/keys`);
    await tab.press("Retire old keys…");
    await tab.dialog.getByLabel("Up to a version").check();
    await tab.dialog.getByLabel("Key version").fill("4");
    await tab.answer("Retire");
    await tab.isMarked("Key version must be below the highest key version, which is 4.");
    await tab.dialog.getByLabel("Key version").fill("3");
    await tab.answer("Retire");
    await tab.hears("Keys 1 to 3 are retired.");
    await tab.shows("Keys 1 to 3 are retired: the server hands them out to nobody.");
    expect(await listed(tab, "Retired")).toEqual([3, 2, 1]);
    expect(await newcomersKeys(domain)).toEqual([4]);

    await tab.press("Retire old keys…");
    await tab.dialog.getByLabel("Up to a version").check();
    await tab.dialog.getByLabel("Key version").fill("1");
    await tab.dialog.getByText("Keys 2 to 3 are handed out again.").waitFor();
    await tab.answer("Bring back");
    await tab.hears("Keys 2 to 3 are handed out again.");
    await tab.shows("Key 1 is retired: the server hands them out to nobody.");
    expect(await listed(tab, "Retired")).toEqual([1]);
    expect(await newcomersKeys(domain)).toEqual([2, 3, 4]);
  });

  test("are retired by age, once it is said what stops working", async ({ domain, openConsole }) => {
    await domain.configure({});
    await domain.rollOver(3);
    const tab = await openConsole(`#/domains/${domain.name}/keys`);
    const askToRetire = async (days: string) => {
      await tab.press("Retire old keys…");
      await tab.dialog.getByText("A device that does not hold them cannot open what is encrypted to them.").waitFor();
      await tab.dialog.getByLabel("Days").fill(days);
    };
    await askToRetire("0");
    await tab.answer("Cancel");
    expect(await newcomersKeys(domain)).toEqual([1, 2, 3]);

    await askToRetire("1.5");
    await tab.answer("Retire");
    await tab.isMarked("Days must be an integer.");
    await tab.dialog.getByLabel("Days").fill("365");
    const sent = tab.page.waitForRequest("**/retired-keys");
    await tab.answer("Retire");
    expect((await sent).postDataJSON()).toEqual({ olderThanDays: 365 });
    await tab.hears("Nothing was changed: no other key is affected.");
    expect(await listed(tab, "Retired")).toEqual([]);
    expect(await newcomersKeys(domain)).toEqual([1, 2, 3]);

    await askToRetire("0");
    await tab.answer("Retire");
    await tab.hears("Keys 1 to 2 are retired.");
    await tab.shows("Keys 1 to 2 are retired: the server hands them out to nobody.");
    expect(await listed(tab, "Retired")).toEqual([2, 1]);
    expect(await newcomersKeys(domain)).toEqual([3]);
  });

  test("roll over and retire by themselves as the settings say", async ({ domain, openConsole }) => {
    await domain.configure({});
    const tab = await openConsole(`#/domains/${domain.name}/settings`);
    const interval = tab.page.getByLabel("Seconds between rollovers");
    const age = tab.page.getByLabel("Days until a replaced key is retired");
    await interval.waitFor();
    expect([await interval.inputValue(), await age.inputValue()]).toEqual(["0", ""]);
    await tab.shows("Until then, a device that left can open what is encrypted in those seconds.");
    await age.fill("0");
    await tab.press("Save");
    await tab.isMarked("Days until a replaced key is retired must be");
    await interval.fill("3600");
    await age.fill("365");
    await tab.press("Save");
    await tab.hears("The settings are saved.");
    expect(await domain.overview()).toMatchObject({ rolloverIntervalSeconds: 3600, retireAfterDays: 365 });

    await interval.fill("");
    await age.fill("");
    const sent = tab.page.waitForRequest((request) => request.method() === "PATCH");
    await tab.press("Save");
    expect((await sent).postDataJSON()).toEqual({ rolloverIntervalSeconds: null, retireAfterDays: null });
    await expect.poll(() => interval.inputValue()).toBe("0");
    expect(await domain.overview()).toMatchObject({ rolloverIntervalSeconds: 0, retireAfterDays: null });

    await tab.view("Log");
    for (const sentence of [
      "seconds between rollovers: the server's default 3600",
      "days until a replaced key is retired: never 365",
    ]) {
      await tab.shows(sentence);
    }
  });

  test("stay current while a rollover is postponed", async ({ domain, openConsole }) => {
    await domain.configure({ rolloverIntervalSeconds: 86_400 });
    const [leaver = "", banned = ""] = await joinUnsigned(domain, 2);
    await leaveUnsigned(domain, leaver);
    const tab = await openConsole(`#/domains/${domain.name}/keys`);
    await tab.shows("The rollover is postponed by the settings.");
    await tab.shows("Rollover required");
    expect(await listed(tab, "Current")).toEqual([1]);

    await domain.ban(banned, "It was sold.");
    await tab.page.reload();
    await tab.shows("A rollover is due");
    await tab.hasItems("Keys", 1);
    expect(await listed(tab, "Current")).toEqual([]);

    await tab.press("Roll over…");
    await tab.answer("Roll over");
    await tab.hears("There is a new key.");
    await tab.items("Keys").getByText("Current").waitFor();
    expect(await listed(tab, "Current")).toEqual([2]);
    expect(await tab.page.getByText("A rollover is due").count()).toBe(0);
  });
});
