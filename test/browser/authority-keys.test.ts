import { readFileSync, writeFileSync } from "node:fs";
import { expect, onTestFinished } from "vitest";
import { newSigningKey } from "../../scripts/local-secrets.ts";
import { test } from "../support/browser/stage.ts";
import { openDevice } from "../support/browser/tabs.ts";

test("a page takes a new key of the domain authority at once, whatever the browser has cached", async ({
  site,
  domain,
  openDeviceTab,
}) => {
  const tab = await openDeviceTab();
  await tab.evaluate(() => device.join());
  const key = await newSigningKey();
  let before = "";
  await site.restart((file) => {
    before = readFileSync(file, "utf8");
    const secrets = before.replace(/^DOMAIN_AUTHORITY_KEYS=(.*)$/m, (_, set) => {
      return `DOMAIN_AUTHORITY_KEYS=${JSON.stringify({ keys: [key, ...JSON.parse(set).keys] })}`;
    });
    writeFileSync(file, secrets);
  });
  // The licence servers of later tests know the key from before.
  onTestFinished(() => site.restart((file) => writeFileSync(file, before)));
  await tab.reload();
  await openDevice(tab, domain);
  expect(await tab.evaluate(() => outcome(device.join()))).toEqual({ value: { newMember: false, keyVersion: 1 } });
});
