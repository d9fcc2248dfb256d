import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Command } from "../../src/domain/decide.ts";
import { StorageUnavailableError } from "../../src/server/object/storage/domain-store.ts";
import { invariantViolations, newDomain, newGuid, rows } from "./client.ts";
import { CONNECTION_LOST, faultyDatabase } from "./faulty-database.ts";
import { gist, joins, leaves, newQueue, request } from "./writers.ts";

afterEach(() => vi.useRealTimers());

/** What may go wrong with a call to the database; each leaves it done or not, and says so or not. */
const FAULTS = {
  "fails before": async (_run: () => Promise<unknown>): Promise<unknown> => {
    throw new Error(CONNECTION_LOST);
  },
  "fails after": async (run: () => Promise<unknown>): Promise<unknown> => {
    await run();
    throw new Error(CONNECTION_LOST);
  },
  hangs: () => new Promise<never>(() => {}),
  "hangs after": async (run: () => Promise<unknown>): Promise<never> => {
    await run();
    return new Promise<never>(() => {});
  },
  "is overloaded": async (_run: () => Promise<unknown>): Promise<unknown> => {
    throw new Error("D1_ERROR: D1 DB is overloaded. Too many requests queued.");
  },
} as const;
type Fault = keyof typeof FAULTS;

const by = "operator";
/** How long the database may take in these tests; a call that takes longer for another reason is only one fault more. */
const ANSWER_MILLISECONDS = 50;
const proof = (guid: string) => ({ thumbprint: `key of ${guid}`, signedAt: Date.now(), requestKey: newGuid() });

/** Every operation, on a domain with one member (or none at all); and how one sees in the rows that it was done. */
const OPERATIONS: Record<
  string,
  { newborn?: true; command: (member: string) => Command; done: (after: Rows) => boolean }
> = {
  "a join": { command: () => joins(newGuid()), done: ({ members }) => members.length === 2 },
  "a join into a domain not yet born": {
    newborn: true,
    command: () => joins(newGuid()),
    done: ({ members }) => members.length === 1,
  },
  "a signed join": {
    command: () => {
      const guid = newGuid();
      return { ...joins(guid), proof: proof(guid) } as Command;
    },
    done: ({ members }) => members.length === 2,
  },
  "a leave": { command: (member) => leaves(member), done: ({ members }) => members.length === 0 },
  "a leave with a key of its own": {
    command: (member) => ({ ...leaves(member), requestKey: newGuid() }) as Command,
    done: ({ members }) => members.length === 0,
  },
  "a change of settings": {
    command: () => ({ type: "settings", requestId: newGuid(), by, mode: "merge", patch: { maxMembership: 7 } }),
    done: ({ info }) => info?.max_membership === 7,
  },
  "a rollover": {
    command: () => ({ type: "rollover", requestId: newGuid(), by, when: "now" }),
    done: ({ keys }) => keys.length === 2,
  },
  "an eviction": {
    command: (machineGuid) => ({ type: "evict", requestId: newGuid(), machineGuid, by }),
    done: ({ members }) => members.length === 0,
  },
  "a ban": {
    command: (machineGuid) => ({ type: "ban", requestId: newGuid(), machineGuid, reason: "stolen", by }),
    done: ({ members }) => members.length === 0,
  },
  "a renewal": { command: (member) => joins(member), done: () => true },
  "a preview": { command: (member) => ({ ...leaves(member), preview: true }) as Command, done: () => true },
};
type Rows = Awaited<ReturnType<typeof rows>>;

/** A queue whose database does as `plan` says, call by call; nothing goes wrong where it says nothing. */
function unluckyQueue(domain: string, plan: (call: number) => Fault | undefined) {
  const luck = { calls: 0, turned: false };
  const database = faultyDatabase(env.DB, (_, run) => {
    const fault = luck.turned ? undefined : plan(luck.calls++);
    return fault ? FAULTS[fault](run) : run();
  });
  return { queue: newQueue(domain, database, undefined, ANSWER_MILLISECONDS), luck };
}

/** What became of a request. */
async function outcomeOf(submitted: Promise<Parameters<typeof gist>[0]>): Promise<object | string> {
  try {
    return gist(await submitted);
  } catch (error) {
    if (error instanceof StorageUnavailableError) return "retryable";
    throw error;
  }
}

