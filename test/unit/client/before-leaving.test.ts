import { beforeEach, describe, expect, it } from "vitest";
import {
  DeviceDomain,
  type DeviceDomainOptions,
  type DeviceState,
  type DeviceStore,
  MemoryStore,
} from "../../../src/client/index.ts";
import { encryptToDomain } from "../../../src/licence/index.ts";
import { FAKE_DOMAIN_URL, FakeServer, type Fate, lost, refuse, unreached } from "../../support/node/fake-server.ts";

let server: FakeServer;
let store: MemoryStore;
let device: DeviceDomain;
/** The events, in order: requests as the server got them, and "licences deleted". */
let happened: string[];

/** The device as a program finds it that has just been started. */
const open = (options: DeviceDomainOptions = {}) =>
  DeviceDomain.open(FAKE_DOMAIN_URL, { store, fetch: tracingFetch, retries: 0, pause: async () => {}, ...options });
const saved = () => store.load(FAKE_DOMAIN_URL) as Promise<DeviceState>;
const isMember = () => server.state.members.has(device.machineGuid);
const beforeLeaving = async () => void happened.push("licences deleted");
const bug = new Error("the licences are in use");
const fail = async () => {
  throw bug;
};

const tracingFetch: typeof fetch = async (input, init) => {
  const count = server.seen.length;
  try {
    return await server.fetch(input as string, init);
  } finally {
    for (const { action, payload } of server.seen.slice(count)) {
      happened.push(payload.preview === true ? "preview" : action);
    }
  }
};

beforeEach(async () => {
  server = await FakeServer.start();
  store = new MemoryStore();
  happened = [];
  device = await open();
  await device.join();
  happened = [];
});

/** Begins a leave in a program that ends while it deletes the licences. @returns the next program's device */
async function interrupted(): Promise<DeviceDomain> {
  await new Promise<void>((resolve) => {
    void device.leave({
      beforeLeaving: () => {
        resolve();
        return new Promise(() => {});
      },
    });
  });
  happened = [];
  return open();
}

describe("what is done before a leave", () => {
  it("is done after a granted preview, and before the leave", async () => {
    await device.leave({ beforeLeaving });
    expect(happened).toEqual(["preview", "licences deleted", "deregister"]);
    expect(await saved()).toMatchObject({ status: "left", credentials: [], leave: null });
    expect(await saved()).not.toHaveProperty("preparing");
    expect(isMember()).toBe(false);
  });

  it("is known to the store as owed meanwhile, and the device still has its keys", async () => {
    const secret = await encryptToDomain(FAKE_DOMAIN_URL, "a film", { fetch: server.fetch });
    await device.leave({
      beforeLeaving: async () => {
        expect(device.status).toBe("leaving");
        expect(await saved()).toMatchObject({ status: "leaving", preparing: "member", leave: null });
        expect(new TextDecoder().decode(await device.decrypt(secret))).toBe("a film");
        await beforeLeaving();
      },
    });
    expect(happened).toContain("licences deleted");
  });

  it.each<[string, Fate, string]>([
    ["is refused", refuse(401, "DOM_AUTHENTICATION_REQUIRED"), "DOM_AUTHENTICATION_REQUIRED"],
    ["does not arrive", unreached, "UNREACHABLE"],
    ["meets a busy server", refuse(503, "OVERLOADED"), "OVERLOADED"],
  ])("is not done if the preview %s: nothing has changed", async (_, fate, error) => {
    const before = await saved();
    server.fates.push(fate);
    await expect(device.leave({ beforeLeaving })).rejects.toMatchObject({ error });
    expect(happened).toEqual([]);
    expect(await saved()).toBe(before);
  });

  it("is done once, however often the leave is sent", async () => {
    device = await open({ retries: 3 });
    server.fates.push((pass) => pass(), lost, refuse(503, "OVERLOADED"), unreached);
    await device.leave({ beforeLeaving });
    expect(happened.filter((each) => each === "licences deleted")).toHaveLength(1);
    expect(device.status).toBe("left");
  });

  it("is not done by a device that has left", async () => {
    await device.leave();
    happened = [];
    await device.leave({ beforeLeaving });
    expect(happened).toEqual([]);
  });

  it("is not done by a call that comes after the leave of another program", async () => {
    const other = await open();
    await device.leave({ beforeLeaving });
    await other.leave({ beforeLeaving });
    expect(happened.filter((each) => each === "licences deleted")).toHaveLength(1);
  });
});

