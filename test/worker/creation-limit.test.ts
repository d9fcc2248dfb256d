import { afterEach, describe, expect, it, vi } from "vitest";
import { newDomain, newGuid, ORIGIN, rows } from "./client.ts";
import { execute, joins, objectOf, setEnvironment } from "./objects.ts";

/** What a domain's object makes of a device that would create the domain, under a limit of its own. */
async function create(domain: string, limit: () => Promise<{ success: boolean }>) {
  const asked: unknown[] = [];
  const CREATION_LIMIT = {
    limit: (options: unknown) => {
      asked.push(options);
      return limit();
    },
  };
  await setEnvironment(domain, { CREATION_LIMIT });
  const context = { issuer: ORIGIN, addresses: ["203.0.113.7"] };
  return { outcome: await objectOf(domain).execute(joins(newGuid()), context), asked };
}

describe("the limit of creations", () => {
  afterEach(() => vi.restoreAllMocks());

  it.each([
    ["rejects", () => Promise.reject(new Error("rate limits are down"))],
    [
      "throws",
      () => {
        throw new Error("rate limits are down");
      },
    ],
  ] as const)("that cannot be asked because it %s lets the domain come into being, and is logged", async (_, limit) => {
    const warnings = vi.spyOn(console, "warn").mockImplementation(() => {});
    const domain = newDomain();
    expect((await create(domain, limit)).outcome).toMatchObject({ granted: true, grant: { newMember: true } });
    expect((await rows(domain)).info).toMatchObject({ revision: 1, member_count: 1 });
    expect(warnings.mock.calls.join()).toContain("a rate limit could not be asked");
  });

  it("refuses what is too much, and leaves nothing behind", async () => {
    const domain = newDomain();
    const { outcome, asked } = await create(domain, async () => ({ success: false }));
    expect(outcome).toMatchObject({ granted: false, refusal: { error: "RATE_LIMITED" } });
    expect(asked).toEqual([{ key: "203.0.113.7" }]);
    expect(await rows(domain)).toEqual({ info: undefined, members: [], keys: [], log: [] });
  });

  it("is asked by whoever creates a domain alone", async () => {
    const domain = newDomain();
    const { asked } = await create(domain, async () => ({ success: true }));
    expect(asked).toHaveLength(1);
    const context = { issuer: ORIGIN, addresses: ["203.0.113.7"] };
    await objectOf(domain).execute(joins(newGuid()), context);
    expect(asked).toHaveLength(1);
    expect((await execute(domain, joins(newGuid()))).granted).toBe(true);
  });
});
