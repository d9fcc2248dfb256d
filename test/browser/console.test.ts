import { describe, expect } from "vitest";
import { joinedDevice, joinUnsigned } from "../support/browser/console-devices.ts";
import { test } from "../support/browser/stage.ts";

describe("the console", () => {
  test("serves an operator for a day", async ({ site, domain, openConsole }) => {
    const tab = await openConsole("", null);
    await tab.signIn("an-admin-token-of-another-server-entirely");
    await tab.isRefused("ADMIN_AUTHENTICATION_REQUIRED");
    await tab.signIn(site.adminToken);
    await tab.page.getByRole("heading", { name: "Domains" }).waitFor();

    await tab.press("New domain…");
    await tab.dialog.getByLabel("Name").fill(".hidden");
    await tab.answer("Create");
    await tab.isMarked("Name must begin and end with a letter or digit.");
    await tab.dialog.getByLabel("Name").fill(domain.name);
    await tab.answer("Create");
    await tab.hears(`${domain.name} was created.`);
    await tab.page.getByRole("heading", { name: domain.name, level: 1 }).waitFor();

    await tab.page.getByLabel("Maximum of members").fill("2.5");
    await tab.press("Save");
    await tab.isMarked("Maximum of members must be an integer.");
    await tab.page.getByLabel("Maximum of members").fill("2");
    await tab.press("Save");
    await tab.hears("The settings are saved.");
    expect(await domain.overview()).toMatchObject({ maxMembership: 2, authNamespace: null });

    const tv = await joinedDevice(domain);
    const phone = await joinedDevice(domain);
    await expect(joinedDevice(domain)).rejects.toMatchObject({ error: "DOM_LIMIT_REACHED" });

    await tab.view("Members");
    await tab.hasItems("Members", 2);
    await tab.page.getByLabel("Find by machine GUID").fill(tv.machineGuid);
    await tab.press("Find");
    await tab.hasItems("Found", 1);
    await tab.items("Found").getByText(tv.machineGuid).waitFor();
    await tab.press(`Evict ${tv.machineGuid}`);
    await tab.answer("Evict");
    await tab.hears("The device is evicted.");
    await tab.hasItems("Members", 1);
    expect(await domain.overview()).toMatchObject({ memberCount: 1 });
    await tab.press("Find");
    await tab.isRefused("No member of this domain has this GUID or id");

    await tab.press(`Ban ${phone.machineGuid.slice(0, 8)}…`);
    await tab.dialog.getByLabel("Reason").fill("It was sold with its keys.");
    await tab.answer("Ban");
    await tab.hears("The device is banned.");
    await tab.shows("The domain has no members. Devices join by themselves; under “Try it”, this browser can.");
    await expect(phone.join()).rejects.toMatchObject({ error: "DEVICE_BANNED" });

    await tab.view("Bans");
    await tab.hasItems("Bans", 1);
    await tab.items("Bans").getByText("It was sold with its keys.").waitFor();
    await tab.press(`Lift the ban of ${phone.machineGuid.slice(0, 8)}…`);
    await tab.answer("Lift the ban");
    await tab.hears("The ban is lifted.");
    await tab.shows("Nobody is banned.");
    expect(await phone.join()).toEqual({ newMember: true, keyVersion: 2 });

    await tab.view("Keys");
    await tab.hasItems("Keys", 2);
    await tab.press("Roll over…");
    await tab.answer("Roll over");
    await tab.hears("There is a new key.");
    await tab.hasItems("Keys", 3);
    await tab.press("Roll over…");
    await tab.dialog.getByLabel("At the next registration").check();
    await tab.answer("Roll over");
    await tab.shows("A rollover is due");
    expect(await domain.overview()).toMatchObject({ keyVersion: 3, keyRolloverRequired: true });

    await tab.view("Log");
    for (const sentence of [
      "A rollover was asked for by admin-token",
      "Key 3 was made by admin-token",
      "maximum of members: none 2",
      "The domain came into being",
    ]) {
      await tab.shows(sentence);
    }
    const log = (await tab.page.getByRole("list", { name: "Log" }).textContent()) ?? "";
    expect(log.match(/ joined/g)).toHaveLength(3);
    expect(log.match(/ was evicted by admin-token/g)).toHaveLength(2);
    expect(log).toMatch(/ was banned by admin-token.?It was sold with its keys\./);

    await tab.view("Overview");
    await tab.page.getByRole("img", { name: "3 joined 2 left or were removed" }).waitFor();
    await tab.shows("of 2 at most");
  });

  test("keeps the place and the sign-in over a reload, and nothing after a sign-out", async ({
    site,
    domain,
    openConsole,
  }) => {
    await joinUnsigned(domain, 1);
    const tab = await openConsole(`#/domains/${domain.name}/members`);
    await tab.hasItems("Members", 1);
    await tab.page.reload();
    await tab.hasItems("Members", 1);
    expect(await tab.page.title()).toContain(domain.name);

    const other = await openConsole(`#/domains/${domain.name}/members`, null);
    await other.page.getByLabel("Operator token").waitFor();

    await tab.press("Sign out");
    await tab.page.getByLabel("Operator token").waitFor();
    await tab.page.reload();
    await tab.page.getByLabel("Operator token").waitFor();
    const kept = await tab.page.evaluate(() =>
      JSON.stringify([Object.entries(sessionStorage), Object.entries(localStorage), document.cookie]),
    );
    expect(kept).not.toContain(site.adminToken);
  });

  test("goes through long lists page by page", async ({ domain, openConsole }) => {
    await joinUnsigned(domain, 60);
    const tab = await openConsole(`#/domains/${domain.name}/members`);
    await tab.hasItems("Members", 50);
    await tab.press("More");
    await tab.hasItems("Members", 60);
    expect(await tab.page.getByRole("button", { name: "More" }).count()).toBe(0);
  });

  test("finds domains by the beginning of their names", async ({ domain, openConsole }) => {
    await domain.configure({});
    const tab = await openConsole("#/domains");
    await tab.page.getByLabel("Name begins with").fill(domain.name);
    await tab.press("Search");
    await tab.hasRows("Domains", 1);
    await tab.page.goBack();
    await tab.page.goForward();
    await tab.hasRows("Domains", 1);
    await tab.page.getByLabel("Name begins with").fill(`${domain.name}x`);
    await tab.press("Search");
    await tab.shows("No matching domains.");
  });

  test("says how far the database is behind, where that matters", async ({ domain, openConsole }) => {
    await domain.configure({});
    const tab = await openConsole(`#/domains/${domain.name}/overview`);
    await tab.shows("The database has revision 1, the newest.");
    await tab.page.route(`**/admin/domains/${domain.name}`, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ json: { ...(await response.json()), copiedRevision: 0, copySecondsBehind: 75 } });
    });
    await tab.page.reload();
    await tab.shows("The database has revision 0 and is 75 seconds behind.");

    let copy: object | null = { domains: 1, seconds: 0.2 };
    await tab.page.route("**/health", (route) => route.fulfill({ status: 503, json: { status: "failing", copy } }));
    await tab.page.getByRole("navigation", { name: "Breadcrumb" }).getByRole("link", { name: "Domains" }).click();
    await reloadList();
    expect(await tab.page.getByText("may be old").count()).toBe(0);
    copy = { domains: 3, seconds: 90.4 };
    await reloadList();
    await tab.shows("This list may be old: the database is 90 seconds behind.");
    copy = null;
    await reloadList();
    await tab.shows("it is not known how far the database is behind");

    async function reloadList() {
      const asked = tab.page.waitForResponse("**/health");
      await tab.page.reload();
      await asked;
      await tab.page.getByRole("table", { name: "Domains" }).waitFor();
      await tab.settled();
    }
  });

  test("tells what happens to the keys of a domain, and where it came from", async ({ domain, openConsole }) => {
    await domain.configure({});
    const tab = await openConsole(`#/domains/${domain.name}/overview`);
    const settings = { authenticationRequired: false, authNamespace: null, maxMembership: null };
    const changes = [
      { type: "domain-taken-over", settings, keyVersion: 4, retiredUpTo: 0, memberCount: 12 },
      { type: "keys-rewrapped", keyEncryptionKid: "kek-2", keys: 4 },
      { type: "keys-retired", by: "admin-token", upTo: 3, previous: 0 },
      { type: "keys-retired", by: "admin-token", upTo: 0, previous: 3 },
    ];
    await tab.page.route(`**/admin/domains/${domain.name}/log*`, (route) => {
      const entry = { revision: 1, committedAt: "2026-11-23T16:33:59.000Z", hash: "47DEQpj8HBSa-_TIm", changes };
      return route.fulfill({ json: { entries: [entry], nextCursor: null } });
    });
    await tab.view("Log");
    for (const sentence of [
      "The domain was taken over from the database, with 12 members and key version 4",
      "4 keys were wrapped with kek-2",
      "Keys up to 3 were retired by admin-token",
      "No keys are retired any more by admin-token",
    ]) {
      await tab.shows(sentence);
    }
  });

  test("does not replace a domain that exists by a new one", async ({ domain, openConsole }) => {
    await domain.configure({ maxMembership: 7 });
    const tab = await openConsole("#/domains");
    await tab.press("New domain…");
    await tab.dialog.getByLabel("Name").fill(domain.name);
    await tab.answer("Create");
    await tab.isRefused("Domain already exists");
    expect(await domain.overview()).toMatchObject({ maxMembership: 7 });
  });

  test("does not replace a domain that another operator makes at the same time", async ({ domain, openConsole }) => {
    const tab = await openConsole("#/domains");
    await tab.page.route(`**/admin/domains/${domain.name}`, async (route) => {
      if (route.request().method() === "PUT") await domain.configure({ maxMembership: 7 });
      await route.continue();
    });
    await tab.press("New domain…");
    await tab.dialog.getByLabel("Name").fill(domain.name);
    await tab.answer("Create");
    await tab.isRefused("Domain already exists");
    expect(await domain.overview()).toMatchObject({ maxMembership: 7 });
  });

  test("shows the server's words for a domain that does not exist", async ({ domain, openConsole }) => {
    const tab = await openConsole(`#/domains/${domain.name}`);
    await tab.isRefused("Domain not found");
    await tab.isRefused("DOMAIN_NOT_FOUND");
  });

  test("ends the session when the server takes the token no more", async ({ domain, openConsole }) => {
    await domain.configure({});
    const tab = await openConsole(`#/domains/${domain.name}`);
    await tab.shows("no maximum");
    await tab.page.evaluate(() => sessionStorage.setItem("device-domains-console", "revoked"));
    await tab.page.reload();
    await tab.isRefused("ADMIN_AUTHENTICATION_REQUIRED");
    await tab.page.getByLabel("Operator token").waitFor();
  });

  test("is a device itself to try the domain with", async ({ domain, openConsole }) => {
    await domain.configure({ deviceKeyRequired: true });
    const tab = await openConsole(`#/domains/${domain.name}/try`);
    await tab.press("Encrypt to the domain");
    await tab.shows("A licence server encrypted the secret to the domain's current key.");
    expect(await domain.overview()).toMatchObject({ memberCount: 0, keyVersion: 1 });
    await tab.press("Open the secret");
    await tab.isRefused("NOT_A_MEMBER");
    await tab.press("Join");
    await tab.shows("The device joined. It is a new member, and holds the keys up to version 1.");
    expect(await domain.overview()).toMatchObject({ memberCount: 1 });
    await tab.page.getByLabel("Secret").fill("a film's key");
    await tab.press("Encrypt to the domain");
    await tab.press("Open the secret");
    await tab.shows("The device opened it, and reads:");
    await tab.page.getByRole("list", { name: "What happened" }).getByText("a film's key").waitFor();

    await tab.page.reload();
    await tab.shows("a member");
    await tab.press("Renew");
    await tab.shows("The device renewed.");
    await tab.press("Leave");
    await tab.shows("The device left, and forgot its keys.");
    await tab.shows("no longer a member");
    expect(await domain.overview()).toMatchObject({ memberCount: 0 });
  });
});