describe("if what is done before a leave fails", () => {
  it.each<[string, () => unknown]>([
    ["later", fail],
    [
      "at once",
      () => {
        throw bug;
      },
    ],
  ])("%s, nothing is left: the device is the member it was", async (_, beforeLeaving) => {
    const before = await saved();
    await expect(device.leave({ beforeLeaving })).rejects.toBe(bug);
    expect(happened).toEqual(["preview"]);
    expect(await saved()).toEqual(before);
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 1 });
  });

  it.each(["new", "removed"] as const)("a device that was %s is that again", async (status) => {
    if (status === "new") {
      store = new MemoryStore();
      device = await open();
    } else {
      server.fates.push(refuse(403, "DEVICE_BANNED"));
      await expect(device.renew()).rejects.toThrow();
    }
    const before = await saved();
    expect(before.status).toBe(status);
    await expect(device.leave({ beforeLeaving: fail })).rejects.toBe(bug);
    expect(await saved()).toEqual(before);
  });

  it("because the caller ends the call, the device is the member it was", async () => {
    const before = await saved();
    const controller = new AbortController();
    const reason = new Error("the user has changed their mind");
    const beforeLeaving = () => {
      controller.abort(reason);
      return new Promise(() => {});
    };
    await expect(device.leave({ beforeLeaving, signal: controller.signal })).rejects.toBe(reason);
    expect(happened).toEqual(["preview"]);
    expect(await saved()).toEqual(before);
    expect(await device.renew()).toEqual({ newMember: false, keyVersion: 1 });
  });

  it("on a device that is no longer a member, it still has its keys", async () => {
    server.evict(device.machineGuid);
    const before = await saved();
    await expect(device.leave({ beforeLeaving: fail })).rejects.toBe(bug);
    expect(await saved()).toEqual(before);
    expect(device.currentKeyVersion).toBe(1);
  });
});

describe("what is done before a leave, by a device that is no longer a member,", () => {
  it("is done before it forgets its keys", async () => {
    server.evict(device.machineGuid);
    const leave = device.leave({
      beforeLeaving: async () => {
        expect(device.currentKeyVersion).toBe(1);
        await beforeLeaving();
      },
    });
    await expect(leave).rejects.toMatchObject({ error: "DEREG_DENIED" });
    expect(happened).toEqual(["preview", "licences deleted", "deregister"]);
    expect(await saved()).toMatchObject({ status: "left", credentials: [] });
  });

  it("is done, without an error, if it knew that", async () => {
    server.evict(device.machineGuid);
    server.fates.push(refuse(409, "DOM_LIMIT_REACHED"));
    await expect(device.renew()).rejects.toThrow();
    await device.leave({ beforeLeaving });
    expect(happened).toEqual(["preview", "licences deleted", "deregister"]);
    expect(device.status).toBe("left");
  });

  it("is done if it is removed just then", async () => {
    const leave = device.leave({
      beforeLeaving: async () => {
        await beforeLeaving();
        server.evict(device.machineGuid);
      },
    });
    await expect(leave).rejects.toMatchObject({ error: "DEREG_DENIED" });
    expect(await saved()).toMatchObject({ status: "left", credentials: [] });
  });

  it("is done if it never joined", async () => {
    store = new MemoryStore();
    device = await open();
    await expect(device.leave({ beforeLeaving })).rejects.toMatchObject({ error: "DEREG_DENIED" });
    expect(happened).toEqual(["preview", "licences deleted", "deregister"]);
    expect(device.status).toBe("left");
  });

  it("is done once if it joins on its way out, to take back a registration that is held up", async () => {
    let deliver = async () => new Response();
    server.fates.push((pass) => {
      deliver = pass;
      return unreached(pass, {});
    });
    await expect(device.renew()).rejects.toMatchObject({ error: "UNREACHABLE" });
    server.evict(device.machineGuid);
    await device.leave({ beforeLeaving });
    expect(happened).toEqual(["preview", "licences deleted", "deregister", "register", "deregister"]);
    expect((await deliver()).status).toBe(403);
    expect(isMember()).toBe(false);
  });
});

describe("a leave that is refused after what is done before it", () => {
  it.each([
    [401, "DOM_AUTHENTICATION_REQUIRED"],
    [403, "DEVICE_PROOF_INVALID"],
  ])("with %i did not happen: the device is what it was", async (status, error) => {
    const before = await saved();
    server.fates.push((pass) => pass(), refuse(status, error));
    await expect(device.leave({ beforeLeaving })).rejects.toMatchObject({ error });
    expect(happened).toEqual(["preview", "licences deleted"]);
    expect(await saved()).toEqual(before);
    await device.leave({ beforeLeaving });
    expect(device.status).toBe("left");
  });

  it("because no auth token can be had any more did not happen either", async () => {
    let tokens = 1;
    const authToken = async () => (tokens-- > 0 ? "token" : Promise.reject(new Error("not signed in")));
    const before = await saved();
    device = await open({ authToken });
    await expect(device.leave({ beforeLeaving })).rejects.toThrow("not signed in");
    expect(happened).toEqual(["preview", "licences deleted"]);
    expect(await saved()).toEqual(before);
  });
});

