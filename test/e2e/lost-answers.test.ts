import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DeviceDomain } from "../../src/client/device-domain.ts";
import { FileStore } from "../../src/client/file-store.ts";
import { encryptToDomain } from "../../src/licence/index.ts";
import { DeviceProgram } from "../support/node/device-program.ts";
import type { Delivery, Line } from "../support/node/fault-proxy.ts";
import {
  beBusy,
  cutAnswer,
  deliverLast,
  deliverLate,
  deliverTwice,
  dropAnswer,
  dropRequest,
  type Fault,
  holdAnswer,
  pass,
  strikeBeforeAnswer,
} from "../support/node/faults.ts";
import { type FaultyServer, startFaultyServer } from "../support/node/faulty-server.ts";

let server: FaultyServer;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "device-domains-"));
  server = await startFaultyServer();
});

afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("a leave", () => {
  it.each<[string, Fault[]]>([
    ["whose answer is lost", [dropAnswer]],
    ["whose answer is lost four times", [dropAnswer, dropAnswer, dropAnswer, dropAnswer]],
    ["whose answer is cut", [cutAnswer]],
    ["that does not arrive at first", [dropRequest]],
    ["that arrives twice, answered as the first time", [deliverTwice("first")]],
    ["that arrives twice, answered as the second time", [deliverTwice("second")]],
  ])("%s succeeds, and happens once", async (_, faults) => {
    const home = await newMember();
    const { device } = await start(home);
    home.line.meet(...faults);
    await device.leave();
    expect(device.status).toBe("left");
    for (const { answer } of sent(home, "deregister")) expect(answer.status).toBe(200);
    await expectLeft(home);
  });

  it("whose answer is lost until the program is killed is finished by the next one, under the same key", async () => {
    const home = await newMember();
    const { device, program } = await start(home);
    home.line.meet(dropAnswer, dropAnswer, strikeBeforeAnswer(program.end));
    void device.leave();
    await program.ended();

    const { device: next } = await start(home);
    expect(next.status).toBe("leaving");
    await expect(next.join()).rejects.toMatchObject({ error: "LEAVE_UNFINISHED" });
    await next.leave();
    expect(next.status).toBe("left");
    const tries = sent(home, "deregister");
    expect(tries).toHaveLength(4);
    expect(new Set(tries.map(({ request }) => decodeJwt(request.body.toString()).jti)).size).toBe(1);
    await expectLeft(home);
  });

  it("of a device that never joined succeeds, too, if the refusal is lost: it may have been a member before", async () => {
    const home = newHome((await newMember()).domain);
    const { device } = await start(home);
    home.line.meet(dropAnswer);
    await device.leave();
    expect(device.status).toBe("left");
    expect(sent(home, "deregister").map(({ answer }) => answer.status)).toEqual([403, 403]);
  });

  // Sooner than the library gives up a try by itself.
  it("whose answer never comes ends when it is aborted", { timeout: 20_000 }, async () => {
    const home = await newMember();
    const { device } = await start(home);
    const abort = new AbortController();
    const reason = new Error("enough");
    home.line.meet(holdAnswer(() => abort.abort(reason)));
    await expect(device.leave({ signal: abort.signal })).rejects.toBe(reason);
    expect(device.status).toBe("leaving");
    await device.leave();
    await expectLeft(home);
  });

  it.each(["killed", "aborted"] as const)("%s at any moment is finished by the next call", async (how) => {
    await atEveryMoment(how, newMember, leave, async (device, home) => {
      await device.leave();
      await expectLeft(home);
    });
  });

  it.each(["killed", "aborted"] as const)(
    "before which licences are deleted, %s at any moment, is not sent before that, and finished by the next call",
    async (how) => {
      await atEveryMoment(how, newMember, leaveWithoutLicences, async (device, home) => {
        const { size } = home.licences;
        if (size > 0) expect(sent(home, "deregister")).toEqual([]);
        if (how === "killed" && size < LICENCES.length) expect(["leaving", "left"]).toContain(device.status);
        if (how === "aborted" && size > 0) expect(device.status).toBe("member");
        await device.leave({ beforeLeaving: () => home.licences.clear() });
        expect(home.licences.size).toBe(0);
        await expectLeft(home);
      });
    },
  );

  it("is not repeated more often, nor sooner, than it should", async () => {
    const home = await newMember();
    const pauses: number[] = [];
    const device = await DeviceDomain.open(server.domainUrl(home.domain), {
      store: new FileStore(home.directory),
      fetch: home.line.fetch,
      retries: 2,
      pause: async (milliseconds) => void pauses.push(milliseconds),
    });
    home.line.meet(beBusy(7), beBusy(7), beBusy(7));
    await expect(device.leave()).rejects.toMatchObject({ status: 503, retryable: true });
    expect(pauses).toHaveLength(2);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(7_000);
    expect(sent(home, "deregister")).toEqual([]);
    await device.leave();
    await expectLeft(home);
  });
});