describe("the console, by keyboard", () => {
  test("takes the focus along, and gives it back after a question", async ({ site, domain, openConsole }) => {
    await joinUnsigned(domain, 2);
    const tab = await openConsole(`#/domains?prefix=${domain.name}`, null);
    const { keyboard } = tab.page;
    await keyboard.press("Tab");
    await keyboard.press("Tab");
    await keyboard.type(site.adminToken);
    await keyboard.press("Enter");
    await tab.hasRows("Domains", 1);
    expect(await tab.focused()).toBe("Domains");

    await tab.page.getByRole("link", { name: domain.name }).press("Enter");
    await tab.shows("no maximum");
    expect(await tab.focused()).toBe(domain.name);
    await tab.page.getByRole("link", { name: "Members" }).press("Enter");
    await tab.hasItems("Members", 2);
    expect(await tab.focused()).toBe("Members");

    const evict = tab.items("Members").first().getByRole("button", { name: "Evict" });
    const label = await evict.getAttribute("aria-label");
    await evict.press("Enter");
    await tab.dialog.waitFor();
    expect(await tab.dialog.evaluate((dialog) => dialog.contains(document.activeElement))).toBe(true);
    await keyboard.press("Escape");
    await tab.dialog.waitFor({ state: "detached" });
    expect(await tab.focused()).toBe(label);
    expect(await domain.overview()).toMatchObject({ memberCount: 2 });

    await evict.press("Enter");
    await tab.dialog.getByRole("button", { name: "Evict" }).press("Enter");
    await tab.hasItems("Members", 1);
    expect(await tab.focused()).toBe("Members");
  });
});