async function prepared(newborn: boolean): Promise<{ domain: string; member: string }> {
  const [domain, member] = [newDomain(), newGuid()];
  if (!newborn) await newQueue(domain).submit(request(joins(member)));
  return { domain, member };
}

describe.each(Object.entries(OPERATIONS))("%s", (_, { newborn = false, command, done }) => {
  it.each(Object.keys(FAULTS) as Fault[])(
    "while a call to D1 %s is done once, or refused and asked again",
    async (fault) => {
      // Which call fails: the first, the second, and so on, for as long as there is such a call.
      for (let unlucky = 0; ; unlucky++) {
        const { domain, member } = await prepared(newborn);
        const before = await rows(domain);
        const { queue, luck } = unluckyQueue(domain, (call) => (call === unlucky ? fault : undefined));
        const asked = command(member);
        let outcome = await outcomeOf(queue.submit(request(asked)));
        const reached = luck.calls > unlucky;
        luck.turned = true;
        if (outcome === "retryable") {
          // The same object, not a new one: it recovers by itself.
          outcome = await outcomeOf(queue.submit(request(asked, true)));
        }
        expect(outcome, `call ${unlucky}`).toBeTypeOf("object");
        const after = await rows(domain);
        expect(done(after), `call ${unlucky}`).toBe(true);
        expect(after.log.length - before.log.length).toBeLessThanOrEqual(1);
        expect(await invariantViolations(domain)).toEqual([]);
        // And it goes on.
        expect(gist(await queue.submit(request(joins(newGuid()))))).toMatchObject({ newMember: true });
        if (!reached) return;
      }
    },
  );
});

describe("any run of faults", () => {
  it("leaves every request done once or refused retryably, and the object in working order", async () => {
    const kinds = fc.constantFrom(
      ...(Object.keys(OPERATIONS).filter((name) => !OPERATIONS[name]?.newborn) as string[]),
    );
    const plan = fc.array(fc.option(fc.constantFrom(...(Object.keys(FAULTS) as Fault[])), { nil: undefined }), {
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(kinds, { minLength: 1, maxLength: 6 }), plan, async (names, faults) => {
        const { domain, member } = await prepared(false);
        const { queue, luck } = unluckyQueue(domain, (call) => faults[call]);
        const outcomes = await Promise.all(
          names.map((name) =>
            outcomeOf(queue.submit(request((OPERATIONS[name] as (typeof OPERATIONS)[string]).command(member)))),
          ),
        );
        luck.turned = true;
        for (const outcome of outcomes) {
          const refused = ["retryable", "DEREG_DENIED", "NOT_FOUND", "DEVICE_BANNED"].includes(outcome as string);
          expect(typeof outcome === "object" || refused, JSON.stringify(outcome)).toBe(true);
        }
        expect(await invariantViolations(domain)).toEqual([]);
        expect(gist(await queue.submit(request(joins(newGuid()))))).toMatchObject({ newMember: true });
      }),
      { numRuns: 60 },
    );
  });
});

describe("a clock that jumps", () => {
  it.each([10 * 365 * 24 * 60 * 60 * 1000, -10 * 365 * 24 * 60 * 60 * 1000])("by %i ms stops nothing", async (jump) => {
    const [domain, first, second] = [newDomain(), newGuid(), newGuid()];
    const queue = newQueue(domain);
    await queue.submit(request(joins(first)));
    const then = Date.now() + jump;
    vi.useFakeTimers({ toFake: ["Date"], now: then });
    const joined = await queue.submit(request(joins(second)));
    const { expiresAt } = ("credentials" in joined && joined.credentials[0]) as { expiresAt: number };
    // What it hands out is signed by the new time, not by what was kept from before.
    expect(Math.abs(expiresAt - 30 * 24 * 60 * 60 * 1000 - then)).toBeLessThan(60_000);
    vi.useRealTimers();
    expect(gist(await queue.submit(request(leaves(first))))).toEqual({ deregistered: true });
    expect(gist(await queue.submit(request(joins(first))))).toMatchObject({ newMember: true, keyVersion: 2 });
    expect(await invariantViolations(domain)).toEqual([]);
  });
});
