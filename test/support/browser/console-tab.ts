import type { Page } from "playwright-core";
import { PageTab } from "./page-tab.ts";
import type { Site } from "./site.ts";

/** A tab with the operators' console. */
export class ConsoleTab extends PageTab {
  readonly #url: string;

  constructor(page: Page, site: Pick<Site, "url">) {
    super(page, site.url);
    this.#url = site.url;
  }

  /** Loads the console at a place, signing in on the way unless there is no token. */
  async open(place: string, token: string | null): Promise<void> {
    await this.page.goto(`${this.#url}/console${place}`);
    if (token !== null) await this.signIn(token);
  }

  async signIn(token: string): Promise<void> {
    await this.page.getByLabel("Operator token").fill(token);
    await this.press("Sign in");
  }

  /** Goes to a view of the domain that the console shows. */
  async view(name: string): Promise<void> {
    await this.page.getByRole("navigation", { name: "Views of the domain" }).getByRole("link", { name }).click();
    await this.page.getByRole("heading", { name, level: 2 }).waitFor();
    await this.settled();
  }
}
