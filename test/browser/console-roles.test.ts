import { describe, expect } from "vitest";
import { joinedDevice } from "../support/browser/console-devices.ts";
import type { ConsoleTab } from "../support/browser/console-tab.ts";
import { test } from "../support/browser/stage.ts";

/** The names of all buttons that say for want of which scope they do nothing. */
function lacking({ page }: ConsoleTab, scope: string): Promise<string[]> {
  return page
    .locator(`button[aria-disabled="true"][title="This needs the scope ${scope}, which you do not have."]`)
    .allTextContents();
}

describe("the console", () => {
  test("shows who is signed in, and what they may do", async ({ openConsole }) => {
    const tab = await openConsole("#/domains");
    await tab.page.locator(".signed-in").getByText("admin-token").waitFor();
    expect(await tab.page.locator(".signed-in .scopes").textContent()).toBe("may change everything");
    expect(await lacking(tab, "domains:write")).toEqual([]);
  });

  test("offers who may only look nothing that changes anything", async ({ site, domain, openConsole }) => {
    const device = await joinedDevice(domain);
    const token = await site.operatorToken("domains:read");
    const tab = await openConsole(`#/domains/${domain.name}/members`, token);
    await tab.page.locator(".signed-in .scopes").getByText("may only look").waitFor();
    expect(await tab.page.locator(".signed-in").getAttribute("title")).toBe(
      "https://office.example#someone: domains:read",
    );
    await tab.page.getByText(device.machineGuid.slice(0, 8)).first().waitFor();
    expect(await lacking(tab, "domains:evict")).toEqual(["Evict…", "Ban…"]);
    // A click on one asks nothing.
    await tab.page.getByText("Evict…").click({ force: true });
    expect(await tab.page.locator("dialog").count()).toBe(0);

    await tab.view("Keys");
    expect(await lacking(tab, "domains:write")).toEqual(["Roll over…"]);
    await tab.view("Settings");
    expect(await lacking(tab, "domains:write")).toEqual(["Save", "Delete the domain…"]);
    await tab.view("Bans");
    expect(await lacking(tab, "domains:evict")).toEqual(["Ban a device…"]);
    await tab.page.getByRole("link", { name: "Domains" }).first().click();
    await tab.page.getByText("New domain").waitFor();
    expect(await lacking(tab, "domains:write")).toHaveLength(1);
  });

  test("lets in who may not look at domains, and says so", async ({ site, openConsole }) => {
    const tab = await openConsole("#/", await site.operatorToken("metrics:read"));
    await tab.page.locator(".signed-in .scopes").getByText("may not look at domains").waitFor();
    await tab.page.getByText("Insufficient scope").waitFor();
  });

  test("offers who may remove devices that, and no settings", async ({ site, domain, openConsole }) => {
    await joinedDevice(domain);
    const token = await site.operatorToken("domains:read domains:evict");
    const tab = await openConsole(`#/domains/${domain.name}/members`, token);
    await tab.page.locator(".signed-in .scopes").getByText("may remove devices").waitFor();
    expect(await lacking(tab, "domains:evict")).toEqual([]);
    await tab.page.getByText("Evict…").click();
    await tab.page.locator("dialog").getByText("Evict", { exact: true }).click();
    await tab.page.getByText("The device is evicted.").first().waitFor();
    expect(await domain.overview()).toMatchObject({ memberCount: 0 });
    await tab.view("Keys");
    expect(await lacking(tab, "domains:write")).toEqual(["Roll over…"]);
  });
});
