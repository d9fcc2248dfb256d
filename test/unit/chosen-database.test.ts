import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chosenDatabase } from "../../src/server/database/database-choice.ts";

const bindings = fc.uniqueArray(fc.constantFrom("DB", "DB_2", "DB_3", "DB_4", "DB_5", "DB_6"), { minLength: 1 });

describe("the database that is chosen for a domain", () => {
  it("is an open one, whatever their order, and stays unless the new one is chosen", () => {
    fc.assert(
      fc.property(fc.string(), bindings, (domain, open) => {
        const chosen = chosenDatabase(domain, open);
        expect(open).toContain(chosen);
        expect(chosenDatabase(domain, [...open].reverse())).toBe(chosen);
        expect([chosen, "DB_7"]).toContain(chosenDatabase(domain, [...open, "DB_7"]));
      }),
    );
  });

  it("is each of four as often as the others", () => {
    const counts = new Map<string, number>();
    for (let count = 0; count < 4_000; count++) {
      const chosen = chosenDatabase(`home-${count}`, ["DB", "DB_2", "DB_3", "DB_4"]);
      counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
    }
    // Five standard deviations of a fair choice.
    for (const each of counts.values()) expect(Math.abs(each - 1_000)).toBeLessThan(140);
  });
});
