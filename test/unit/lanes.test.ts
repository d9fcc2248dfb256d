import { afterEach, describe, expect, it, vi } from "vitest";
import { type Lane, Lanes, MAX_BYTES, MAX_UNANSWERED, QueueFullError, roomAfter } from "../../src/coordinator/lanes.ts";

/** A request of a size; the ways answer with it, once they are let. */
type Sized = Readonly<{ lane: Lane; bytes: number }>;

/** Lanes whose every group waits to be let go. */
function heldLanes() {
  const held: (() => void)[] = [];
  const wait = async (requests: readonly Sized[]) => {
    await new Promise<void>((resolve) => held.push(resolve));
    return requests;
  };
  const lanes = new Lanes<Sized, Sized>({
    laneOf: ({ lane }) => lane,
    sizeOf: ({ bytes }) => bytes,
    read: wait,
    join: wait,
    change: wait,
  });
  const letGo = () => {
    for (const go of held.splice(0)) go();
  };
  return { lanes, letGo };
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
      // 4,000 in eight seconds are 1,000 in two, less the one that was itself waited for.
      expect(await fill(held, 1)).toBe(MAX_UNANSWERED / 4 - 1);
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

describe("the room that an answer leaves", () => {
  it("is all there is where few were ahead and the answer was not late", () => {
    expect(roomAfter(0, 0)).toBe(MAX_UNANSWERED);
    expect(roomAfter(100, 2_000)).toBe(MAX_UNANSWERED);
  });

  it("is what is answered in two seconds where many were ahead", () => {
    expect(roomAfter(1_000, 2_000)).toBe(1_000);
    expect(roomAfter(1_000, 1_000)).toBe(2_000);
    expect(roomAfter(3_000, 6_000)).toBe(1_000);
  });

  it("is never more than all there is, nor nothing", () => {
    expect(roomAfter(MAX_UNANSWERED, 0)).toBe(MAX_UNANSWERED);
    expect(roomAfter(0, 60_000)).toBeGreaterThan(100);
    expect(roomAfter(MAX_UNANSWERED, 3_600_000)).toBe(roomAfter(0, 60_000));
  });
});
