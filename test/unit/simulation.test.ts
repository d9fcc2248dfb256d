import { beforeAll, describe, expect, it } from "vitest";
import { loadDatabaseWriter } from "../../bench/simulation/database.ts";
import { evening } from "../../bench/simulation/evening.ts";
import { EventClock } from "../../bench/simulation/event-clock.ts";
import { householdYear } from "../../bench/simulation/households.ts";
import { premiere } from "../../bench/simulation/premiere.ts";

let newWriter: Awaited<ReturnType<typeof loadDatabaseWriter>>;
beforeAll(async () => {
  newWriter = await loadDatabaseWriter();
});

describe("modelled time", () => {
  it("lets events happen in their order, and timers of a thread wait while it is busy", async () => {
    const clock = new EventClock("time");
    const thread = { free: 0, busy: 0 };
    const happened: (readonly [string, number])[] = [];
    const note = (what: string) => happened.push([what, Date.now()]);
    await clock.run(() => {
      setTimeout(() => note("late"), 30);
      clearTimeout(setTimeout(() => note("never"), 5));
      clock.work(thread, 20);
      clock.as(thread, () => setTimeout(() => note("of the thread"), 10));
      clock.sleep(10).then(() => note("early"));
    });
    expect(happened).toEqual([
      ["early", 10],
      ["of the thread", 20],
      ["late", 30],
    ]);
  });
});

describe("a premiere", () => {
  const plan = { devices: 3_000, window: 1_000, join: 0.5 };

  it("has every device joined and copied, however often it was refused", async () => {
    const result = await premiere({ ...plan, devices: 9_000 }, newWriter, "crowd");
    expect(result.refusals).toBeGreaterThan(0);
    expect([result.joined, result.copied]).toEqual([9_000, 9_000]);
  });

  it("is the same again with the same seed, and another with another", async () => {
    const first = await premiere(plan, newWriter, "one");
    expect(await premiere(plan, newWriter, "one")).toEqual(first);
    expect(await premiere(plan, newWriter, "two")).not.toEqual(first);
  });
});

it("a database gets every change that is handed over, many with each write", async () => {
  const result = await evening(500, 5_000, newWriter, "evening");
  expect(result.copied).toBe(result.changes);
  expect(result.changesPerWrite).toBeGreaterThan(10);
});

it("a household's keys are as many as its rollovers, and retire", () => {
  const year = householdYear(300, "year");
  expect(year.members).toBeGreaterThan(4.9);
  expect(year.joins).toBeCloseTo(5 + year.leaves, 1);
  expect(year.keyVersions).toBeGreaterThan(1);
  expect(year.keysInForce).toBeLessThan(year.keyVersions);
});
