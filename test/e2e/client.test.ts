import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FileStore } from "../../src/client/file-store.ts";
import { DeviceDomain, type DeviceDomainOptions, type DeviceStore, MemoryStore } from "../../src/client/index.ts";
import { encryptToDomain, verifyDomainToken } from "../../src/licence/index.ts";
import { mintToken, newTestIssuers } from "../support/issuers.ts";
import { startServer, type TestServer } from "../support/node/server.ts";

const issuers = await newTestIssuers();
let server: TestServer;
let directory: string;
let url: string;

beforeAll(async () => {
  server = await startServer({ vars: { TRUSTED_ISSUERS: JSON.stringify(issuers.trusted) } });
  directory = mkdtempSync(join(tmpdir(), "devices-"));
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => {
  url = `${server.url}/domains/test-${crypto.randomUUID()}`;
});

const newFileStore = () => new FileStore(mkdtempSync(join(directory, "store-")));
const open = (options: DeviceDomainOptions = {}) =>
  DeviceDomain.open(url, { retries: 0, pause: async () => {}, ...options });
const read = async (device: DeviceDomain, secret: string) => new TextDecoder().decode(await device.decrypt(secret));

/** Sets the domain's rules, as its operator does. */
async function configure(settings: object): Promise<void> {
  const response = await fetch(url.replace("/domains/", "/admin/domains/"), {
    method: "PUT",
    headers: { authorization: `Bearer ${server.adminToken}`, "content-type": "application/json" },
    body: JSON.stringify(settings),
  });
  expect(response.status).toBe(201);
}

/** A fetch that loses the first leave: before the server hears of it, or when it has answered. */
function losing(moment: "before" | "after"): typeof fetch {
  let lost = false;
  return async (input, init) => {
    if (lost || !String(input).endsWith("/deregister")) return fetch(input, init);
    lost = true;
    if (moment === "after") await fetch(input, init);
    throw new TypeError("the connection is gone");
  };
}

describe.each<[string, () => DeviceStore]>([
  ["memory", () => new MemoryStore()],
  ["files", newFileStore],
])("a device in %s", (_, newStore) => {
  it("joins, renews, opens secrets, leaves, and comes back", async () => {
    const store = newStore();
    const device = await open({ store });
    await expect(device.domain()).rejects.toMatchObject({ error: "DOMAIN_NOT_FOUND", status: 404 });
    expect(await device.previewLeave()).toBe(false);
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 1 });
    expect(await device.domain()).toMatchObject({ keyVersion: 1, authenticationRequired: false });
    const first = await encryptToDomain(url, "first");
    expect(await read(device, first)).toBe("first");

    const other = await open();
    await other.join();
    await other.leave();
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 2 });
    const second = await encryptToDomain(url, "second");
    const again = await open({ store });
    expect(again).toMatchObject({ status: "member", currentKeyVersion: 2, machineGuid: device.machineGuid });
    expect(await read(again, first)).toBe("first");
    expect(await read(again, second)).toBe("second");

    expect(await again.previewLeave()).toBe(true);
    await again.leave();
    expect(again).toMatchObject({ status: "left", currentKeyVersion: null });
    await expect(again.decrypt(second)).rejects.toMatchObject({ error: "NOT_A_MEMBER" });
    expect(await again.join()).toEqual({ newMember: true, keyVersion: 3 });
    expect(await read(again, first)).toBe("first");
  });

  it.each(["before", "after"] as const)("finishes a leave that was lost %s the server acted", async (moment) => {
    const store = newStore();
    await (await open({ store })).join();
    const device = await open({ store, fetch: losing(moment) });
    await expect(device.leave()).rejects.toMatchObject({ error: "UNREACHABLE", retryable: true });
    expect(device.status).toBe("leaving");

    const next = await open({ store });
    await expect(next.join()).rejects.toMatchObject({ error: "LEAVE_UNFINISHED" });
    await next.leave();
    expect(next).toMatchObject({ status: "left", currentKeyVersion: null });
    expect(await next.previewLeave()).toBe(false);
    expect(await next.join()).toMatchObject({ newMember: true, keyVersion: 2 });
  });

  it.each(["before", "after"] as const)("finishes such a leave by itself: %s", async (moment) => {
    const device = await open({ store: newStore(), fetch: losing(moment), retries: 1 });
    await device.join();
    await device.leave();
    expect(device.status).toBe("left");
    expect(await device.previewLeave()).toBe(false);
  });

  it("is told when it was a member no more", async () => {
    const store = newStore();
    const device = await open({ store });
    await device.join();
    // Its twin leaves in its stead: for the server, it is gone as if an operator had removed it.
    const twinStore = newStore();
    const state = await store.load(url);
    if (state) await twinStore.save(url, state);
    await (await open({ store: twinStore })).leave();

    await expect(device.leave()).rejects.toMatchObject({ error: "DEREG_DENIED", code: 401, status: 403 });
    expect(await open({ store })).toMatchObject({ status: "left", currentKeyVersion: null });
  });
});

