import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium } from "playwright-core";

/** Where Debian's package puts it; `CHROMIUM` names another. */
const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

const ARGUMENTS = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];

/** The folder that a browser keeps between two starts. */
export type Profile = {
  /** Starts a browser with it; the one before must have ended. */
  start(): Promise<BrowserContext>;
  /** Ends the browser, and removes everything it kept. */
  remove(): Promise<void>;
};

/** An empty profile. */
export function newProfile(): Profile {
  if (!existsSync(EXECUTABLE)) {
    throw new Error(`There is no ${EXECUTABLE}: install Chromium, or say in CHROMIUM where it is.`);
  }
  const directory = mkdtempSync(join(tmpdir(), "chromium-"));
  let browser: BrowserContext | undefined;
  return {
    async start() {
      browser = await chromium.launchPersistentContext(directory, { executablePath: EXECUTABLE, args: ARGUMENTS });
      return browser;
    },
    async remove() {
      await browser?.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Ends a browser in mid-air: nothing in it is given the time to finish. */
export async function crash(browser: BrowserContext): Promise<void> {
  const ended = new Promise((resolve) => browser.once("close", resolve));
  const session = await browser.browser()?.newBrowserCDPSession();
  // The answer to this never comes.
  session?.send("Browser.crash").catch(() => {});
  await ended;
}
