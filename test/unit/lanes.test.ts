import { afterEach, describe, expect, it, vi } from "vitest";
import {
  type Lane,
  Lanes,
  MAX_BYTES,
  MAX_UNANSWERED,
  QueueFullError,
  roomAfter,
  type Ways,
} from "../../src/server/object/batch-queue.ts";

/** A request of a size; the ways answer with it, once they are let. */
type Sized = Readonly<{ lane: Lane; bytes: number }>;

/**
 * Lanes whose every group waits to be let go, but for the ways that are given.
 *
 * @returns also the groups that waited, in the order in which they set out
 */
function heldLanes(ways: Partial<Ways<Sized, Sized>> = {}) {
  const groups: (readonly Sized[])[] = [];
  const held: (() => void)[] = [];
  const wait = async (requests: readonly Sized[]) => {
    groups.push(requests);
    await new Promise<void>((resolve) => held.push(resolve));
    return requests;
  };
  const lanes = new Lanes<Sized, Sized>({
    laneOf: ({ lane }) => lane,
    sizeOf: ({ bytes }) => bytes,
    read: wait,
    join: wait,
    change: wait,
    ...ways,
  });
  const letGo = () => {
    for (const go of held.splice(0)) go();
  };
  return { lanes, groups, letGo };
}

/** Waits until all are answered, letting every group go. */
async function finish<T>(
  answers: readonly Promise<T>[],
  letGo: () => void,
): Promise<readonly PromiseSettledResult<T>[]> {
  const all = Promise.allSettled(answers);
  let isOver = false;
  all.then(() => {
    isOver = true;
  });
  while (!isOver) {
    letGo();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return all;
}

const refused = (results: readonly PromiseSettledResult<unknown>[]) =>
  results.filter((result) => result.status === "rejected" && result.reason instanceof QueueFullError).length;

describe.each(["read", "join", "change"] as const)("the lane for a %s", (lane) => {
  it("refuses what comes on top of the most that wait, and answers all it took on", async () => {
    const { lanes, letGo } = heldLanes();
    // The first goes at once, alone; the others wait behind it.
    const answers = [lanes.submit({ lane, bytes: 1 })];
    const crowd = 3 * MAX_UNANSWERED;
    for (let index = 0; index < crowd; index++) answers.push(lanes.submit({ lane, bytes: 1 }));
    const results = await finish(answers, letGo);
    expect(refused(results)).toBeGreaterThan(0);
    expect(results.filter(({ status }) => status === "fulfilled").length + refused(results)).toBe(1 + crowd);
    expect((await finish([lanes.submit({ lane, bytes: 1 })], letGo))[0]?.status).toBe("fulfilled");
  });

  it("refuses what would take too much memory, and takes on as much as before once it is there again", async () => {
    const { lanes, letGo } = heldLanes();
    const fitting = 8;
    const batch = () => Array.from({ length: fitting + 3 }, () => lanes.submit({ lane, bytes: MAX_BYTES / fitting }));
    for (let round = 0; round < 3; round++) expect(refused(await finish(batch(), letGo))).toBe(3);
  });

  it("takes on nothing that is larger than all there is, and small ones beside it", async () => {
    const { lanes, letGo } = heldLanes();
    const results = await finish(
      [MAX_BYTES + 1, 1].map((bytes) => lanes.submit({ lane, bytes })),
      letGo,
    );
    expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  });

  describe("whose groups are late", () => {
    afterEach(() => void vi.useRealTimers());

    /** Sends as many as it takes on; lets those go after so many milliseconds, and waits for their answers. */
    async function fill({ lanes, letGo }: ReturnType<typeof heldLanes>, milliseconds: number): Promise<number> {
      const answers = Array.from({ length: MAX_UNANSWERED + 1 }, () => lanes.submit({ lane, bytes: 1 }));
      vi.setSystemTime(Date.now() + milliseconds);
      const results = await finish(answers, letGo);
      return results.length - refused(results);
    }

    it("takes on as many as it answers in two seconds, and as many as before once it is quick", async () => {
      vi.useFakeTimers({ toFake: ["Date"] });
      const held = heldLanes();
      expect(await fill(held, 8_000)).toBe(MAX_UNANSWERED);
      // 4,000 in eight seconds are 1,000 in two.
      expect(await fill(held, 1)).toBe(MAX_UNANSWERED / 4);
      expect(await fill(held, 1)).toBe(MAX_UNANSWERED);
    });

    it("takes on some however late they are", async () => {
      vi.useFakeTimers({ toFake: ["Date"] });
      const held = heldLanes();
      await fill(held, 3_600_000);
      expect(await fill(held, 1)).toBeGreaterThan(100);
    });

    it("lets the other lanes take on as many as before", async () => {
      vi.useFakeTimers({ toFake: ["Date"] });
      const held = heldLanes();
      await fill(held, 3_600_000);
      const other = lane === "join" ? "change" : "join";
      const answers = Array.from({ length: MAX_UNANSWERED }, () => held.lanes.submit({ lane: other, bytes: 1 }));
      expect(refused(await finish(answers, held.letGo))).toBe(0);
    });
  });
});

describe("changes and joins that wait at the same time", () => {
  it("go together, each as half of the group at least if they are many", async () => {
    const { lanes, groups, letGo } = heldLanes();
    const answers = [lanes.submit({ lane: "change", bytes: 1 })];
    for (const lane of ["change", "join"] as const) {
      for (let count = 0; count < 2_000; count++) answers.push(lanes.submit({ lane, bytes: 1 }));
    }
    await finish(answers, letGo);
    const [, second = []] = groups;
    expect(second.length).toBe(1_000);
    expect(second.filter(({ lane }) => lane === "join").length).toBe(500);
  });
});

describe("requests that turn out to be changes", () => {
  it("count where they wait: the lane they came by takes on as many as before", async () => {
    const { lanes, letGo } = heldLanes({
      read: async (requests) => requests.map((request) => (request.bytes > 1 ? null : request)),
      join: () => null,
    });
    const sentOn = Array.from({ length: MAX_UNANSWERED }, () => lanes.submit({ lane: "read", bytes: 2 }));
    // Reads take no time here; all have been sent on by now.
    await new Promise((resolve) => setTimeout(resolve));
    const reads = Array.from({ length: MAX_UNANSWERED }, () => lanes.submit({ lane: "read", bytes: 1 }));
    expect(refused(await Promise.allSettled(reads))).toBe(0);
    expect(refused(await Promise.allSettled([lanes.submit({ lane: "change", bytes: 1 })]))).toBe(1);
    expect(refused(await finish(sentOn, letGo))).toBe(0);
    expect(refused(await finish([lanes.submit({ lane: "change", bytes: 1 })], letGo))).toBe(0);
  });
});

describe("the room that an answer leaves", () => {
  const ALL = MAX_UNANSWERED;
  const LEAST = roomAfter(ALL, 0, 60_000);

  it("is what is answered in two seconds where many were ahead", () => {
    for (const before of [LEAST, ALL]) {
      expect(roomAfter(before, 1_000, 2_000)).toBe(1_000);
      expect(roomAfter(before, 1_000, 1_000)).toBe(2_000);
      expect(roomAfter(before, 3_000, 6_000)).toBe(1_000);
    }
  });

  it("is no less than before where few were ahead and the answer was in time", () => {
    expect(roomAfter(ALL, 0, 0)).toBe(ALL);
    expect(roomAfter(1_000, 100, 2_000)).toBeGreaterThan(1_000);
    expect(roomAfter(1_000, 100, 2_000)).toBeLessThan(1_001);
    expect(roomAfter(1_000, 100, 100)).toBe(2_000);
  });

  it("is some, but never more than all there is, however late an answer is", () => {
    expect(LEAST).toBeGreaterThan(100);
    expect(roomAfter(ALL, ALL, 3_600_000)).toBe(LEAST);
    expect(roomAfter(LEAST, ALL, 0)).toBe(ALL);
  });

  it("stays near what is answered in two seconds while five times as many come", () => {
    // One comes every millisecond, one is answered every 5, first come first served.
    const [arrival, service, steps] = [1, 5, 60_000];
    const waiting: { since: number; ahead: number }[] = [];
    let room = ALL;
    const waits: number[] = [];
    for (let now = 0; now < steps; now += arrival) {
      if (waiting.length < room) waiting.push({ since: now, ahead: waiting.length });
      if (now % service !== 0) continue;
      const { since, ahead } = waiting.shift() as { since: number; ahead: number };
      room = roomAfter(room, ahead, now - since);
      if (now > steps / 2) waits.push(now - since);
    }
    expect(Math.max(...waits)).toBeLessThan(2_500);
    expect(Math.min(...waits)).toBeGreaterThan(1_500);
  });
});