describe("a program that is killed in mid-leave", () => {
  it("while it deletes its licences is followed by one that has to do that again", async () => {
    const store = mkdtempSync(join(directory, "store-"));
    await (await open({ store: new FileStore(store) })).join();
    const { signal, stderr } = spawnSync(
      process.execPath,
      ["test/support/node/dying-device.ts", url, store, "preparing"],
      {
        encoding: "utf8",
      },
    );
    expect(signal, stderr).toBe("SIGKILL");

    const next = await open({ store: new FileStore(store) });
    expect(next).toMatchObject({ status: "leaving", currentKeyVersion: 1 });
    await expect(next.leave()).rejects.toMatchObject({ error: "LEAVE_UNFINISHED" });
    expect(await next.previewLeave()).toBe(true);
    let deleted = false;
    await next.leave({
      beforeLeaving: () => {
        deleted = true;
      },
    });
    expect(deleted).toBe(true);
    expect(next.status).toBe("left");
    expect(await next.previewLeave()).toBe(false);
  });

  it.each(["before", "after"])("%s the server acted is followed by one that finishes it", async (moment) => {
    const store = mkdtempSync(join(directory, "store-"));
    await (await open({ store: new FileStore(store) })).join();
    const { signal, stderr } = spawnSync(process.execPath, ["test/support/node/dying-device.ts", url, store, moment], {
      encoding: "utf8",
    });
    expect(signal, stderr).toBe("SIGKILL");

    const next = await open({ store: new FileStore(store) });
    expect(next).toMatchObject({ status: "leaving", currentKeyVersion: 1 });
    await next.leave();
    expect(next.status).toBe("left");
    expect(await next.previewLeave()).toBe(false);
  });
});

describe("two devices and a licence server", () => {
  it("share what is encrypted, until one leaves", async () => {
    const [tv, phone] = await Promise.all([open(), open()]);
    await Promise.all([tv.join(), phone.join()]);
    const film = await encryptToDomain(url, "the film's key");
    expect(await Promise.all([read(tv, film), read(phone, film)])).toEqual(["the film's key", "the film's key"]);

    const phoneToken = phone.domainToken as string;
    const claims = await verifyDomainToken(phoneToken, { authority: server.url, domain: url.split("/").at(-1) });
    expect(claims).toMatchObject({ iss: server.url, key_version: 1 });

    await phone.leave();
    const sequel = await encryptToDomain(url, "the next film's key");
    await tv.renew();
    expect(await read(tv, sequel)).toBe("the next film's key");
    await phone.join();
    await phone.leave();
    const last = await encryptToDomain(url, "the last");
    await expect(tv.decrypt(last)).rejects.toMatchObject({ error: "KEY_NOT_HELD" });
    await tv.renew();
    expect(await read(tv, last)).toBe("the last");
    await expect(phone.decrypt(sequel)).rejects.toMatchObject({ error: "NOT_A_MEMBER" });
    await expect(verifyDomainToken(phoneToken, { authority: server.url, minimumKeyVersion: 2 })).rejects.toMatchObject({
      error: "DOMAIN_TOKEN_OUTDATED",
    });
    expect(
      await verifyDomainToken(tv.domainToken as string, { authority: server.url, minimumKeyVersion: 2 }),
    ).toMatchObject({ key_version: 3 });
  });
});