describe("a program that ends while it deletes the licences", () => {
  it("is followed by one that has to delete them again, and leaves", async () => {
    const next = await interrupted();
    expect(next).toMatchObject({ status: "leaving", currentKeyVersion: 1 });
    await next.leave({ beforeLeaving });
    expect(happened).toEqual(["preview", "licences deleted", "deregister"]);
    expect(await saved()).toMatchObject({ status: "left", credentials: [], leave: null });
    expect(await saved()).not.toHaveProperty("preparing");
  });

  it("is followed by one that does nothing else meanwhile, and never leaves without", async () => {
    const next = await interrupted();
    const before = await saved();
    for (const call of ["join", "renew", "leave"] as const) {
      await expect(next[call]()).rejects.toMatchObject({ error: "LEAVE_UNFINISHED" });
    }
    expect(happened).toEqual([]);
    expect(await saved()).toBe(before);
  });

  it("is followed by one that is a member again if it cannot delete them", async () => {
    const before = await saved();
    const next = await interrupted();
    await expect(next.leave({ beforeLeaving: fail })).rejects.toBe(bug);
    expect(await saved()).toEqual(before);
    expect(await next.renew()).toEqual({ newMember: false, keyVersion: 1 });
  });

  it("is followed by one that still has to leave if the server cannot be reached", async () => {
    const next = await interrupted();
    server.fates.push(unreached);
    await expect(next.leave({ beforeLeaving })).rejects.toMatchObject({ error: "UNREACHABLE" });
    expect(happened).toEqual([]);
    expect(await saved()).toMatchObject({ status: "leaving", preparing: "member" });
  });

  it("and was removed meanwhile is followed by one that deletes them, too", async () => {
    const next = await interrupted();
    server.evict(device.machineGuid);
    await expect(next.leave({ beforeLeaving })).rejects.toMatchObject({ error: "DEREG_DENIED" });
    expect(happened).toEqual(["preview", "licences deleted", "deregister"]);
    expect(next.status).toBe("left");
  });
});

it("a program that ends after it deleted them, and before it sent the leave, is followed by one that deletes them again", async () => {
  const dying: DeviceStore = {
    keepsCryptoKeys: true,
    load: (url) => store.load(url),
    save: (url, state) => (state.leave ? new Promise(() => {}) : store.save(url, state)),
  };
  device = await open({ store: dying });
  await new Promise<void>((resolve) => void device.leave({ beforeLeaving: () => resolve() }));
  await new Promise(setImmediate);
  const next = await open();
  await next.leave({ beforeLeaving });
  expect(happened).toEqual(["preview", "preview", "licences deleted", "deregister"]);
  expect(next.status).toBe("left");
});

describe("a leave that was sent and has no answer", () => {
  const keys = () =>
    server.seen
      .filter(({ action, payload }) => action === "deregister" && !payload.preview)
      .map(({ proof }) => proof.idempotencyKey);

  it("is finished without what was done before it", async () => {
    server.fates.push((pass) => pass(), lost);
    await expect(device.leave({ beforeLeaving })).rejects.toMatchObject({ error: "UNREACHABLE" });
    const next = await open();
    await next.leave();
    expect(happened).toEqual(["preview", "licences deleted", "deregister", "deregister"]);
    expect(new Set(keys()).size).toBe(1);
    expect(next.status).toBe("left");
  });

  it.each<[string, Fate]>([
    ["was carried out", lost],
    ["did not arrive", unreached],
  ])("and %s is finished under its key after what a later call brings, without a preview", async (_, fate) => {
    server.fates.push(fate);
    await expect(device.leave()).rejects.toMatchObject({ error: "UNREACHABLE" });
    const begun = await saved();
    happened = [];
    const next = await open();
    await next.leave({ beforeLeaving });
    expect(happened).toEqual(["licences deleted", "deregister"]);
    expect(keys().at(-1)).toBe(begun.leave?.idempotencyKey);
    expect(next.status).toBe("left");
  });

  it("stays unfinished if that fails, and nothing more is sent", async () => {
    server.fates.push(lost);
    await expect(device.leave()).rejects.toMatchObject({ error: "UNREACHABLE" });
    const begun = await saved();
    happened = [];
    await expect(device.leave({ beforeLeaving: fail })).rejects.toBe(bug);
    expect(happened).toEqual([]);
    expect(await saved()).toBe(begun);
  });
});
