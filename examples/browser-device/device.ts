// A device that the browser keeps: its keys rest in IndexedDB, and no script can read them.
import { DeviceDomain, DeviceDomainError, IndexedDbStore } from "device-domain-server/client";

const query = new URLSearchParams(location.search);
const domainUrl = query.get("domain") ?? "http://localhost:8787/domains/den";
const licenceServer = query.get("licences") ?? "http://localhost:8788";
const FILM = "film-1";

const element = (id: string) => document.getElementById(id) as HTMLElement;
const say = (line: string) => element("log").append(`${line}\n`);

const device = await DeviceDomain.open(domainUrl, { store: new IndexedDbStore(), deviceName: "Browser example" });
const show = () => {
  const { status, currentKeyVersion } = device;
  element("status").textContent = status === "member" ? `member, key version ${currentKeyVersion}` : status;
};
// Tells of what other tabs do, too.
device.onChange(show);
show();

on("join", async () => {
  const { newMember } = await device.join();
  say(newMember ? "Joined." : "Was a member already.");
});

on("watch", async () => {
  const response = await fetch(`${licenceServer}/licences/${FILM}`, {
    method: "POST",
    headers: { authorization: `Bearer ${device.domainToken ?? ""}` },
  });
  if (!response.ok) throw new Error(`The licence server says ${response.status}.`);
  const { keys } = JSON.parse(new TextDecoder().decode(await opened(await response.text()))) as Licence;
  for (const { kid, intendedTrackType } of keys) say(`${FILM}: ${intendedTrackType} plays with key ${kid}.`);
});

on("leave", async () => {
  await device.leave();
  say("Left.");
});

type Licence = Readonly<{ keys: readonly Readonly<{ kid: string; k: string; intendedTrackType: string }>[] }>;

/** Opens a licence. Its key may be newer than this device's last renewal. */
async function opened(licence: string): Promise<Uint8Array> {
  try {
    return await device.decrypt(licence);
  } catch (error) {
    if (!(error instanceof DeviceDomainError) || error.error !== "KEY_NOT_HELD") throw error;
    await device.renew();
    return device.decrypt(licence);
  }
}

function on(button: string, act: () => Promise<void>): void {
  element(button).addEventListener("click", () => {
    act().catch((error) => say(error.message));
  });
}
