import { beforeEach, describe, expect, it } from "vitest";
import { DeviceDomain, type DeviceState, type DeviceStore, MemoryStore } from "../../../src/client/index.ts";
import {
  cut,
  FAKE_DOMAIN_URL,
  FakeServer,
  type Fate,
  hang,
  lost,
  refuse,
  unreached,
} from "../../support/fake-server.ts";

let server: FakeServer;
let store: MemoryStore;
let device: DeviceDomain;

/** The device as a program finds it that has just been started. */
const open = (options = {}) =>
  DeviceDomain.open(FAKE_DOMAIN_URL, { store, fetch: server.fetch, retries: 0, pause: async () => {}, ...options });

const leaves = () => server.seen.filter(({ action }) => action === "deregister");
const saved = () => store.load(FAKE_DOMAIN_URL);

beforeEach(async () => {
  server = await FakeServer.start();
  store = new MemoryStore();
  device = await open();
  await device.join();
});

describe("a leave", () => {
  it("ends the membership and forgets the keys", async () => {
    await device.leave();
    expect(device).toMatchObject({ status: "left", currentKeyVersion: null, domainToken: null });
    expect(await saved()).toMatchObject({ status: "left", credentials: [], leave: null });
    expect(server.state.members.has(device.machineGuid)).toBe(false);
  });

  it("is over once it is over", async () => {
    await device.leave();
    await device.leave();
    await (await open()).leave();
    expect(leaves()).toHaveLength(1);
  });

  it("is known to the store before the server hears of it", async () => {
    let before: DeviceState | null = null;
    server.fates.push(async (pass) => {
      before = await saved();
      return pass();
    });
    await device.leave();
    expect(before).toMatchObject({ status: "leaving", leave: { requestKey: leaves()[0]?.proof.requestKey } });
  });

  it.each<[string, Fate]>([
    ["never arrived", unreached],
    ["was carried out, and its answer lost", lost],
    ["was carried out, and its answer cut", cut],
    ["failed on the way", refuse(502, "BAD_GATEWAY")],
    ["failed in the server", refuse(500, "INTERNAL_ERROR")],
    ["met a busy server", refuse(503, "OVERLOADED")],
    ["came too often", refuse(429, "RATE_LIMITED")],
    ["was answered with something else", async () => Response.json({ deregistered: false })],
  ])("that %s is finished by the next program, under the same key", async (_, fate) => {
    server.fates.push(fate);
    await expect(device.leave()).rejects.toThrow();
    expect(device.status).toBe("leaving");
    const begun = await saved();

    const next = await open();
    expect(next.status).toBe("leaving");
    await expect(next.join()).rejects.toMatchObject({ error: "LEAVE_UNFINISHED" });
    await expect(next.renew()).rejects.toMatchObject({ error: "LEAVE_UNFINISHED" });
    await next.leave();
    expect(next).toMatchObject({ status: "left", currentKeyVersion: null });
    expect(leaves().at(-1)?.proof.requestKey).toBe(begun?.leave?.requestKey);
    expect(server.state.members.has(device.machineGuid)).toBe(false);
  });

  it("that the caller ended is finished by calling it again", async () => {
    const controller = new AbortController();
    server.fates.push((pass, init) => {
      controller.abort();
      return hang(pass, init);
    });
    await expect(device.leave({ signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
    expect(device.status).toBe("leaving");
    await device.leave();
    expect(device.status).toBe("left");
  });

  it("repeated by itself keeps its key, and is signed anew", async () => {
    server.fates.push(lost, refuse(503, "OVERLOADED"), unreached);
    device = await open({ retries: 3 });
    await device.leave();
    expect(device.status).toBe("left");
    const [first, second] = leaves();
    expect(leaves()).toHaveLength(2);
    expect(first?.proof.requestKey).toBe(second?.proof.requestKey);
    expect(first?.payload).toEqual(second?.payload);
  });

  it("that went through unseen, and is on record no more, has gone through", async () => {
    server.fates.push(lost);
    await expect(device.leave()).rejects.toMatchObject({ error: "UNREACHABLE", retryable: true });
    server.state = { ...server.state, records: new Map() };
    await device.leave();
    expect(await saved()).toMatchObject({ status: "left", credentials: [] });
  });

  it("of a device that was removed forgets the keys, and says so", async () => {
    server.evict(device.machineGuid);
    await expect(device.leave()).rejects.toMatchObject({ error: "DEREG_DENIED", code: 401, status: 403 });
    expect(await saved()).toMatchObject({ status: "left", credentials: [], leave: null });
    await device.leave();
    expect(leaves()).toHaveLength(1);
  });

  it.each([
    [401, "DOM_AUTHENTICATION_REQUIRED"],
    [403, "DEVICE_PROOF_INVALID"],
    [400, "INVALID_REQUEST"],
    [404, "UNEXPECTED_ANSWER"],
    [302, "UNEXPECTED_ANSWER"],
  ])("that is refused with %i did not happen", async (status, error) => {
    const before = await saved();
    server.fates.push(refuse(status, error));
    await expect(device.leave()).rejects.toMatchObject({ error, status, retryable: false });
    expect(await saved()).toEqual(before);
    expect(device).toMatchObject({ status: "member", currentKeyVersion: 1 });
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 1 });
  });

  it("that may have happened before it was refused stays open", async () => {
    server.fates.push(lost, refuse(401, "DOM_AUTHENTICATION_REQUIRED"));
    await expect(device.leave()).rejects.toThrow();
    await expect(device.leave()).rejects.toMatchObject({ error: "DOM_AUTHENTICATION_REQUIRED" });
    expect(device.status).toBe("leaving");
    await device.leave();
    expect(device.status).toBe("left");
    expect(leaves().map(({ proof }) => proof.requestKey)[0]).toBe(leaves().at(-1)?.proof.requestKey);
  });

  it("of a device whose join went through unseen is carried out", async () => {
    store = new MemoryStore();
    device = await open();
    server.fates.push(lost);
    await expect(device.join()).rejects.toMatchObject({ error: "UNREACHABLE" });
    expect(device.status).toBe("new");
    await device.leave();
    expect(server.state.members.has(device.machineGuid)).toBe(false);
  });

  it("is carried out also after another join went through unseen", async () => {
    await device.leave();
    server.fates.push(lost);
    await expect(device.join()).rejects.toMatchObject({ error: "UNREACHABLE" });
    await device.leave();
    expect(device.status).toBe("left");
    expect(server.state.members.has(device.machineGuid)).toBe(false);
  });

  it("for which no auth token can be had was never begun", async () => {
    device = await open({ authToken: () => Promise.reject(new Error("not signed in")) });
    await expect(device.leave()).rejects.toThrow("not signed in");
    expect(device.status).toBe("member");
  });

  it("that cannot be saved is not sent, and one that cannot be saved as over is finished later", async () => {
    const failing: DeviceStore & { fail: string | null } = {
      fail: "leaving",
      keepsCryptoKeys: true,
      load: (url) => store.load(url),
      save: async (url, state) => {
        if (state.status === failing.fail) throw new Error("the disk is full");
        await store.save(url, state);
      },
    };
    device = await open({ store: failing });
    await expect(device.leave()).rejects.toThrow("the disk is full");
    expect(leaves()).toHaveLength(0);
    expect(device.status).toBe("member");
    failing.fail = "left";
    await expect(device.leave()).rejects.toThrow("the disk is full");
    expect(device.status).toBe("leaving");
    failing.fail = null;
    await device.leave();
    expect(device.status).toBe("left");
  });
});

describe("a preview of a leave", () => {
  it("tells a member from others, and changes nothing", async () => {
    const before = await saved();
    expect(await device.previewLeave()).toBe(true);
    expect(await saved()).toBe(before);
    server.evict(device.machineGuid);
    expect(await device.previewLeave()).toBe(false);
    expect(await saved()).toBe(before);
  });

  it("passes on what else the server says", async () => {
    server.fates.push(refuse(401, "DOM_AUTHENTICATION_REQUIRED"));
    await expect(device.previewLeave()).rejects.toMatchObject({ error: "DOM_AUTHENTICATION_REQUIRED" });
  });
});

describe("after a leave", () => {
  it("the device joins anew as itself", async () => {
    await device.leave();
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 2 });
    expect(new Set(server.seen.map(({ payload }) => payload.machineGuid)).size).toBe(1);
    expect(new Set(server.seen.map(({ proof }) => proof.thumbprint)).size).toBe(1);
  });

  it("a renewal is refused on the spot", async () => {
    await device.leave();
    await expect(device.renew()).rejects.toMatchObject({ error: "NOT_A_MEMBER" });
  });

  it("a clock that was set back does not keep the device out", async () => {
    const realNow = Date.now;
    try {
      await device.leave();
      const left = leaves()[0]?.proof.signedAt as number;
      Date.now = () => realNow() - 20_000;
      server.now = realNow;
      await (await open()).join();
      expect(server.seen.at(-1)?.proof.signedAt).toBeGreaterThanOrEqual(left);
    } finally {
      Date.now = realNow;
    }
  });
});

