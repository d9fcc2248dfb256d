import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type DeviceChange, DeviceDomain, type DeviceDomainOptions, type OwnedDevice } from "../../src/client/index.ts";
import { encryptToDomain } from "../../src/licence/index.ts";
import { mintToken, newTestIssuers } from "../support/issuers.ts";
import { startServer, type TestServer } from "../support/node/server.ts";

const issuers = await newTestIssuers();
let server: TestServer;
let url: string;

/** A fresh token of a subscriber. */
const tokenOf = (sub: string) => () => mintToken("studio", issuers.keys.studio, { claims: { sub } });
const open = (options: DeviceDomainOptions = {}) => DeviceDomain.open(url, { authToken: tokenOf("alice"), ...options });
const namesOf = (devices: readonly OwnedDevice[]) => devices.map(({ name }) => name).sort();
const named = (devices: readonly OwnedDevice[], name: string) =>
  devices.find((each) => each.name === name) as OwnedDevice;
const read = async (device: DeviceDomain, secret: string) => new TextDecoder().decode(await device.decrypt(secret));

/** A new member with a name. */
async function member(deviceName: string): Promise<DeviceDomain> {
  const device = await open({ deviceName });
  await device.join();
  return device;
}

beforeAll(async () => {
  server = await startServer({ vars: { TRUSTED_ISSUERS: JSON.stringify(issuers.trusted) } });
});
afterAll(() => server?.stop());
beforeEach(async () => {
  url = `${server.url}/domains/home-${crypto.randomUUID()}`;
  await configure({ maxMembership: 3 });
});

/** Sets the rules of the domain, which belongs to alice. */
async function configure(more: object): Promise<void> {
  const settings = { authenticationRequired: true, authNamespace: "studio", ownerSubject: "alice", ...more };
  const response = await fetch(url.replace("/domains/", "/admin/domains/"), {
    method: "PUT",
    headers: { authorization: `Bearer ${server.adminToken}`, "content-type": "application/json" },
    body: JSON.stringify(settings),
  });
  expect(response.ok).toBe(true);
}

describe("the owner of a domain", () => {
  it("sees its devices, and names them for good", async () => {
    const [phone, tv] = [await member("Phone"), await member("TV")];
    const devices = await phone.devices();
    expect(namesOf(devices)).toEqual(["Phone", "TV"]);
    for (const { thisDevice, name, joinedAt, lastRenewedOn } of devices) {
      expect(thisDevice).toBe(name === "Phone");
      expect(Math.abs(Date.now() - joinedAt)).toBeLessThan(3_600_000);
      expect(lastRenewedOn).toMatch(/^\d{4}-\d\d-\d\d$/);
    }
    await phone.rename(named(devices, "TV"), "Living room");
    await tv.renew();
    expect(namesOf(await phone.devices())).toEqual(["Living room", "Phone"]);
    await phone.rename(named(devices, "TV").handle, null);
    expect(named(await phone.devices(), "Phone").thisDevice).toBe(true);
    expect((await phone.devices()).map(({ name }) => name)).toContain(null);
  });

  it("sees all of many devices", async () => {
    await configure({ maxMembership: null });
    const phone = await member("Phone");
    const headers = { authorization: `Bearer ${await tokenOf("alice")()}`, "content-type": "application/json" };
    const joins = Array.from({ length: 60 }, () =>
      fetch(`${url}/register`, {
        ...{ method: "POST", headers },
        body: JSON.stringify({ machineGuid: crypto.randomUUID() }),
      }),
    );
    for (const { status } of await Promise.all(joins)) expect(status).toBe(201);
    const devices = await phone.devices();
    expect(new Set(devices.map(({ deviceId }) => deviceId)).size).toBe(61);
    expect(devices.filter(({ thisDevice }) => thisDevice)).toHaveLength(1);
  });

  it("removes a lost device, whose place another takes: the lost one learns it", async () => {
    const [phone, lost] = [await member("Phone"), await member("Lost"), await member("TV")];
    const film = await encryptToDomain(url, "a film");
    const changes: DeviceChange[] = [];
    lost.onChange((change) => changes.push(change));

    await phone.removeOther(named(await phone.devices(), "Lost"));
    await member("Tablet");
    await expect(lost.renew()).rejects.toMatchObject({ error: "DOM_LIMIT_REACHED", status: 409 });
    expect(changes).toEqual([{ status: "removed", keyVersion: 1, removed: true }]);
    expect(await read(lost, film)).toBe("a film");
    const sequel = await encryptToDomain(url, "a sequel");
    await expect(lost.decrypt(sequel)).rejects.toMatchObject({ error: "KEY_NOT_HELD" });
    expect(namesOf(await phone.devices())).toEqual(["Phone", "TV", "Tablet"].sort());

    await lost.leave({ beforeLeaving: () => {} });
    expect(lost).toMatchObject({ status: "left", currentKeyVersion: null });
  });

  it("removes a device that may come back, and says so with its renewal", async () => {
    const [phone, tv] = [await member("Phone"), await member("TV")];
    const changes: DeviceChange[] = [];
    tv.onChange((change) => changes.push(change));
    await phone.removeOther(named(await phone.devices(), "TV").handle);
    expect(await tv.renew()).toEqual({ newMember: true, keyVersion: 2 });
    expect(changes).toEqual([{ status: "member", keyVersion: 2, removed: true }]);
  });

  it("does not remove the device at hand so, but has it leave", async () => {
    const phone = await member("Phone");
    const [own] = (await phone.devices()) as [OwnedDevice];
    await expect(phone.removeOther(own)).rejects.toMatchObject({ error: "THIS_DEVICE" });
    await expect(phone.removeOther(own.handle)).rejects.toMatchObject({ error: "THIS_DEVICE" });
    expect((await phone.renew()).newMember).toBe(false);
  });

  it("removes all other devices, or all from a device that is none", async () => {
    const phone = await member("Phone");
    await Promise.all([member("TV"), member("Tablet")]);
    await phone.removeAllOthers();
    expect(namesOf(await phone.devices())).toEqual(["Phone"]);
    expect((await phone.renew()).newMember).toBe(false);
    await (await open()).removeAllOthers();
    expect(await phone.devices()).toEqual([]);
  });

  it("is nobody else", async () => {
    const phone = await member("Phone");
    const { handle } = (await phone.devices())[0] as OwnedDevice;
    for (const authToken of [undefined, tokenOf("bob")]) {
      const stranger = await open({ authToken });
      for (const call of [
        () => stranger.devices(),
        () => stranger.rename(handle, "Mine"),
        () => stranger.removeOther(handle),
        () => stranger.removeAllOthers(),
      ]) {
        await expect(call()).rejects.toMatchObject({ error: "DOM_AUTHENTICATION_REQUIRED", status: 401 });
      }
    }
    expect(namesOf(await phone.devices())).toEqual(["Phone"]);
  });
});
