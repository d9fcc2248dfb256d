import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { KnownBans } from "../../src/server/http/known-bans.ts";
import { DeviceBans } from "../../src/server/object/device-bans.ts";
import { configure, newDomain, newGuid } from "../support/worker/client.ts";
import { askWith, registerWith } from "../support/worker/environments.ts";
import { operate } from "../support/worker/operators.ts";
import { banEverywhere, expectBanned, newIsolate, spyOnAsks } from "../support/worker/server-wide-bans.ts";

/** A domain in which nothing is ever written: who is not banned is refused all the same. */
let full: string;

beforeAll(async () => {
  full = newDomain();
  await configure(full, { maxMembership: 0 });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function expectFull({ body }: { body: object }) {
  expect(body).toMatchObject({ error: "DOM_LIMIT_REACHED" });
}

describe("the bans an isolate knows", () => {
  it("are renewed also after its clock was set back", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const names: string[] = [];
    const bans = new KnownBans(async () => ({ version: String(names.length), names }));
    const now = Date.now();
    vi.setSystemTime(now + 3_600_000);
    await bans.names();
    names.push("x");
    vi.setSystemTime(now);
    await bans.names();
    expect((await bans.names()).has("x")).toBe(true);
  });
});

describe("an isolate", () => {
  it("asks once what is banned, however many devices come at first, and not again within half a minute", async () => {
    const isolate = newIsolate();
    const asks = spyOnAsks();
    await Promise.all([1, 2, 3, 4].map(() => isolate.register(full, newGuid())));
    expect(asks).toHaveBeenCalledTimes(1);
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + 29_000);
    for (const _ of [1, 2]) expectFull(await isolate.register(full, newGuid()));
    expect(asks).toHaveBeenCalledTimes(1);
  });

  it("asks behind the back of its devices after half a minute, and makes them wait after a minute", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const isolate = newIsolate();
    await isolate.register(full, newGuid());
    const guids = [newGuid(), newGuid()] as const;
    await newIsolate().ban(guids[0]);
    const { names } = DeviceBans.prototype;
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const asks = spyOnAsks().mockImplementationOnce(async function (this: DeviceBans, known) {
      await released;
      return names.call(this, known);
    } as (known: string | null) => never);
    vi.setSystemTime(Date.now() + 30_000);
    // Neither waits: the first has it asked, and the second does not have it asked again.
    for (const _ of [1, 2]) expectFull(await isolate.register(full, guids[0]));
    expect(asks).toHaveBeenCalledTimes(1);
    release();
    await vi.waitFor(async () => expectBanned(await isolate.register(full, guids[0])));
    expect(asks).toHaveBeenCalledTimes(1);
    await newIsolate().ban(guids[1]);
    vi.setSystemTime(Date.now() + 60_000);
    expectBanned(await isolate.register(full, guids[1]));
  });

  it("knows at once what was changed through it", async () => {
    const isolate = newIsolate();
    const guid = newGuid();
    expectFull(await isolate.register(full, guid));
    await isolate.ban(guid);
    expectBanned(await isolate.register(full, guid));
  });

  it("is sent nothing while nothing has changed", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    await banEverywhere(newGuid());
    const isolate = newIsolate();
    const asks = spyOnAsks();
    await isolate.register(full, newGuid());
    vi.setSystemTime(Date.now() + 60_000);
    await isolate.register(full, newGuid());
    expect(asks.mock.results.map(({ value }) => value && typeof value)).toEqual(["object", null]);
  });

  it("serves devices by what it knew while it cannot ask, and asks again seldom", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const guid = newGuid();
    await banEverywhere(guid);
    const isolate = newIsolate();
    await isolate.register(full, newGuid());
    const asks = spyOnAsks().mockImplementation(() => {
      throw new Error("a fault of a test");
    });
    vi.setSystemTime(Date.now() + 3_600_000);
    for (const _ of [1, 2, 3]) expectBanned(await isolate.register(full, guid));
    expectFull(await isolate.register(full, newGuid()));
    expect(asks).toHaveBeenCalledTimes(1);
    vi.setSystemTime(Date.now() + 5_000);
    expectBanned(await isolate.register(full, guid));
    expect(asks).toHaveBeenCalledTimes(2);
  });

  it("that never knew serves devices all the same, and knows as soon as it can ask", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const [guid, own] = [newGuid(), newGuid()];
    await banEverywhere(guid);
    await operate("PUT", `/${full}/bans/${own}`, { reason: "stolen" });
    const asks = spyOnAsks().mockImplementation(() => {
      throw new Error("a fault of a test");
    });
    const isolate = newIsolate();
    // The domains that a ban has reached keep the device out by themselves.
    expectBanned(await isolate.register(full, own));
    expectFull(await isolate.register(full, guid));
    asks.mockRestore();
    vi.setSystemTime(Date.now() + 5_000);
    expectBanned(await isolate.register(full, guid));
  });

  it("goes on without an answer that does not come", async () => {
    const asks = spyOnAsks().mockImplementation((() => new Promise(() => {})) as never);
    const isolate = newIsolate();
    expectFull(await isolate.register(full, newGuid()));
    expectFull(await isolate.register(full, newGuid()));
    expect(asks).toHaveBeenCalledTimes(1);
  });

  it("asks nothing for a leave", async () => {
    const asks = spyOnAsks();
    const { body } = await askWith({}, "POST", `/domains/${full}/deregister`, { machineGuid: newGuid() });
    expect(body.error).toBe("DEREG_DENIED");
    expect(asks).not.toHaveBeenCalled();
    await registerWith({}, full);
    expect(asks).toHaveBeenCalledTimes(1);
  });

  it("is not set back by an answer that was under way when it changed something", async () => {
    const { promise: late, resolve } = Promise.withResolvers<{ version: string; names: string[] }>();
    const source = vi.fn((_: string | null) => late);
    const known = new KnownBans(source);
    const first = known.names();
    source.mockResolvedValueOnce({ version: "2", names: ["banned"] });
    await known.changed();
    resolve({ version: "1", names: [] });
    await first;
    expect([...(await known.names())]).toEqual(["banned"]);
    expect(source).toHaveBeenCalledTimes(2);
  });
});
