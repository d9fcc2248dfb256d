import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";

/** A tab with a page of the server, used as people do: by what is written there. */
export class PageTab {
  readonly page: Page;
  /** The faults that the browser found: uncaught errors, breaches of the page's policy, and requests to elsewhere. */
  readonly complaints: string[] = [];

  /** @param others the origins that the page may ask besides its own, and whose pages it may lead to */
  constructor(page: Page, origin: string, others: readonly string[] = []) {
    this.page = page;
    const complain = (complaint: string) => {
      // What happens on the pages of others is not of interest.
      if (!others.some((other) => page.url().startsWith(`${other}/`))) this.complaints.push(complaint);
    };
    page.on("pageerror", (error) => complain(String(error)));
    page.on("console", (message) => {
      // A refusal by the server is no fault of the page.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complain(message.text());
    });
    page.on("request", (request) => {
      const asked = new URL(request.url());
      if (![origin, ...others].includes(asked.origin) && asked.protocol !== "data:") {
        complain(`a request to ${request.url()}`);
      }
    });
  }

  press(name: string, timeout = 30_000): Promise<void> {
    return this.page.getByRole("button", { name, exact: true }).click({ timeout });
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

  /** Waits until a field is marked with what is wrong with it. */
  async isMarked(text: string): Promise<void> {
    await this.page.locator(".fault:visible").getByText(text).first().waitFor();
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

  /** Waits until a table has so many rows. */
  async hasRows(table: string, count: number): Promise<void> {
    const rows = this.page.getByRole("table", { name: table }).locator("tbody tr");
    await expect.poll(() => rows.count(), { timeout: 30_000 }).toBe(count);
  }

  /** Waits until nothing more is being loaded. */
  async settled(): Promise<void> {
    await this.page.locator('[aria-busy="true"], .progress').first().waitFor({ state: "detached" });
  }

  /** The text, or the label, of the element with the focus. */
  focused(): Promise<string | null> {
    return this.page.evaluate(() => {
      const element = document.activeElement;
      return element?.getAttribute("aria-label") ?? element?.textContent ?? null;
    });
  }
}
