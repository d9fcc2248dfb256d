import { describe, expect } from "vitest";
import { joinUnsigned } from "../support/browser/console-devices.ts";
import { test } from "../support/browser/stage.ts";

describe("the deletion of a domain, in the console", () => {
  test("says what goes, and happens once the name is typed", async ({ domain, openConsole }) => {
    await joinUnsigned(domain, 2);
    await domain.rollOver(2);
    const tab = await openConsole(`#/domains/${domain.name}/settings`);
    await tab.press("Delete the domain…");
    await tab.dialog.getByText("2 members, 3 keys, the bans, the settings and the log.").waitFor();
    await tab.dialog.getByLabel("Name of the domain").fill(`${domain.name}-not`);
    await tab.answer("Delete");
    await tab.isMarked(`Name of the domain must be ${domain.name}.`);
    expect(await domain.overview()).toMatchObject({ memberCount: 2, keyVersion: 3 });

    await tab.dialog.getByLabel("Name of the domain").fill(domain.name);
    await tab.answer("Delete");
    await tab.hears(`${domain.name} is deleted.`);
    await tab.page.getByRole("heading", { name: "Domains", level: 1 }).waitFor();
    await tab.settled();
    expect(await tab.page.getByRole("link", { name: domain.name, exact: true }).count()).toBe(0);
    await expect(domain.overview()).rejects.toThrow();
    expect(tab.complaints).toEqual([]);
  });

  test("does not happen when it is not wanted, nor without a name", async ({ domain, openConsole }) => {
    await joinUnsigned(domain, 1);
    const tab = await openConsole(`#/domains/${domain.name}/settings`);
    const sent: string[] = [];
    tab.page.on("request", (request) => sent.push(request.method()));
    await tab.press("Delete the domain…");
    await tab.dialog.getByText("1 member, 1 key, the bans").waitFor();
    await tab.answer("Delete");
    await tab.answer("Cancel");
    await tab.dialog.waitFor({ state: "detached" });
    expect(sent).not.toContain("DELETE");
    expect(await domain.overview()).toMatchObject({ memberCount: 1 });
  });
});
