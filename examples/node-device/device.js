// A device that keeps itself and its licences in files.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { DeviceDomain, DeviceDomainError, DomainServerError } from "device-domain-server/client";
import { FileStore } from "device-domain-server/client/file-store";

const { DOMAIN_URL = "http://localhost:8787/domains/den", LICENCE_SERVER = "http://localhost:8788" } = process.env;
const LICENCES = new URL("licences/", import.meta.url);

const store = new FileStore(fileURLToPath(new URL("device", import.meta.url)));
const device = await DeviceDomain.open(DOMAIN_URL, { store, deviceName: "Node example" });

const COMMANDS = {
  async join() {
    const { keyVersion } = await device.join();
    console.log(`A member of ${DOMAIN_URL}, at key version ${keyVersion}.`);
  },
  async watch(film = "film-1") {
    const { keys } = JSON.parse(new TextDecoder().decode(await opened(await licenceOf(film))));
    for (const { kid, intendedTrackType } of keys) console.log(`${film}: ${intendedTrackType} plays with key ${kid}.`);
  },
  async leave() {
    // A device that leaves takes no licence with it.
    await device.leave({ beforeLeaving: () => rm(LICENCES, { recursive: true, force: true }) });
    console.log(`Left ${DOMAIN_URL}.`);
  },
};

/** The licence of a film: the one that was kept, so that it plays without a network; else a new one. */
async function licenceOf(film) {
  const file = new URL(`${encodeURIComponent(film)}.jwe`, LICENCES);
  const kept = await readFile(file, "utf8").catch(() => null);
  if (kept !== null) return kept;
  if (device.domainToken === null) throw new DeviceDomainError("NOT_A_MEMBER", "Join first: node device.js join");
  const response = await fetch(`${LICENCE_SERVER}/licences/${encodeURIComponent(film)}`, {
    method: "POST",
    headers: { authorization: `Bearer ${device.domainToken}` },
  });
  if (!response.ok) throw new Error(`The licence server says ${response.status}: ${await response.text()}`);
  const licence = await response.text();
  await mkdir(LICENCES, { recursive: true });
  await writeFile(file, licence);
  return licence;
}

/** What is in a licence. It may be for a key that was made since this device last renewed. */
async function opened(licence) {
  try {
    return await device.decrypt(licence);
  } catch (error) {
    if (!(error instanceof DeviceDomainError) || error.error !== "KEY_NOT_HELD") throw error;
    await device.renew();
    return device.decrypt(licence);
  }
}

const [name = "", ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : null;
try {
  if (!command) throw new Error("Usage: node device.js join | watch [film] | leave");
  await command(...args);
} catch (error) {
  // Branch on `error.error`, never on the message.
  const known = error instanceof DeviceDomainError || error instanceof DomainServerError;
  console.error(known ? `${error.error}: ${error.message}` : error.message);
  process.exitCode = 1;
}