describe("a leave before there is an answer to the join", () => {
  const joins = () => server.seen.filter(({ action }) => action === "register");

  beforeEach(async () => {
    await device.leave();
    server.seen.length = 0;
    server.fates.push(unreached);
    await expect(device.join()).rejects.toMatchObject({ error: "UNREACHABLE" });
  });

  it("takes back what may yet arrive: it joins, and leaves later than that", async () => {
    const before = await saved();
    await (await open()).leave();
    const signedAt = server.seen.map(({ action, proof }) => [action, proof.signedAt]);
    expect(signedAt.map(([action]) => action)).toEqual(["deregister", "register", "deregister"]);
    expect(signedAt[1]?.[1]).toBeGreaterThanOrEqual(before?.unansweredJoin as number);
    expect(signedAt[2]?.[1]).toBeGreaterThan(signedAt[1]?.[1] as number);
    const { unansweredJoin, status } = (await saved()) as DeviceState;
    expect([unansweredJoin, status]).toEqual([undefined, "left"]);
  });

  it("goes on where it was interrupted", async () => {
    server.fates.push((pass) => pass(), lost);
    await expect(device.leave()).rejects.toMatchObject({ error: "UNREACHABLE" });
    const next = await open();
    expect(next.status).toBe("leaving");
    await next.leave();
    expect(next.status).toBe("left");
    expect(server.state.members.has(device.machineGuid)).toBe(false);
  });

  it("does not join for one that is too old to count", async () => {
    const state = (await saved()) as DeviceState;
    const unansweredJoin = (state.unansweredJoin as number) - 601_000;
    await store.save(FAKE_DOMAIN_URL, { ...state, unansweredJoin });
    await expect(device.leave()).rejects.toMatchObject({ error: "DEREG_DENIED" });
    expect(joins()).toEqual([]);
  });

  it("is over once a join is answered", async () => {
    await device.join();
    expect((await saved())?.unansweredJoin).toBeUndefined();
  });

  it("is not over by a later refusal, which says nothing of the one before", async () => {
    const before = await saved();
    server.fates.push(refuse(409, "DOM_LIMIT_REACHED"));
    await expect(device.join()).rejects.toMatchObject({ error: "DOM_LIMIT_REACHED" });
    expect((await saved())?.unansweredJoin).toBe(before?.unansweredJoin);
  });
});