describe("a join", () => {
  it.each<[string, Fault[]]>([
    ["whose answer is lost", [dropAnswer]],
    ["whose answer is cut", [cutAnswer]],
    ["that does not arrive at first", [dropRequest]],
    ["that arrives twice, answered as the first time", [deliverTwice("first")]],
    ["that arrives twice, answered as the second time", [deliverTwice("second")]],
    ["after which the authority's keys are cut", [pass, cutAnswer]],
    ["after which the authority's keys are lost", [pass, dropAnswer]],
  ])("%s makes one member of the device, which can open secrets", async (_, faults) => {
    const home = newHome();
    const { device } = await start(home);
    home.line.meet(...faults);
    expect(await device.join()).toMatchObject({ keyVersion: 1 });
    await expectMember(device, home);
    expect(await server.overview(home.domain)).toMatchObject({ revision: 1, keyVersion: 1 });
  });

  it.each<[string, Fault[]]>([
    ["whose answer is cut", [cutAnswer]],
    ["whose answer cannot be checked", [pass, cutAnswer]],
  ])("%s leaves nothing of it behind", async (_, faults) => {
    const home = newHome();
    const { device } = await start(home, 0);
    home.line.meet(...faults);
    await expect(device.join()).rejects.toMatchObject({ error: "UNREACHABLE", retryable: true });
    for (const each of [device, (await start(home)).device]) {
      expect(each.status).not.toBe("member");
      expect([each.currentKeyVersion, each.domainToken]).toEqual([null, null]);
    }
    expect(await device.join()).toEqual({ newMember: false, keyVersion: 1 });
    await expectMember(device, home);
  });

  it.each(["killed", "aborted"] as const)("%s at any moment is finished by the next call", async (how) => {
    await atEveryMoment(
      how,
      async () => newHome(),
      joining,
      async (device, home) => {
        await device.join();
        await expectMember(device, home);
      },
    );
  });
});

describe("a renewal", () => {
  it.each(["killed", "aborted"] as const)("%s at any moment is finished by the next call", async (how) => {
    await atEveryMoment(how, newMemberWithRolloverDue, renewing, async (device, home) => {
      await device.renew();
      await expectMember(device, home);
      expect(device.currentKeyVersion).toBe(2);
    });
  });
});

describe("a captured request", () => {
  it("to leave, sent again after a re-join, changes nothing", async () => {
    const home = await newMember();
    const { device } = await start(home);
    await device.leave();
    await device.join();
    const before = await server.overview(home.domain);
    const [captured] = sent(home, "deregister");
    const again = await home.line.deliver((captured as Delivery).request);
    expect([again.status, String(again.body)]).toEqual([200, String(captured?.answer.body)]);
    expect(await server.overview(home.domain)).toEqual(before);
    expect(await device.renew()).toMatchObject({ newMember: false });
    await expectMember(device, home);
  });

  it.each([
    ["join", joining],
    ["renew", renewing],
  ] as const)("to %s, sent again after the leave, does not bring the device back", async (_, call) => {
    const home = await newMember();
    const { device } = await start(home);
    await call(device);
    await device.leave();
    const before = await server.overview(home.domain);
    for (const { request } of sent(home, "register")) {
      expect((await home.line.deliver(request)).status).toBe(403);
    }
    expect(await server.overview(home.domain)).toEqual(before);
    expect(await device.previewLeave()).toBe(false);
  });
});

