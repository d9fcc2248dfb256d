import axe from "axe-core";
import { describe, expect } from "vitest";
import { test } from "../support/browser/owner-stage.ts";
import type { OwnerTab } from "../support/browser/owner-tab.ts";

const HOSTILE = `"><img src=x onerror="hostile=1"><script>hostile=1</script>`;
const LONG = "A-very-long-name-without-a-break-".repeat(2).slice(0, 64);

/** Shows everything that there is to see, with what to do at each. */
async function tour(tab: OwnerTab, person: string, at: (view: string) => Promise<void>): Promise<void> {
  await tab.page.getByRole("button", { name: "Sign in with" }).waitFor();
  await at("the sign-in");
  await tab.begin();
  await tab.cancel();
  await tab.isRefused("You are not signed in");
  await tab.page.getByRole("button", { name: "Sign in with" }).waitFor();
  await at("a cancelled sign-in");
  await tab.signIn(person);
  await tab.hasItems("Devices", 3);
  await tab.settled();
  await at("the devices");
  for (const question of [/^Rename/, /^Remove [^a]/, /^Remove all/]) {
    await tab.page.getByRole("button", { name: question }).first().click();
    await tab.dialog.waitFor();
    await at(`the question of ${question}`);
    await tab.answer("Cancel");
    await tab.dialog.waitFor({ state: "detached" });
  }
  await tab.press("Rename TV");
  await tab.dialog.getByLabel("Name").fill("TV\u0085");
  await tab.answer("Rename");
  await tab.isRefused("Invalid device name");
  await at("a refused name");
  await tab.answer("Cancel");
  await tab.press("Remove TV");
  await tab.answer("Remove");
  await tab.hears("TV is removed.");
  await tab.hasItems("Devices", 2);
  await at("a removal");
  await tab.open("?domain=home:nobody");
  await tab.shows("No device yet.");
  await at("no device");
}

describe("the owners' page", () => {
  test.for(["light", "dark"] as const)(
    "has nothing that axe finds fault with, %s",
    async (colorScheme, { person, join, tab }) => {
      await join(person, `home:${person}`, "TV", LONG, null);
      await tab.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await tab.open();
      const found: string[] = [];
      await tour(tab, person, async (view) => {
        await tab.page.evaluate(axe.source);
        const { violations } = await tab.page.evaluate<axe.AxeResults>("axe.run()");
        for (const { id, nodes } of violations) for (const { html } of nodes) found.push(`${view}: ${id}: ${html}`);
      });
      expect(found).toEqual([]);
    },
  );

  test("fits a window of 400 pixels", async ({ person, join, tab }) => {
    await join(person, `home:${person}`, "TV", LONG, null);
    await tab.page.setViewportSize({ width: 400, height: 700 });
    await tab.open();
    const tooWide: string[] = [];
    await tour(tab, person, async (view) => {
      const width = await tab.page.evaluate(() => document.documentElement.scrollWidth);
      if (width > 400) tooWide.push(`${view}: ${width}`);
    });
    expect(tooWide).toEqual([]);
  });

  test("can be used by keyboard: the focus follows, and comes back from questions", async ({ person, join, tab }) => {
    await join(person, `home:${person}`, "TV", "Phone");
    await tab.open();
    await tab.signIn(person);
    await tab.hasItems("Devices", 2);
    expect(await tab.focused()).toBe("Your devices");

    const remove = tab.page.getByRole("button", { name: "Remove TV" });
    await remove.press("Enter");
    await tab.dialog.waitFor();
    expect(await tab.dialog.evaluate((dialog) => dialog.contains(document.activeElement))).toBe(true);
    await tab.page.keyboard.press("Escape");
    await tab.dialog.waitFor({ state: "detached" });
    expect(await tab.focused()).toBe("Remove TV");

    await tab.page.getByRole("button", { name: "Rename TV" }).press("Enter");
    await tab.dialog.getByLabel("Name").fill("Kitchen");
    await tab.page.keyboard.press("Enter");
    await tab.hears("The device is called Kitchen now.");
    await tab.page.getByRole("button", { name: "Rename Kitchen" }).waitFor();
    expect(await tab.focused()).toBe("Rename Kitchen");

    await tab.page.getByRole("button", { name: "Remove Kitchen" }).press("Enter");
    await tab.dialog.getByRole("button", { name: "Remove" }).press("Enter");
    await tab.hasItems("Devices", 1);
    expect(await tab.focused()).toBe("Your devices");
  });

  test("shows the names of devices as text", async ({ person, join, tab }) => {
    await join(person, `home:${person}`, HOSTILE, "TV");
    await tab.open();
    await tab.signIn(person);
    await tab.items("Devices").getByText(HOSTILE).waitFor();
    await tab.press("Remove all others…");
    await tab.dialog.getByRole("option", { name: HOSTILE }).waitFor({ state: "attached" });
    expect(await tab.page.locator("img, body script").count()).toBe(0);
    expect(await tab.page.evaluate(() => "hostile" in globalThis)).toBe(false);
  });
});

