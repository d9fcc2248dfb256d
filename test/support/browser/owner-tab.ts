import type { Page } from "playwright-core";
import { PageTab } from "./page-tab.ts";

/** The key under which the page keeps its session. */
const SESSION = "device-domains-owner";

/** A tab with the owners' page. */
export class OwnerTab extends PageTab {
  readonly #server: string;
  readonly #issuer: string;

  constructor(page: Page, server: string, issuer: string) {
    super(page, server, [issuer]);
    this.#server = server;
    this.#issuer = issuer;
  }

  /** Loads the page, for a domain if there is one in the query. */
  async open(query = ""): Promise<void> {
    // The issuer's pages would ask for a font of somebody else.
    await this.page.route(
      (url) => ![this.#server, this.#issuer].includes(url.origin),
      (route) => route.abort(),
    );
    await this.page.goto(`${this.#server}/devices${query}`);
  }

  /** Begins a sign-in, and waits for the issuer's page. */
  async begin(): Promise<void> {
    await this.press(`Sign in with ${new URL(this.#issuer).host}`);
    await this.page.waitForURL(`${this.#issuer}/**`);
  }

  /** Signs in as somebody, and lets the page have what it asks for. */
  async signIn(name: string): Promise<void> {
    await this.begin();
    await this.page.getByPlaceholder("Enter any login").fill(name);
    await this.page.getByPlaceholder("and password").fill("any");
    await this.press("Sign-in");
    await this.press("Continue");
    await this.page.waitForURL(`${this.#server}/**`);
  }

  /** Refuses what the page asks for. */
  async cancel(): Promise<void> {
    await this.page.getByRole("link", { name: "Cancel" }).click();
    await this.page.waitForURL(`${this.#server}/**`);
  }

  /** The content of the tab's storage, and of all other storage that outlives the page. */
  kept(): Promise<string> {
    return this.page.evaluate(() =>
      JSON.stringify([Object.entries(sessionStorage), Object.entries(localStorage), document.cookie]),
    );
  }

  /** Has the tab be signed in with a token. @param endsAt when it ends, as the page was told */
  async plant(token: string, endsAt: number | null): Promise<void> {
    await this.page.evaluate(([key, text]) => sessionStorage.setItem(key, text), [
      SESSION,
      JSON.stringify({ session: { token, endsAt } }),
    ] as const);
    await this.page.reload();
  }

  /** The addresses that the tab can go back to, and forward. */
  async history(): Promise<string[]> {
    const session = await this.page.context().newCDPSession(this.page);
    const { entries } = await session.send("Page.getNavigationHistory");
    return entries.map(({ url }) => url);
  }
}
