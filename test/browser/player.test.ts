import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { freePort } from "../../scripts/ports.ts";
import { newProfile, type Profile } from "../support/browser/chromium.ts";
import { typeErrors } from "../support/node/examples.ts";

/** The global of Shaka Player in the page, as far as this test uses it. */
declare const shaka: {
  Player: new () => {
    attach(video: HTMLVideoElement): Promise<void>;
    configure(options: object): void;
    load(manifest: string): Promise<void>;
  };
};

let demo: ChildProcess;
let url: string;
let profile: Profile;
let browser: BrowserContext;
let page: Page;
beforeAll(async () => {
  const port = await freePort();
  let output = "";
  demo = spawn("npm", ["run", "--silent", "demo:player"], {
    env: { ...process.env, PORT: String(port) },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [demo.stdout, demo.stderr]) stream?.on("data", (chunk) => (output += chunk));
  profile = newProfile();
  browser = await profile.start();
  await vi.waitFor(() => expect(output).toContain("The player is at"), { timeout: 300_000, interval: 200 });
  url = `http://127.0.0.1:${port}`;
}, 310_000);
afterAll(async () => {
  await profile?.remove();
  // npm's whole group: npm itself does not pass signals on.
  process.kill(-(demo.pid as number), "SIGTERM");
  if (demo.exitCode === null && demo.signalCode === null) await once(demo, "exit");
});

const press = (device: string, button: string) => page.locator(`#${device} button.${button}`).click();
const notice = (device: string) => page.locator(`#${device} p.notice`);

/** The number of frames that a device's screen has shown of what it plays. */
function frames(device: string): Promise<number> {
  return page.evaluate(
    (id) => document.querySelector<HTMLVideoElement>(`#${id} video`)?.getVideoPlaybackQuality().totalVideoFrames ?? 0,
    device,
  );
}

/** A picture of a device's screen: a page cannot read the pixels of an encrypted film, but the browser can. */
async function picture(device: string): Promise<string> {
  return (await page.locator(`#${device} video`).screenshot()).toString("base64");
}

/** Expects that a film really plays: frames follow each other, and what is to be seen changes. */
async function expectPlays(device: string, episode: number): Promise<void> {
  await expectMessage(device, `Plays episode ${episode}.`);
  expect(await notice(device).isVisible()).toBe(false);
  const [before, first] = [await frames(device), await picture(device)];
  await vi.waitFor(async () => expect(await frames(device)).toBeGreaterThan(before + 10), { timeout: 30_000 });
  await vi.waitFor(async () => expect(await picture(device)).not.toEqual(first), { timeout: 30_000 });
}

/** Expects that a device shows nothing, and says why. */
async function expectDark(device: string, why: RegExp): Promise<void> {
  await notice(device).waitFor();
  expect(await notice(device).textContent()).toMatch(why);
  expect(await frames(device)).toBe(0);
}

async function expectMessage(device: string, message: string): Promise<void> {
  await page.locator(`#${device} .message`).getByText(message, { exact: true }).waitFor();
}

async function newPage(): Promise<void> {
  await page?.close();
  page = await browser.newPage();
  await page.goto(url);
  await page.locator("#laptop").waitFor();
}

describe("the player", () => {
  it("has types that hold", async () => {
    expect(await typeErrors("examples/player")).toBe("");
  });
});

describe("films on the devices of a domain", () => {
  beforeAll(newPage);

  it("play on its members", async () => {
    for (const device of ["tv", "tablet"]) {
      await press(device, "join");
      await expectMessage(device, "Holds key 1 of the domain.");
    }
    for (const device of ["tv", "tablet"]) await press(device, "episode-1");
    for (const device of ["tv", "tablet"]) await expectPlays(device, 1);
  });

  it("do not play on a device that never joined", async () => {
    await press("laptop", "episode-1");
    await expectDark("laptop", /Not for this device/);
  });

  it("play on no device that left, but those of its time", async () => {
    await press("phone", "join");
    await press("phone", "episode-1");
    await expectPlays("phone", 1);
    await press("phone", "leave");
    await expectMessage("phone", "Left, and erased the domain's keys.");
    for (const device of ["tv", "tablet", "phone"]) await press(device, "episode-2");
    for (const device of ["tv", "tablet"]) await expectPlays(device, 2);
    await expectDark("phone", /Not for this device/);
    await press("phone", "episode-1");
    await expectPlays("phone", 1);
  });

  it("play on a device that joins late, those of before, too", async () => {
    await press("laptop", "join");
    for (const episode of [1, 2]) {
      await press("laptop", `episode-${episode}`);
      await expectPlays("laptop", episode);
    }
  });

  it("play without the server, if their licence was kept", async () => {
    const box = page.locator("#server input");
    await press("laptop", "leave");
    await press("laptop", "join");
    await box.uncheck();
    await page.locator("#server input:enabled").waitFor();
    await press("tv", "episode-1");
    await expectPlays("tv", 1);
    await press("tv", "join");
    await notice("tv").waitFor();
    expect(await notice("tv").textContent()).toMatch(/does not answer/);
    await box.check();
    await page.locator("#server input:enabled").waitFor();
    await press("tv", "join");
    await expectMessage("tv", "Holds key 3 of the domain.");
  });

  it("do not play by another key, or by none", async () => {
    await press("laptop", "episode-2");
    const kid = "6d0f3c1e8a5b4f27b1c9e2d470a3f502";
    const keys = [{ [kid]: "00000000000000000000000000000001" }, {}];
    await page.evaluate(async (all) => {
      for (const [index, clearKeys] of all.entries()) {
        const video = document.createElement("video");
        video.id = `bare-${index}`;
        video.muted = true;
        document.body.append(video);
        const player = new shaka.Player();
        await player.attach(video);
        player.configure({ drm: { clearKeys } });
        player
          .load("media/episode-2.mpd")
          .then(() => video.play())
          .catch(() => {});
      }
    }, keys);
    // As long as a device that has the key takes to show a second of it.
    await vi.waitFor(async () => expect(await frames("laptop")).toBeGreaterThan(15), { timeout: 30_000 });
    for (const index of [0, 1]) {
      const shown = await page.evaluate(
        (id) => (document.getElementById(id) as HTMLVideoElement).getVideoPlaybackQuality().totalVideoFrames,
        `bare-${index}`,
      );
      expect(shown).toBe(0);
    }
  });
});

describe("the story", () => {
  beforeAll(newPage);

  it("tells itself, step by step", async () => {
    const next = page.locator("#next:enabled");
    const titles: (string | null)[] = [];
    for (;;) {
      const title = await next.textContent();
      if (title === "Start over") break;
      titles.push(title);
      await next.click();
      await page.locator("#next:enabled").waitFor();
    }
    expect(titles).toHaveLength(8);
    for (const device of ["tv", "tablet", "laptop"]) await expectPlays(device, 2);
    await expectPlays("phone", 1);
    expect(await page.locator("#phone .status").textContent()).toBe("left");
  });
});
