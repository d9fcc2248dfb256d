import type { ConsoleTab } from "./console-tab.ts";

/** Every view of a domain, by what its link says. */
export const DOMAIN_VIEWS = ["Overview", "Settings", "Members", "Bans", "Keys", "Log", "Try it"] as const;

/** Shows every view and question of the console one after the other, with what to do at each. */
export async function tour(tab: ConsoleTab, token: string, domain: string, at: (view: string) => Promise<void>) {
  await at("the sign-in");
  await tab.signIn("no-admin-token-of-this-server-at-all-is-this");
  await tab.isRefused("ADMIN_AUTHENTICATION_REQUIRED");
  await at("a refused sign-in");
  await tab.signIn(token);
  await tab.page.getByRole("heading", { name: "Domains" }).waitFor();
  await tab.settled();
  await at("the domains");
  await asked(tab, "New domain…", at);
  await tab.page.getByRole("link", { name: domain }).click();
  for (const view of DOMAIN_VIEWS) {
    await tab.view(view);
    if (view === "Overview") await tab.page.getByText("As a table").click();
    if (view === "Try it") {
      await tab.press("Encrypt to the domain");
      await tab.shows("A licence server encrypted the secret");
    }
    await at(view);
    if (view === "Members") await tab.page.getByLabel("Select all shown").check();
    for (const question of QUESTIONS[view] ?? []) await asked(tab, question, at);
  }
  await tab.page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Devices" }).click();
  await tab.page.getByLabel("Find by machine GUID").fill(crypto.randomUUID());
  await tab.press("Find");
  await tab.settled();
  await at("the devices");
  await asked(tab, "Ban from all domains…", at);
  await tab.page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Domains" }).click();
  await tab.page.getByRole("link", { name: domain }).click();
}

const QUESTIONS: Readonly<Record<string, readonly (string | RegExp)[]>> = {
  Settings: ["Delete the domain…"],
  Members: ["Evict selected…", "Ban selected…", /^Evict [^s]/, /^Ban [^s]/],
  Bans: ["Ban a device…", /^Lift the ban/],
  Keys: ["Roll over…", "Retire old keys…"],
};

async function asked(tab: ConsoleTab, button: string | RegExp, at: (view: string) => Promise<void>): Promise<void> {
  await tab.page.getByRole("button", { name: button }).first().click();
  await tab.dialog.waitFor();
  await at(`the question of ${button}`);
  await tab.answer("Cancel");
  await tab.dialog.waitFor({ state: "detached" });
}
