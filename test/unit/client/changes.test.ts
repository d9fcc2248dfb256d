import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type DeviceChange, DeviceDomain, type DeviceState, MemoryStore } from "../../../src/client/index.ts";
import { FAKE_DOMAIN_URL, FakeServer, refuse, unreached } from "../../support/node/fake-server.ts";

let server: FakeServer;
let store: MemoryStore;
let device: DeviceDomain;
let heard: DeviceChange[];

const open = (options = {}) =>
  DeviceDomain.open(FAKE_DOMAIN_URL, { store, fetch: server.fetch, retries: 0, ...options });
const hear = (change: DeviceChange) => void heard.push(change);
/** A change as it is told of a device that was not removed. */
const change = (status: string, keyVersion: number | null) => ({ status, keyVersion, removed: false });

beforeEach(async () => {
  server = await FakeServer.start();
  store = new MemoryStore();
  device = await open();
  heard = [];
});

describe("a listener hears", () => {
  it("of each new status and newest key, in order", async () => {
    device.onChange(hear);
    await device.join();
    await server.rollOver();
    await device.renew();
    await device.leave();
    expect(heard).toEqual([change("member", 1), change("member", 2), change("leaving", 2), change("left", null)]);
  });

  it("nothing where neither changed", async () => {
    await device.join();
    device.onChange(hear);
    await device.renew();
    await device.previewLeave();
    server.fates.push(unreached, refuse(401, "DOM_AUTHENTICATION_REQUIRED"));
    await expect(device.renew()).rejects.toThrow();
    await expect(device.renew()).rejects.toThrow();
    expect(heard).toEqual([]);
  });

  it("of a removal", async () => {
    await device.join();
    device.onChange(hear);
    server.evict(device.machineGuid);
    server.fates.push(refuse(409, "DOM_LIMIT_REACHED"));
    await expect(device.renew()).rejects.toThrow();
    expect(heard).toEqual([{ status: "removed", keyVersion: 1, removed: true }]);
    await device.join();
    expect(heard.slice(1)).toEqual([change("member", 2)]);
  });

  it.each([true, false])("once of a removal that its renewal undid, with a new key: %s", async (rolls) => {
    await device.join();
    device.onChange(hear);
    server.evict(device.machineGuid);
    server.state = { ...server.state, keyRolloverRequired: rolls };
    await device.renew();
    expect(heard).toEqual([{ status: "member", keyVersion: rolls ? 2 : 1, removed: true }]);
  });

  it("of no change before it was added, also if another listener adds it", async () => {
    device.onChange(() => device.onChange(hear));
    await device.join();
    expect(heard).toEqual([]);
    await device.leave();
    expect(heard[0]).toEqual(change("leaving", 1));
  });

  it("of what another program did, at the next call", async () => {
    await device.join();
    const other = await open();
    other.onChange(hear);
    await server.rollOver();
    await device.renew();
    expect(heard).toEqual([]);
    await other.previewLeave();
    expect(heard).toEqual([change("member", 2)]);
    await device.leave();
    await expect(other.renew()).rejects.toMatchObject({ error: "NOT_A_MEMBER" });
    expect(heard.slice(1)).toEqual([change("left", null)]);
  });

  it("what is saved by then, and what the device says of itself", async () => {
    const told: unknown[] = [];
    device.onChange(async ({ status, keyVersion }) => {
      expect([device.status, device.currentKeyVersion]).toEqual([status, keyVersion]);
      told.push((await store.load(FAKE_DOMAIN_URL))?.status);
    });
    await device.join();
    expect(told).toEqual(["member"]);
  });

  it("nothing that could not be saved", async () => {
    const save = (url: string, state: DeviceState) =>
      state.status === "member" ? Promise.reject(new Error("the disk is full")) : store.save(url, state);
    device = await open({ store: { keepsCryptoKeys: true, load: (url: string) => store.load(url), save } });
    device.onChange(hear);
    await expect(device.join()).rejects.toThrow("the disk is full");
    expect(heard).toEqual([]);
  });
});

describe("a listener that fails", () => {
  const report = vi.spyOn(console, "error").mockImplementation(() => {});
  afterEach(() => report.mockClear());

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("a bug");
      },
    ],
    ["rejects", () => Promise.reject(new Error("a bug"))],
  ])("and %s breaks no call and no other listener, and is reported", async (_, fail) => {
    device.onChange(fail);
    device.onChange(hear);
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 1 });
    expect(heard).toEqual([change("member", 1)]);
    expect(report).toHaveBeenCalledExactlyOnceWith(expect.any(String), new Error("a bug"));
  });

  it("to come to an end holds up no call", async () => {
    device.onChange(() => new Promise(() => {}));
    device.onChange(() => device.previewLeave());
    await device.join();
    expect(device.status).toBe("member");
    expect(report).not.toHaveBeenCalled();
  });
});

describe("a listener hears nothing more", () => {
  it("once it is removed, as often as it was added", async () => {
    const [endOne, endOther] = [device.onChange(hear), device.onChange(hear)];
    await device.join();
    expect(heard).toHaveLength(2);
    endOne();
    endOne();
    await device.leave();
    expect(heard).toHaveLength(4);
    endOther();
    await device.join();
    expect(heard).toHaveLength(4);
  });

  it("once its signal is aborted, before or after it was added", async () => {
    const controller = new AbortController();
    device.onChange(hear, { signal: controller.signal });
    await device.join();
    controller.abort();
    device.onChange(hear, { signal: controller.signal });
    await device.leave();
    expect(heard).toEqual([change("member", 1)]);
  });

  it("after the first change if it removes itself, and the next listener hears that all the same", async () => {
    const end = device.onChange((each) => {
      hear(each);
      end();
    });
    const others: DeviceChange[] = [];
    device.onChange((each) => others.push(each));
    await device.join();
    await device.leave();
    expect(heard).toEqual([change("member", 1)]);
    expect(others).toHaveLength(3);
  });
});