describe("the owners' page, beside the operators' console", () => {
  test("has the console's token out of its tab before it does anything", async ({ household: { server }, tab }) => {
    await tab.page.goto(`${server.url}/console`);
    await tab.page.getByLabel("Operator token").fill(server.adminToken);
    await tab.press("Sign in");
    await tab.page.getByRole("button", { name: "Sign out" }).waitFor();
    expect(await tab.kept()).toContain(server.adminToken);
    const sent: string[] = [];
    tab.page.on("request", async (request) =>
      sent.push(JSON.stringify([request.url(), request.headers(), request.postData()])),
    );
    await tab.open();
    await tab.page.getByRole("button", { name: "Sign in with" }).waitFor();
    expect(await tab.kept()).toBe('[[],[],""]');
    expect(sent.length).toBeGreaterThan(2);
    expect(sent.join()).not.toContain(server.adminToken);
  });

  test("reaches no window of the console, nor does the console reach its own", async ({
    household: { server },
    tab,
  }) => {
    await tab.open();
    for (const [from, to] of [
      ["/devices", "/console"],
      ["/console", "/devices"],
    ]) {
      await tab.page.goto(server.url + from);
      const opened = tab.page.context().waitForEvent("page");
      await tab.page.evaluate((url) => {
        Object.assign(globalThis, { opened: open(url) });
      }, to as string);
      const other = await opened;
      await other.waitForURL(server.url + to);
      expect(await tab.page.evaluate(() => (globalThis as unknown as { opened: Window }).opened.closed)).toBe(true);
      expect(await other.evaluate(() => opener)).toBeNull();
      await other.close();
    }
  });

  test("runs no script but its own files, and makes no markup of text", async ({ tab }) => {
    await tab.open();
    await tab.page.getByRole("button", { name: "Sign in with" }).waitFor();
    const outcome = await tab.page.evaluate(async () => {
      const attempt = (work: () => unknown) => {
        try {
          work();
          return "done";
        } catch (error) {
          return (error as Error).name;
        }
      };
      const results: Record<string, string> = {};
      const script = document.createElement("script");
      results.text = attempt(() => (script.textContent = "globalThis.ran = true"));
      results.markup = attempt(() => (document.body.innerHTML = "<p>hello</p>"));
      results.worker = attempt(() => new Worker("/owner-page/owner-page.js"));
      results.serviceWorker = await navigator.serviceWorker.register("/owner-page/owner-page.js" as string).then(
        () => "done",
        (error) => error.name,
      );
      results.elsewhere = await fetch("https://evil.example/").then(
        () => "done",
        (error) => error.name,
      );
      results.ran = String("ran" in globalThis);
      return results;
    });
    expect(outcome).toEqual({
      text: "TypeError",
      markup: "TypeError",
      worker: "TypeError",
      serviceWorker: "TypeError",
      elsewhere: "TypeError",
      ran: "false",
    });
    await expect.poll(() => tab.complaints.join()).toContain("connect-src");
    // Those were of this test.
    tab.complaints.length = 0;
  });
});