describe("a domain that requires tokens", () => {
  beforeEach(() => configure({ authenticationRequired: true, authNamespace: "studio" }));
  const authToken = () => mintToken("studio", issuers.keys.studio);

  it("takes and lets go those who show one", async () => {
    const device = await open({ authToken });
    expect(await device.domain()).toMatchObject({ authenticationRequired: true, authNamespace: "studio" });
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 1 });
    await device.renew();
    expect(await device.previewLeave()).toBe(true);
    await device.leave();
    expect(device.status).toBe("left");
  });

  it("turns others away, who stay what they are", async () => {
    const store = new MemoryStore();
    const refusal = { error: "DOM_AUTHENTICATION_REQUIRED", code: 503, status: 401, retryable: false };
    const stranger = await open({ store });
    await expect(stranger.join()).rejects.toMatchObject({ ...refusal, requestId: expect.any(String) });
    expect(stranger.status).toBe("new");
    await (await open({ store, authToken })).join();

    const forgetful = await open({ store });
    await expect(forgetful.leave()).rejects.toMatchObject(refusal);
    expect(forgetful).toMatchObject({ status: "member", currentKeyVersion: 1 });
    await expect(forgetful.previewLeave()).rejects.toMatchObject(refusal);
    await (await open({ store, authToken })).leave();
  });

  it("does not say whether a lost leave went through to who shows none", async () => {
    const store = new MemoryStore();
    const device = await open({ store, authToken, fetch: losing("after") });
    await device.join();
    await expect(device.leave()).rejects.toMatchObject({ error: "UNREACHABLE" });
    const forgetful = await open({ store });
    await expect(forgetful.leave()).rejects.toMatchObject({ error: "DOM_AUTHENTICATION_REQUIRED" });
    expect(forgetful.status).toBe("leaving");
    await device.leave();
    expect(device.status).toBe("left");
  });
});

describe("a domain that requires signed requests", () => {
  it("takes devices as they are, and none for another", async () => {
    await configure({ deviceKeyRequired: true });
    const device = await open();
    await device.join();
    const impostor = await open({ machineGuid: device.machineGuid });
    await expect(impostor.join()).rejects.toMatchObject({ error: "DEVICE_PROOF_INVALID", status: 403 });
    await expect(impostor.leave()).rejects.toMatchObject({ error: "DEVICE_PROOF_INVALID" });
    expect(impostor.status).toBe("new");
    expect((await device.renew()).newMember).toBe(false);
    await device.leave();
  });

  it("takes a device whose clock is wrong, once that knows the time", async () => {
    await configure({ deviceKeyRequired: true });
    const realNow = Date.now;
    try {
      Date.now = () => realNow() + 3_600_000;
      const device = await open();
      expect(await device.join()).toEqual({ newMember: true, keyVersion: 1 });
      await device.leave();
      expect(await device.join()).toEqual({ newMember: true, keyVersion: 2 });
    } finally {
      Date.now = realNow;
    }
  });
});

describe("a domain that is full", () => {
  it("turns a device away for good", async () => {
    await configure({ maxMembership: 0 });
    const device = await open({ retries: 4 });
    await expect(device.join()).rejects.toMatchObject({ error: "DOM_LIMIT_REACHED", code: 502, status: 409 });
    expect(device).toMatchObject({ status: "new", currentKeyVersion: null });
  });
});

describe("many devices at once", () => {
  it("all join, and all open the same secret", async () => {
    const devices = await Promise.all(Array.from({ length: 20 }, () => open({ retries: 4 })));
    await Promise.all(devices.map((device) => device.join()));
    const secret = await encryptToDomain(url, "for all");
    expect(new Set(await Promise.all(devices.map((device) => read(device, secret))))).toEqual(new Set(["for all"]));
  });
});
