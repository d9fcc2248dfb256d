import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { listOfAll } from "../../src/server/database/databases.ts";

describe("a list over several databases", () => {
  const inDatabases = fc.array(fc.constantFrom(0, 1, 2), { maxLength: 40 });

  it("has every row once and in order, by parts of any size, though each database cuts its own short", async () => {
    await fc.assert(
      fc.asyncProperty(
        inDatabases,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        async (places, limit, looked) => {
          const env = Object.fromEntries(
            [0, 1, 2].map((index) => [
              index === 0 ? "DB" : `DB_${index + 1}`,
              places.flatMap((place, key) => (place === index ? [key] : [])),
            ]),
          );
          const read = async (database: unknown, part: { after: number | null; limit: number }) => {
            const rest = (database as number[]).filter((key) => key > (part.after ?? -1));
            const rows = rest.slice(0, Math.min(part.limit, looked));
            return { rows, cut: rows.length < part.limit && rows.length < rest.length };
          };
          const found: number[] = [];
          for (let after: number | null = null; ; ) {
            const { rows, cut } = await listOfAll(env, { after, limit: limit + 1 }, read, (key) => key);
            const shown = rows.slice(0, limit);
            found.push(...shown);
            if (!cut && rows.length <= limit) break;
            expect(shown.length).toBeGreaterThan(0);
            after = shown.at(-1) as number;
          }
          expect(found).toEqual(places.map((_, key) => key));
        },
      ),
    );
  });
});
