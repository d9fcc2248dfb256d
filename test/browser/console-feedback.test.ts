import { describe, expect } from "vitest";
import { joinUnsigned } from "../support/browser/console-devices.ts";
import type { ConsoleTab } from "../support/browser/console-tab.ts";
import { test } from "../support/browser/stage.ts";

/** Has every request of the tab fail, as if the server were stopped. @returns how it comes back */
async function stopServer({ page }: ConsoleTab): Promise<() => Promise<void>> {
  const paths = /\/(?:admin|domains|health)\b/;
  await page.route(paths, (route) => route.abort("connectionrefused"));
  return () => page.unroute(paths);
}

describe("what was done last", () => {
  test("goes with the next action, and after a while", async ({ domain, openConsole }) => {
    await domain.configure({});
    const tab = await openConsole(`#/domains/${domain.name}/settings`);
    const outcome = tab.page.locator(".outcome");
    const maximum = tab.page.getByLabel("Maximum of members");
    await maximum.fill("4");
    await tab.press("Save");
    await tab.hears("The settings are saved.");
    await maximum.fill("-1");
    await tab.press("Save");
    await tab.isMarked("Maximum of members must be");
    expect(await outcome.count()).toBe(0);

    await maximum.fill("5");
    await tab.page.clock.install();
    await tab.press("Save");
    await tab.hears("The settings are saved.");
    await tab.page.clock.fastForward("00:30");
    await outcome.waitFor({ state: "detached" });
  });
});

describe("what is wrong with a field", () => {
  test("stands beside it in the form's words, once, and has the focus", async ({ domain, openConsole }) => {
    await domain.configure({});
    const tab = await openConsole(`#/domains/${domain.name}/settings`);
    await tab.page.getByLabel("Auth namespace").fill("family");
    await tab.page.getByLabel("Maximum of members").fill("-1");
    await tab.press("Save");
    await tab.isMarked("Maximum of members must be at least 0.");
    await tab.page.getByLabel("Maximum of members").fill("2");
    await tab.press("Save");
    await tab.isMarked("Auth namespace needs “Devices need an auth token” to be ticked.");
    await expect
      .poll(() => tab.page.evaluate(() => (document.activeElement as HTMLInputElement).labels?.[0]?.textContent))
      .toBe("Auth namespace");
    await tab.isRefused("Nothing was changed. Correct the marked fields.");
    const words = await tab.page.locator("main").textContent();
    expect(words).not.toMatch(/authNamespace|authenticationRequired|maxMembership|INVALID_REQUEST/);
    expect(await domain.overview()).toMatchObject({ authNamespace: null, maxMembership: null });
  });
});

describe("a server that has stopped", () => {
  test("leaves what was there, under a banner that says since when", async ({ domain, openConsole }) => {
    await joinUnsigned(domain, 1);
    const tab = await openConsole(`#/domains/${domain.name}/try`);
    const steps = tab.items("What happened");
    await tab.press("Encrypt to the domain");
    await tab.hasItems("What happened", 1);
    const restart = await stopServer(tab);
    await tab.press("Encrypt to the domain");
    await tab.hasItems("What happened", 2);
    await steps.nth(1).getByText("Nothing was encrypted.").waitFor();
    const banner = tab.page.locator(".lost");
    await banner.getByText("The server cannot be reached. What you see is as it was at").waitFor();
    const since = await banner.locator("time").getAttribute("datetime");
    expect(Date.now() - Date.parse(since ?? "")).toBeLessThan(60_000);
    await tab.settled();
    expect(await steps.count()).toBe(2);
    // Said once, where all read it.
    expect(await tab.page.getByText("The server cannot be reached").count()).toBe(1);

    await tab.press("Try again");
    await tab.settled();
    expect(await banner.locator("time").getAttribute("datetime")).toBe(since);
    await restart();
    // It goes by itself if the last attempt was still under way.
    await tab.press("Try again", 5_000).catch(() => {});
    await banner.waitFor({ state: "detached" });
    expect(await steps.count()).toBe(2);
  });

  test("leaves a list, and does not pass it off as another", async ({ domain, openConsole }) => {
    await joinUnsigned(domain, 2);
    const tab = await openConsole(`#/domains/${domain.name}/overview`);
    await tab.page.getByRole("img", { name: "2 joined" }).waitFor();
    await tab.view("Members");
    await tab.hasItems("Members", 2);
    const restart = await stopServer(tab);
    await tab.page
      .getByRole("button", { name: /^Evict / })
      .first()
      .click();
    await tab.answer("Evict");
    await tab.dialog.getByText("The server cannot be reached").waitFor();
    await tab.answer("Cancel");
    await tab.press("Try again");
    await tab.settled();
    await tab.hasItems("Members", 2);
    await restart();
    await tab.view("Overview");
    await tab.page.getByRole("img", { name: "2 joined" }).waitFor();
    await stopServer(tab);
    await tab.page.getByText("7 days").click();
    await tab.isRefused("The server cannot be reached");
    await expect.poll(() => tab.page.getByRole("img", { name: "2 joined" }).count()).toBe(0);
  });
});

