import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Outcome } from "../../src/domain/types.ts";
import type { CopiedChange, Found } from "../../src/server/database/copied-tables.ts";
import { DatabaseWriter } from "../../src/server/database/database-writer.ts";
import { newDomain, newGuid } from "../support/worker/client.ts";
import { copyOf, expectCopied } from "../support/worker/copied.ts";
import { faultyDatabase, setWriterDatabase } from "../support/worker/faulty-database.ts";
import { execute, joins, leaves, operators, runAlarm } from "../support/worker/objects.ts";

beforeEach(() => setWriterDatabase());
afterEach(async () => {
  vi.restoreAllMocks();
  await setWriterDatabase();
});

/** Hands the writer a part, as an object does. */
function write(part: CopiedChange): Promise<Outcome<Found>> {
  return env.DATABASE_WRITER.getByName("DB").write(part) as unknown as Promise<Outcome<Found>>;
}

const forget = (domain: string) =>
  Promise.all(
    ["domain_server_info", "domain_membership", "domain_keys", "domain_bans"].map((table) =>
      env.DB.prepare(`delete from ${table} where domain = ?`).bind(domain).run(),
    ),
  );

/** A domain that has been through everything, the parts of its copy in order, and what D1 had after each. */
async function recordedLife() {
  const domain = newDomain();
  const [one, two, three, banned] = [newGuid(), newGuid(), newGuid(), newGuid()];
  const spy = vi.spyOn(DatabaseWriter.prototype, "write");
  const parts: CopiedChange[] = [];
  const states: Awaited<ReturnType<typeof copyOf>>[] = [];
  for (const command of [
    joins(one),
    joins(two, { sealed: true, proof: { thumbprint: "a key", signedAt: 1, idempotencyKey: "k" } }),
    operators({ type: "ban", machineGuid: banned, reason: "stolen" }),
    leaves(one),
    joins(three),
    operators({ type: "ban", machineGuid: two, reason: "lost" }),
    operators({ type: "rollover", when: "now" }),
    operators({ type: "unban", machineGuid: banned }),
    operators({ type: "retire", upTo: 1 }),
    operators({ type: "settings", mode: "replace", patch: { maxMembership: 9 } }),
    joins(one),
  ]) {
    await execute(domain, command);
    await expectCopied(domain);
    const [part] = spy.mock.calls.map(([change]) => change).filter(({ info }) => info.domain === domain);
    parts.push(structuredClone(part) as CopiedChange);
    states.push(await copyOf(domain));
    spy.mockClear();
  }
  spy.mockRestore();
  return { domain, parts, states };
}

describe("the parts of a copy", () => {
  it("have no effect late: neither one by one nor several at once", async () => {
    const { domain, parts, states } = await recordedLife();
    for (const part of parts) {
      expect(await write(part)).toMatchObject({ granted: true, grant: { revision: parts.length } });
      expect(await copyOf(domain)).toEqual(states.at(-1));
    }
    await Promise.all(parts.toReversed().map(write));
    expect(await copyOf(domain)).toEqual(states.at(-1));
  });

  it("have the effect of one, each, when they come twice", async () => {
    const { domain, parts, states } = await recordedLife();
    await forget(domain);
    for (const [index, part] of parts.entries()) {
      for (let time = 0; time < 2; time++) await write(part);
      expect(await copyOf(domain)).toEqual(states[index]);
      await Promise.all([part, part].map(write));
      expect(await copyOf(domain)).toEqual(states[index]);
    }
  });

  it("lead to a state the domain had, in whatever order and however often they come", async () => {
    const { domain, parts, states } = await recordedLife();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(parts.length - 1), { maxLength: 25 }), async (order) => {
        await forget(domain);
        let reached = 0;
        for (const index of order) {
          await write(parts[index] as CopiedChange);
          // Only the next part applies: those before it are late, and over a gap none is.
          if (index === reached) reached++;
        }
        const expected = states[reached - 1] ?? { ...states[0], ...NOTHING };
        expect(await copyOf(domain)).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  });
});

const NOTHING = { domain_membership: [], domain_keys: [], domain_bans: [], domain_server_info: [] };

/** Has the writer's next call wait, so that what comes meanwhile is written together. */
async function heldWriter() {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const calls: string[][] = [];
  await setWriterDatabase(
    faultyDatabase(env.DB, async (sql, run) => {
      calls.push([...sql]);
      if (calls.length === 1) await released;
      return run();
    }),
  );
  return { calls, release };
}

describe("what several domains hand over at once", () => {
  it("is written together, with no more statements than that of one", async () => {
    const { calls, release } = await heldWriter();
    const domains = Array.from({ length: 30 }, newDomain);
    for (const domain of domains) await execute(domain, joins(newGuid()));
    release();
    for (const domain of domains) await expectCopied(domain);
    expect(calls.length).toBeLessThanOrEqual(3);
    // The first is of one domain. One without rows, such as a comparison by an alarm, has fewer.
    for (const { length } of calls) expect(length).toBeLessThanOrEqual(calls[0]?.length as number);
  });

  it("is written but for that of one domain, if the database does not take that", async () => {
    const poisoned = newDomain();
    await env.DB.prepare(
      `create trigger poison before insert on domain_membership when new.domain = '${poisoned}'
        begin select raise(abort, 'poisoned'); end`,
    ).run();
    const { calls, release } = await heldWriter();
    const domains = [newDomain(), newDomain(), poisoned, newDomain(), newDomain()];
    for (const domain of domains) await execute(domain, joins(newGuid()));
    release();
    for (const domain of domains.filter((each) => each !== poisoned)) await expectCopied(domain);
    expect(calls.length).toBeGreaterThan(2);
    expect(await copyOf(poisoned)).toEqual(NOTHING);
    // The one domain's devices notice nothing either, and its operator learns that the database lacks it.
    expect(await execute(poisoned, joins(newGuid()))).toMatchObject({ granted: true, grant: { newMember: true } });
    const rollover = await execute(poisoned, operators({ type: "rollover", when: "now" }));
    expect(rollover).toMatchObject({ granted: true, grant: { copied: false } });

    await env.DB.prepare("drop trigger poison").run();
    await runAlarm(poisoned);
    await expectCopied(poisoned);
  });
});

describe("the queue of the database writer", () => {
  it("takes no more than there is memory for, and refuses the rest retryably", async () => {
    const { parts } = await recordedLife();
    const { release } = await heldWriter();
    const [part] = parts as [CopiedChange];
    const large = { ...part, removed: { ...part.removed, members: ["x".repeat(900_000)] } };
    const writes = Array.from({ length: 60 }, () => write(large));
    // The others wait for the database.
    expect(await Promise.race(writes)).toMatchObject({ granted: false, refusal: { error: "OVERLOADED" } });
    release();
    const outcomes = await Promise.all(writes);
    expect(outcomes.filter(({ granted }) => granted).length).toBeGreaterThan(10);
  });
});
