import { beforeEach, describe, expect, it } from "vitest";
import { DeviceDomain, type DeviceDomainOptions, type OwnedDevice } from "../../../src/client/index.ts";
import { FakeOwnerServer, type ListedDevice } from "../../support/node/fake-owner-server.ts";
import { FAKE_DOMAIN_URL, FakeServer } from "../../support/node/fake-server.ts";

const listed = (deviceId: string, more: Partial<ListedDevice> = {}): ListedDevice => ({
  deviceId,
  name: null,
  joinedAt: "2026-11-01T10:00:00.000Z",
  lastRenewedOn: "2026-11-24",
  thisDevice: false,
  ...more,
});

let server: FakeOwnerServer;
let device: DeviceDomain;

const open = (options: DeviceDomainOptions = {}) =>
  DeviceDomain.open(FAKE_DOMAIN_URL, {
    ...{ fetch: server.fetch, authToken: "the owner's", retries: 0, pause: async () => {} },
    ...options,
  });
const ids = () => server.devices.map(({ deviceId }) => deviceId);
const listedNow = async (id: string) => (await device.devices()).find(({ deviceId }) => deviceId === id) as OwnedDevice;
const changes = () => server.seen.filter(({ method }) => method !== "GET");
const lost = (pass: () => Response) => {
  pass();
  throw new TypeError("fetch failed");
};

beforeEach(async () => {
  server = new FakeOwnerServer([
    listed("tv"),
    listed("phone", { thisDevice: true, name: "Phone" }),
    listed("tablet"),
    listed("car"),
    listed("lost"),
  ]);
  device = await open();
});

describe("the devices of a domain", () => {
  it("are listed to its owner, all of them, with times as numbers", async () => {
    const devices = await device.devices();
    expect(devices.map(({ deviceId }) => deviceId)).toEqual(["tv", "phone", "tablet", "car", "lost"]);
    expect(devices[1]).toEqual({
      ...{ handle: "phone#2", deviceId: "phone", name: "Phone", thisDevice: true },
      ...{ joinedAt: Date.UTC(2026, 10, 1, 10), lastRenewedOn: "2026-11-24" },
    });
    expect(server.seen.map(({ path }) => path)).toEqual([
      "/domains/den/devices",
      "/domains/den/devices?cursor=2",
      "/domains/den/devices?cursor=4",
    ]);
    for (const { headers } of server.seen) {
      expect(headers.get("authorization")).toBe("Bearer the owner's");
      expect(headers.get("machine-guid")).toBe(device.machineGuid);
    }
  });

  it("are asked for with a fresh token each time", async () => {
    let count = 0;
    device = await open({ authToken: async () => `token ${++count}` });
    await device.devices();
    expect(server.seen.map(({ headers }) => headers.get("authorization"))).toEqual([
      "Bearer token 1",
      "Bearer token 2",
      "Bearer token 3",
    ]);
  });

  it("may be none", async () => {
    server.devices = [];
    expect(await device.devices()).toEqual([]);
  });

  it.each([
    null,
    [],
    {},
    { devices: [] },
    { devices: {}, nextCursor: null },
    { devices: [], nextCursor: 2 },
    { devices: [null], nextCursor: null },
    { devices: [{ ...listed("tv") }], nextCursor: null },
    { devices: [{ ...listed("tv"), handle: "tv#1", name: 1 }], nextCursor: null },
    { devices: [{ ...listed("tv"), handle: "tv#1", joinedAt: "yesterday" }], nextCursor: null },
    { devices: [{ ...listed("tv"), handle: "tv#1", thisDevice: "no" }], nextCursor: null },
  ])("are not taken from %j", async (body) => {
    server.fates.push(() => Response.json(body));
    await expect(device.devices()).rejects.toMatchObject({ error: "UNTRUSTED_ANSWER" });
  });

  it("are refused to others in the server's words, and asked for again while the server is busy", async () => {
    const refuse = (status: number, error: string) => () => Response.json({ error }, { status });
    server.fates.push(refuse(401, "DOM_AUTHENTICATION_REQUIRED"));
    await expect(device.devices()).rejects.toMatchObject({ error: "DOM_AUTHENTICATION_REQUIRED", status: 401 });
    device = await open({ retries: 1 });
    server.fates.push(refuse(503, "OVERLOADED"));
    expect(await device.devices()).toHaveLength(5);
  });

  it("are not waited for once the signal is aborted", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    server.fates.push(() => {
      controller.abort(reason);
      return new Promise(() => {});
    });
    await expect(device.devices({ signal: controller.signal })).rejects.toBe(reason);
    for (const call of [
      () => device.devices({ signal: controller.signal }),
      () => device.rename("tv#1", null, { signal: controller.signal }),
      () => device.removeOther("tv#1", { signal: controller.signal }),
      () => device.removeAllOthers({ signal: controller.signal }),
    ]) {
      await expect(call()).rejects.toBe(reason);
    }
    expect(server.seen).toHaveLength(1);
  });
});