describe("a device that left before it was let in", () => {
  it("is not thrown out later by the leave that was denied", async () => {
    const home = newHome((await newMember()).domain);
    const { device } = await start(home);
    await expect(device.leave()).rejects.toMatchObject({ error: "DEREG_DENIED" });
    await device.join();
    const before = await server.overview(home.domain);
    for (const { request } of sent(home, "deregister")) await home.line.deliver(request);
    expect(await server.overview(home.domain)).toEqual(before);
    expect(await device.previewLeave()).toBe(true);
  });

  it.each<[string, Fault]>([
    ["while it leaves", deliverLate],
    ["after all else", deliverLast],
  ])("is not let in by the join that was held up and arrives %s", async (_, heldUp) => {
    const home = newHome((await newMember()).domain);
    const { device } = await start(home, 0);
    home.line.meet(heldUp);
    await expect(device.join()).rejects.toMatchObject({ error: "UNREACHABLE" });
    await device.leave();
    await home.line.settle();
    expect(device.status).toBe("left");
    for (const { request } of sent(home, "register")) expect((await home.line.deliver(request)).status).toBe(403);
    expect(await server.overview(home.domain)).toMatchObject({ memberCount: 1 });
    expect(await device.previewLeave()).toBe(false);
    await device.join();
    expect(await server.overview(home.domain)).toMatchObject({ memberCount: 2 });
  });

  it("is not let in by any of several that were held up, whenever its leave is interrupted", async () => {
    const { domain } = await newMember();
    const newHeldUp = async () => {
      const home = newHome(domain);
      const { device } = await start(home, 0);
      home.line.meet(deliverLast, deliverLast);
      for (let count = 0; count < 2; count++) {
        await expect(device.join()).rejects.toMatchObject({ error: "UNREACHABLE" });
      }
      return home;
    };
    await atEveryMoment("killed", newHeldUp, leave, async (device, home) => {
      await device.leave();
      await home.line.settle();
      expect(device.status).toBe("left");
      expect(await device.previewLeave()).toBe(false);
      expect(await server.overview(domain)).toMatchObject({ memberCount: 1 });
    });
  });

  it("does not join on its way out if its join was refused", async () => {
    const home = newHome((await newMember()).domain);
    await server.configure(home.domain, { maxMembership: 1 });
    const { device } = await start(home);
    await expect(device.join()).rejects.toMatchObject({ error: "DOM_LIMIT_REACHED" });
    await expect(device.leave()).rejects.toMatchObject({ error: "DEREG_DENIED" });
    expect(sent(home, "register")).toHaveLength(1);
  });

  // The limit that docs/security.md names.
  it("may be let in by the join that was held up if it could not join to take it back", async () => {
    const home = newHome((await newMember()).domain);
    const { device } = await start(home, 0);
    home.line.meet(deliverLast);
    await expect(device.join()).rejects.toMatchObject({ error: "UNREACHABLE" });
    await server.configure(home.domain, { maxMembership: 1 });
    await expect(device.leave()).rejects.toMatchObject({ error: "DEREG_DENIED" });
    await server.configure(home.domain, { maxMembership: null });
    await home.line.settle();
    expect(device.status).toBe("left");
    expect(await server.overview(home.domain)).toMatchObject({ memberCount: 2 });
    await device.leave();
    for (const { request } of sent(home, "register")) await home.line.deliver(request);
    expect(await server.overview(home.domain)).toMatchObject({ memberCount: 1 });
  });
});

