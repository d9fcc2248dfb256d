import { describe, expect, it } from "vitest";
import { type Lane, Lanes, MAX_BYTES, MAX_WAITING, QueueFullError } from "../../src/coordinator/lanes.ts";

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
    const crowd = 3 * MAX_WAITING;
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
});