describe("settings that are not saved", () => {
  test("are not lost unasked", async ({ domain, openConsole }) => {
    await domain.configure({});
    const tab = await openConsole(`#/domains/${domain.name}/keys`);
    await tab.view("Settings");
    const maximum = tab.page.getByLabel("Maximum of members");
    await maximum.fill("7");
    const links = tab.page.getByRole("navigation", { name: "Views of the domain" });
    const leave: readonly (() => Promise<unknown>)[] = [
      () => links.getByRole("link", { name: "Members" }).click(),
      () => tab.page.goBack(),
      () => tab.press("Sign out"),
    ];
    for (const attempt of leave) {
      await attempt();
      await tab.dialog.getByText("Your changes to the settings are not saved yet").waitFor();
      await tab.answer("Cancel");
      await tab.dialog.waitFor({ state: "detached" });
      expect(await maximum.inputValue()).toBe("7");
      await expect.poll(() => tab.page.url()).toContain("/settings");
    }
    await links.getByRole("link", { name: "Members" }).click();
    await tab.answer("Leave");
    await tab.page.getByRole("heading", { name: "Members", level: 2 }).waitFor();
    expect(tab.page.url()).toContain("/members");
    await tab.view("Settings");
    expect(await maximum.inputValue()).toBe("");

    await maximum.fill("8");
    await tab.press("Save");
    await tab.hears("The settings are saved.");
    await tab.view("Members");
    expect(await domain.overview()).toMatchObject({ maxMembership: 8 });
  });

  test("stay while others are being saved", async ({ site, domain, openConsole }) => {
    await domain.configure({});
    const tab = await openConsole(`#/domains/${domain.name}/settings`);
    const maximum = tab.page.getByLabel("Maximum of members");
    const idleDays = tab.page.getByLabel("Days until an idle device is removed");
    await maximum.fill("7");
    const patch = site.hold(`/admin/domains/${domain.name}`, "request");
    await tab.press("Save");
    await patch.reached;
    await idleDays.fill("90");
    patch.release();
    await tab.hears("The settings are saved.");
    expect(await maximum.inputValue()).toBe("7");
    expect(await idleDays.inputValue()).toBe("90");
    await tab.shows("Not saved yet.");
    expect(await domain.overview()).toMatchObject({ maxMembership: 7, memberIdleDays: null });
    await tab.press("Save");
    await tab.hears("The settings are saved.");
    await tab.page.getByText("Not saved yet.").waitFor({ state: "detached" });
    expect(await domain.overview()).toMatchObject({ maxMembership: 7, memberIdleDays: 90 });
  });

  test("outlive a server that is lost, and then fails once", async ({ domain, openConsole }) => {
    await domain.configure({});
    const tab = await openConsole(`#/domains/${domain.name}/settings`);
    const maximum = tab.page.getByLabel("Maximum of members");
    await maximum.fill("7");
    const restart = await stopServer(tab);
    await tab.press("Save");
    await tab.isRefused("The server cannot be reached");
    await restart();
    const failure = { status: 500, error: "INTERNAL_ERROR", title: "Internal error" };
    const response = { status: 500, contentType: "application/problem+json", body: JSON.stringify(failure) };
    const path = `**/admin/domains/${domain.name}`;
    await tab.page.route(path, (route) => route.fulfill(response), { times: 1 });
    const answered = tab.page.waitForResponse(path);
    await tab.press("Try again");
    await answered;
    await tab.isRefused("Internal error");
    expect(await maximum.inputValue()).toBe("7");
    await tab.press("Save");
    await tab.hears("The settings are saved.");
    expect(await domain.overview()).toMatchObject({ maxMembership: 7 });
  });
});
