import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";
import type { Site } from "./site.ts";

/** A tab with the operators' console, used as an operator does: by what is written there. */
export class ConsoleTab {
  readonly page: Page;
  /** What the browser found fault with: uncaught errors, breaches of the page's policy, and requests to elsewhere. */
  readonly complaints: string[] = [];
  readonly #site: Site;

  constructor(page: Page, site: Site) {
    this.page = page;
    this.#site = site;
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      // A refusal by the server is no fault of the page.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
        this.complaints.push(message.text());
      }
    });
    page.on("request", (request) => {
      const { protocol, origin } = new URL(request.url());
      if (origin !== site.url && protocol !== "data:") this.complaints.push(`a request to ${request.url()}`);
    });
  }

  /** Loads the console at a place, signing in on the way unless there is no token. */
  async open(place: string, token: string | null): Promise<void> {
    await this.page.goto(`${this.#site.url}/console${place}`);
    if (token !== null) await this.signIn(token);
  }

  async signIn(token: string): Promise<void> {
    await this.page.getByLabel("Admin token").fill(token);
    await this.press("Sign in");
  }

  /** Goes to a view of the domain that the console shows. */
  async view(name: string): Promise<void> {
    await this.page.getByRole("navigation", { name: "Views of the domain" }).getByRole("link", { name }).click();
    await this.page.getByRole("heading", { name, level: 2 }).waitFor();
    await this.settled();
  }

  press(name: string): Promise<void> {
    return this.page.getByRole("button", { name, exact: true }).click();
  }

  /** The question that is asked at the moment. */
  get dialog(): Locator {
    return this.page.getByRole("dialog");
  }

  /** Answers it. */
  answer(name: string): Promise<void> {
    return this.dialog.getByRole("button", { name, exact: true }).click();
  }

  /** Waits until the console says that something was done. */
  async hears(text: string): Promise<void> {
    await this.page.locator(".outcome-region").getByText(text).waitFor();
  }

  /** Waits until the console shows what the server refused something with. */
  async isRefused(text: string): Promise<void> {
    await this.page.getByRole("alert").getByText(text).first().waitFor();
  }

  /** Waits until the console shows some text. */
  async shows(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).first().waitFor();
  }

  /** The items of a list, by its name. */
  items(list: string): Locator {
    return this.page.getByRole("list", { name: list, exact: true }).locator("> li");
  }

  /** Waits until a list has so many items. */
  async hasItems(list: string, count: number): Promise<void> {
    await expect.poll(() => this.items(list).count(), { timeout: 30_000 }).toBe(count);
  }

  /** Waits until nothing more is being loaded. */
  async settled(): Promise<void> {
    await this.page.locator('[aria-busy="true"], .progress').first().waitFor({ state: "detached" });
  }

  /** What has the focus: its text, or its label. */
  focused(): Promise<string | null> {
    return this.page.evaluate(() => {
      const element = document.activeElement;
      return element?.getAttribute("aria-label") ?? element?.textContent ?? null;
    });
  }
}