describe("a device of a domain", () => {
  it("is named, and its name taken away, by its row or its handle", async () => {
    await device.rename(await listedNow("tv"), "Living room");
    expect((await listedNow("tv")).name).toBe("Living room");
    await device.rename((await listedNow("tv")).handle, null);
    expect((await listedNow("tv")).name).toBeNull();
    expect(changes().map(({ body }) => body)).toEqual([{ name: "Living room" }, { name: null }]);
  });

  it("is removed, by its row or its handle", async () => {
    await device.removeOther(await listedNow("tv"));
    await device.removeOther((await listedNow("lost")).handle);
    expect(ids()).toEqual(["phone", "tablet", "car"]);
  });

  it("is not removed if it is this one, by its row or any handle it was listed with", async () => {
    const early = await listedNow("phone");
    const late = await listedNow("phone");
    expect(early.handle).not.toBe(late.handle);
    for (const named of [early, late, early.handle, late.handle]) {
      await expect(device.removeOther(named)).rejects.toMatchObject({ error: "THIS_DEVICE", retryable: false });
    }
    expect(changes()).toEqual([]);
  });

  it("is known to be this one by its latest 100 handles", async () => {
    server.devices = server.devices.filter(({ thisDevice }) => thisDevice);
    const handles: string[] = [];
    for (let count = 0; count < 101; count++) handles.push((await listedNow("phone")).handle);
    for (const handle of handles.slice(1)) {
      await expect(device.removeOther(handle)).rejects.toMatchObject({ error: "THIS_DEVICE" });
    }
    await device.removeOther(handles[0] as string);
    expect(ids()).toEqual([]);
  });

  it("may be named like a path, and is then no other", async () => {
    await expect(device.removeOther("../den")).rejects.toMatchObject({ error: "NOT_FOUND" });
    expect(changes()[0]?.path).toBe("/domains/den/devices/..%2Fden");
    expect(ids()).toHaveLength(5);
  });

  it.each(["", ".", ".."])("is not named %j, which would lead out of its path", async (handle) => {
    const invalid = { error: "INVALID_HANDLE", retryable: false };
    for (const named of [handle, { ...(await listedNow("tv")), handle }]) {
      await expect(device.removeOther(named)).rejects.toMatchObject(invalid);
      await expect(device.rename(named, "Mine")).rejects.toMatchObject(invalid);
    }
    expect(changes()).toEqual([]);
    expect(ids()).toHaveLength(5);
  });

  it("that was removed, and whose removal is repeated because its answer was lost, has been removed", async () => {
    device = await open({ retries: 1 });
    server.fates.push(lost);
    await device.removeOther("tv#1");
    expect(changes()).toHaveLength(2);
    expect(ids()).toEqual(["phone", "tablet", "car", "lost"]);
  });

  it("is not said to be removed by a repeat that finds no owner of the domain", async () => {
    device = await open({ retries: 1 });
    const noOwner = () => Response.json({ error: "NOT_FOUND" }, { status: 404 });
    server.fates.push(() => Promise.reject(new TypeError("fetch failed")), noOwner, noOwner);
    await expect(device.removeOther("tv#1")).rejects.toMatchObject({ error: "NOT_FOUND" });
    expect(ids()).toContain("tv");
  });

  it("that was not there at first is an error", async () => {
    device = await open({ retries: 1 });
    await expect(device.removeOther("gone#1")).rejects.toMatchObject({ error: "NOT_FOUND", status: 404 });
  });
});

describe("all other devices of a domain", () => {
  it("are removed, and this one stays", async () => {
    await device.removeAllOthers();
    expect(ids()).toEqual(["phone"]);
    expect(changes()).toHaveLength(1);
  });

  it("are all there are if this one is not a member", async () => {
    server.devices = server.devices.filter(({ thisDevice }) => !thisDevice);
    await device.removeAllOthers();
    expect(ids()).toEqual([]);
    expect(changes().map(({ path }) => path)).toEqual(["/domains/den/devices"]);
  });

  it("stay if it is not known which one this is", async () => {
    server.fates.push(() => Response.json({ error: "INTERNAL_ERROR" }, { status: 500 }));
    await expect(device.removeAllOthers()).rejects.toMatchObject({ error: "INTERNAL_ERROR" });
    expect(ids()).toHaveLength(5);
  });
});

describe("the name of a device", () => {
  const registrations = async (options: DeviceDomainOptions) => {
    const domainServer = await FakeServer.start();
    device = await open({ ...options, fetch: domainServer.fetch });
    await device.join();
    await device.renew();
    await device.leave();
    return domainServer.seen;
  };

  it("is sent with each registration, and with nothing else", async () => {
    const seen = await registrations({ deviceName: "Living room" });
    expect(seen.map(({ action, payload }) => [action, payload.deviceName])).toEqual([
      ["register", "Living room"],
      ["register", "Living room"],
      ["deregister", undefined],
    ]);
  });

  it.each([{}, { deviceName: undefined }])("is not on the wire if it is not given: %j", async (options) => {
    for (const { payload } of await registrations(options)) expect(payload).not.toHaveProperty("deviceName");
  });
});