/** The licences that a device has in the beginning. */
const LICENCES = ["film", "book"];

/** Where a device is at home: what outlives its programs. */
type Home = { domain: string; directory: string; line: Line; licences: Set<string> };

let homes = 0;

function newHome(domain = `den-${++homes}`): Home {
  return { domain, directory: mkdtempSync(join(folder, "device-")), line: server.line(), licences: new Set(LICENCES) };
}

async function newMember(): Promise<Home> {
  const home = newHome();
  const { device } = await start(home);
  await device.join();
  return home;
}

async function newMemberWithRolloverDue(): Promise<Home> {
  const home = await newMember();
  const { device: other } = await start(newHome(home.domain));
  await other.join();
  await other.leave();
  return home;
}

/** Starts a program of a device. */
async function start({ domain, directory, line }: Home, retries?: number) {
  const program = new DeviceProgram(new FileStore(directory), line);
  const { store, fetch, pause } = program;
  const device = await DeviceDomain.open(server.domainUrl(domain), { store, fetch, pause, retries });
  return { program, device };
}

type Call = (device: DeviceDomain, signal?: AbortSignal, home?: Home, program?: DeviceProgram) => Promise<unknown>;
const joining: Call = (device, signal) => device.join({ signal });
const renewing: Call = (device, signal) => device.renew({ signal });
const leave: Call = (device, signal) => device.leave({ signal });
const leaveWithoutLicences: Call = (device, signal, home, program) =>
  device.leave({
    signal,
    beforeLeaving: async () => {
      for (const licence of LICENCES) {
        await program?.pause(0, signal);
        signal?.throwIfAborted();
        home?.licences.delete(licence);
      }
    },
  });

/** Interrupts a call at each of its moments, every time with another device, and has it finished from there. */
async function atEveryMoment(
  how: "killed" | "aborted",
  settle: () => Promise<Home>,
  call: Call,
  finish: (device: DeviceDomain, home: Home) => Promise<void>,
): Promise<void> {
  let moment = 0;
  for (let isOver = false; !isOver; moment++) {
    const home = await settle();
    const { device, program } = await start(home);
    const abort = new AbortController();
    const reason = new Error("interrupted");
    program.strikeAt(moment + 1, how === "killed" ? program.end : () => abort.abort(reason));
    const outcome = await Promise.race([
      call(device, abort.signal, home, program).then(
        () => "done",
        (error) => error,
      ),
      program.ended().then(() => "killed"),
    ]);
    isOver = !abort.signal.aborted && outcome !== "killed";
    program.strikeAt(0, () => {});
    if (outcome !== "done" && outcome !== "killed") expect(outcome).toBe(reason);
    await finish(how === "killed" ? (await start(home)).device : device, home);
  }
  // Loading and saving alone are four.
  expect(moment).toBeGreaterThan(7);
}

/** The requests that the server was sent for a device. */
function sent({ line }: Home, action: "register" | "deregister"): Delivery[] {
  return line.deliveries.filter(
    ({ request }) => request.path.endsWith(`/${action}`) && decodeJwt(request.body.toString()).preview !== true,
  );
}

async function expectMember(device: DeviceDomain, { domain }: Home): Promise<void> {
  expect(device.status).toBe("member");
  const secret = await encryptToDomain(server.plainUrl(domain), "a licence");
  expect(new TextDecoder().decode(await device.decrypt(secret))).toBe("a licence");
  expect(await server.overview(domain)).toMatchObject({ memberCount: 1 });
}

/** The domain's only member has left, in one commit after that of its join. */
async function expectLeft(home: Home): Promise<void> {
  expect(await server.overview(home.domain)).toMatchObject({ revision: 2, memberCount: 0 });
  const { device } = await start(home);
  expect([device.status, device.currentKeyVersion]).toEqual(["left", null]);
  expect(await device.previewLeave()).toBe(false);
}
