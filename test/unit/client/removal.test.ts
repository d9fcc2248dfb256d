import { beforeEach, describe, expect, it } from "vitest";
import { DeviceDomain, MemoryStore } from "../../../src/client/index.ts";
import { encryptToDomain } from "../../../src/licence/index.ts";
import { cut, FAKE_DOMAIN_URL, FakeServer, refuse, unreached } from "../../support/node/fake-server.ts";

let server: FakeServer;
let store: MemoryStore;
let device: DeviceDomain;

const open = () => DeviceDomain.open(FAKE_DOMAIN_URL, { store, fetch: server.fetch, retries: 0 });
const saved = () => store.load(FAKE_DOMAIN_URL);

beforeEach(async () => {
  server = await FakeServer.start();
  store = new MemoryStore();
  device = await open();
  await device.join();
});

/** Has the domain keep out all but members; null lifts that. */
function limitMembers(maxMembership: number | null): void {
  server.state = { ...server.state, settings: { ...server.state.settings, maxMembership } };
}

function ban(): void {
  const entry = { deviceKeyThumbprint: null, reason: "lost", by: "operator", bannedAt: 0 };
  server.state = { ...server.state, bans: new Map([[device.machineGuid, entry]]) };
}

function letInAgain(): void {
  limitMembers(null);
  server.state = { ...server.state, bans: new Map() };
}

describe.each([
  ["and its place taken", "DOM_LIMIT_REACHED", () => limitMembers(0)],
  ["and banned", "DEVICE_BANNED", ban],
])("a device that was removed %s", (_, error, keepOut) => {
  let secret: string;
  beforeEach(async () => {
    secret = await encryptToDomain(FAKE_DOMAIN_URL, "a film", { fetch: server.fetch });
    server.evict(device.machineGuid);
    keepOut();
  });

  it.each(["renew", "join"] as const)("learns it when it is to %s, and says so from then on", async (call) => {
    await expect(device[call]()).rejects.toMatchObject({ error });
    expect(device.status).toBe("removed");
    expect((await open()).status).toBe("removed");
  });

  it("keeps its keys, and opens what was encrypted before", async () => {
    const before = await saved();
    await expect(device.renew()).rejects.toMatchObject({ error });
    expect(await saved()).toEqual({ ...before, status: "removed" });
    expect(device.currentKeyVersion).toBe(1);
    expect(new TextDecoder().decode(await device.decrypt(secret))).toBe("a film");
  });

  it("renews no more, and tries again to join", async () => {
    await expect(device.renew()).rejects.toMatchObject({ error });
    server.seen.length = 0;
    await expect(device.renew()).rejects.toMatchObject({ error: "NOT_A_MEMBER" });
    expect(server.seen).toEqual([]);
    await expect(device.join()).rejects.toMatchObject({ error });
    expect(device.status).toBe("removed");
    letInAgain();
    expect(await device.join()).toEqual({ newMember: true, keyVersion: 2 });
    expect(device.status).toBe("member");
  });

  it("leaves without an error, and forgets its keys", async () => {
    await expect(device.renew()).rejects.toMatchObject({ error });
    await device.leave();
    expect(await saved()).toMatchObject({ status: "left", credentials: [], leave: null });
  });

  it("stays removed if its leave is refused for another reason", async () => {
    await expect(device.renew()).rejects.toMatchObject({ error });
    const before = await saved();
    server.fates.push(refuse(401, "DOM_AUTHENTICATION_REQUIRED"));
    await expect(device.leave()).rejects.toMatchObject({ error: "DOM_AUTHENTICATION_REQUIRED" });
    expect(await saved()).toEqual(before);
  });

  it("is removed also if an earlier renewal has no answer, which may yet arrive", async () => {
    server.fates.push(unreached);
    await expect(device.renew()).rejects.toMatchObject({ error: "UNREACHABLE" });
    await expect(device.renew()).rejects.toMatchObject({ error });
    expect(await saved()).toMatchObject({ status: "removed", unanswered: expect.any(Number) });
  });
});

describe("a device that was removed, and may come back", () => {
  it("is a member again with its renewal, which says so", async () => {
    server.evict(device.machineGuid);
    expect(await device.renew()).toEqual({ newMember: true, keyVersion: 2 });
    expect(device.status).toBe("member");
  });
});

describe("a device whose domain was deleted", () => {
  it("is removed, if nobody but operators makes domains", async () => {
    server.fates.push(refuse(404, "DOMAIN_NOT_FOUND"));
    await expect(device.renew()).rejects.toMatchObject({ error: "DOMAIN_NOT_FOUND" });
    expect(device.status).toBe("removed");
    expect(device.currentKeyVersion).toBe(1);
    expect((await open()).status).toBe("removed");
  });
});

describe("what says nothing of a removal", () => {
  it.each([
    [401, "DOM_AUTHENTICATION_REQUIRED"],
    [401, "DEVICE_KEY_REQUIRED"],
    [403, "DEVICE_PROOF_INVALID"],
    [400, "INVALID_REQUEST"],
    [404, "NOT_FOUND"],
    [429, "RATE_LIMITED"],
    [503, "OVERLOADED"],
    [500, "INTERNAL_ERROR"],
    [403, "UNEXPECTED_ANSWER"],
  ])("is the refusal %i %s", async (status, error) => {
    server.fates.push(refuse(status, error));
    await expect(device.renew()).rejects.toMatchObject({ error });
    expect(device.status).toBe("member");
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 1 });
  });

  it.each([
    ["no answer", unreached],
    ["a cut one", cut],
  ])("is %s", async (_, fate) => {
    server.fates.push(fate);
    await expect(device.renew()).rejects.toMatchObject({ error: "UNREACHABLE" });
    expect(device.status).toBe("member");
  });

  it.each(["DOM_LIMIT_REACHED", "DEVICE_BANNED", "DOMAIN_NOT_FOUND"])(
    "is %s to a device that was not a member",
    async (error) => {
      store = new MemoryStore();
      device = await open();
      server.fates.push(refuse(409, error));
      await expect(device.join()).rejects.toMatchObject({ error });
      expect(device.status).toBe("new");
      await device.join();
      await device.leave();
      server.fates.push(refuse(409, error));
      await expect(device.join()).rejects.toMatchObject({ error });
      expect(device.status).toBe("left");
    },
  );
});
