import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Command } from "../../src/domain/commands.ts";
import {
  deregister,
  invariantViolations,
  newDomain,
  newGuid,
  register,
  reply,
  rows,
} from "../support/worker/client.ts";
import { copyOf, expectCopied, original } from "../support/worker/copied.ts";
import { ALL_FAULTS, type Fault, setWriterDatabase, unluckyDatabase } from "../support/worker/faulty-database.ts";
import { execute, gist, joins, leaves, operators, runAlarm, setEnvironment } from "../support/worker/objects.ts";

const mends: (() => void)[] = [];
beforeEach(() => setWriterDatabase());
afterEach(() => {
  // A call that hangs would keep the writer from the next test.
  for (const mend of mends.splice(0)) mend();
  return setWriterDatabase();
});

/** A database that does as `plan` says, call by call, until it is mended or the test is over. */
function unlucky(plan: (call: number) => Fault | undefined) {
  const database = unluckyDatabase(plan);
  mends.push(database.mend);
  return database;
}

type Rows = Awaited<ReturnType<typeof rows>>;
type Operation = Readonly<{ command: (member: string, banned: string) => Command; done: (after: Rows) => boolean }>;

const proof = (thumbprint: string) => ({ thumbprint, signedAt: Date.now(), idempotencyKey: newGuid() });

/** Every operation, on a domain with one member and one ban; and how one sees in the object's rows that it was done. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  "a join": { command: () => joins(newGuid()), done: ({ members }) => members.length === 2 },
  "a signed join": {
    command: () => joins(newGuid(), { proof: proof("a key") }),
    done: ({ members }) => members.length === 2,
  },
  "a renewal": { command: (member) => joins(member), done: ({ members }) => members.length === 1 },
  "a leave": { command: (member) => leaves(member), done: ({ members }) => members.length === 0 },
  "a leave with a key of its own": {
    command: (member) => leaves(member, { idempotencyKey: newGuid() }),
    done: ({ members }) => members.length === 0,
  },
  "a preview": { command: (member) => leaves(member, { preview: true }), done: ({ members }) => members.length === 1 },
  "a change of settings": {
    command: () => operators({ type: "settings", mode: "merge", patch: { maxMembership: 7 } }),
    done: ({ info }) => info?.max_membership === 7,
  },
  "a rollover": {
    command: () => operators({ type: "rollover", when: "now" }),
    done: ({ keys }) => keys.length === 3,
  },
  "an eviction": {
    command: (machineGuid) => operators({ type: "evict", machineGuid }),
    done: ({ members }) => members.length === 0,
  },
  "a ban": {
    command: (machineGuid) => operators({ type: "ban", machineGuid, reason: "stolen" }),
    done: ({ members }) => members.length === 0,
  },
  "the end of a ban": {
    command: (_, machineGuid) => operators({ type: "unban", machineGuid }),
    done: ({ info }) => info?.revision === 5,
  },
  "a retirement": {
    command: () => operators({ type: "retire", upTo: 1 }),
    done: ({ info }) => info?.retired_up_to === 1,
  },
};

/** A domain with one member, one ban and two keys, of which the database has everything. */
async function prepared() {
  const [domain, member, banned] = [newDomain(), newGuid(), newGuid()];
  await execute(domain, joins(member));
  await execute(domain, operators({ type: "ban", machineGuid: banned, reason: "lost" }));
  await execute(domain, operators({ type: "rollover", when: "now" }));
  await execute(domain, operators({ type: "rollover", when: "next-registration" }));
  await execute(domain, operators({ type: "settings", mode: "merge", patch: {} }));
  await expectCopied(domain);
  expect((await rows(domain)).info?.revision).toBe(4);
  return { domain, member, banned };
}

/** Has a domain come right after the database was mended, and checks that it goes on. */
async function expectToComeRight(domain: string): Promise<void> {
  await runAlarm(domain);
  await expectCopied(domain);
  expect(gist(await execute(domain, joins(newGuid(), { proof: proof("another key") })))).toMatchObject({
    newMember: true,
  });
  await expectCopied(domain);
  expect(await invariantViolations(domain)).toEqual([]);
}

const PLANS: Readonly<Record<string, (fault: Fault) => (call: number) => Fault | undefined>> = {
  "its first call": (fault) => (call) => (call === 0 ? fault : undefined),
  "its second call": (fault) => (call) => (call === 1 ? fault : undefined),
  "each of the first two": (fault) => (call) => (call < 2 ? fault : undefined),
  "every call": (fault) => () => fault,
};

describe.each(ALL_FAULTS)("while D1 %s", (fault) => {
  // A call that hangs has nobody ask a second time while operators wait.
  const plans = Object.entries(PLANS).filter(([name]) => !fault.startsWith("hangs") || name !== "its second call");

  it.each(plans)("at %s, every operation is done, and the copy comes right", async (_, planOf) => {
    const domains = await Promise.all(Object.values(OPERATIONS).map(() => prepared()));
    const { database, luck, mend } = unlucky(planOf(fault));
    await setWriterDatabase(database);
    await Promise.all(
      Object.entries(OPERATIONS).map(async ([name, { command, done }], index) => {
        const { domain, member, banned } = domains[index] as (typeof domains)[number];
        const asked = command(member, banned);
        const grant = gist(await execute(domain, asked));
        expect(grant, name).toBeTypeOf("object");
        expect(done(await rows(domain)), name).toBe(true);
        if (asked.type === "register" || asked.type === "deregister") return;
        const { copied } = grant as object as { copied: boolean };
        expect(copied, name).toBeTypeOf("boolean");
        // It is not said lightly.
        if (copied) expect(await copyOf(domain), name).toEqual(await original(domain));
        else expect(luck.calls).toBeGreaterThan(0);
      }),
    );
    expect(luck.calls).toBeGreaterThan(0);
    mend();
    for (const { domain } of domains) await expectToComeRight(domain);
  });

  it("at any call of writing a domain anew, devices notice nothing, and the copy comes right", async () => {
    // Which call fails: the first, the second, and so on, for as long as there is such a call.
    for (let failing = 0; ; failing++) {
      const { domain } = await prepared();
      await loseAll(domain);
      const { database, luck, mend } = unlucky((call) => (call === failing ? fault : undefined));
      await setWriterDatabase(database);
      expect((await register(domain, newGuid())).status).toBe(201);
      await vi.waitFor(
        async () => {
          if (luck.calls <= failing) expect(await copyOf(domain)).toEqual(await original(domain));
        },
        { timeout: 20_000 },
      );
      const reached = luck.calls > failing;
      mend();
      await expectToComeRight(domain);
      if (!reached) {
        expect(failing).toBeGreaterThan(4);
        return;
      }
    }
  });

  it("also in the alarm, the alarm goes off again and brings the copy right in the end", async () => {
    const { domain } = await prepared();
    const { database, luck, mend } = unlucky(() => fault);
    await setWriterDatabase(database);
    expect((await register(domain, newGuid())).status).toBe(201);
    await vi.waitFor(() => expect(luck.calls).toBeGreaterThan(0));
    // One that hangs keeps the alarm, too, until it is mended.
    if (!fault.startsWith("hangs")) expect(await runAlarm(domain)).toBe(true);
    expect((await register(domain, newGuid())).status).toBe(201);
    mend();
    await expectToComeRight(domain);
  });
});

/** Has the database forget a domain. */
async function loseAll(domain: string): Promise<void> {
  for (const table of ["domain_server_info", "domain_membership", "domain_keys", "domain_bans"]) {
    await env.DB.prepare(`delete from ${table} where domain = ?`).bind(domain).run();
  }
}

describe("a domain that does not exist yet", () => {
  const ASK: Readonly<Record<string, (domain: string) => Promise<{ status: number; body: { error: string } }>>> = {
    "a join": (domain) => register(domain, newGuid()),
    "a leave": (domain) => deregister(domain, newGuid()),
    "a preview": (domain) => deregister(domain, newGuid(), { preview: true }),
    "a look": (domain) => reply("GET", `/domains/${domain}`),
  };

  it("is not served while D1 cannot say whether it knows it, and is once D1 can", async () => {
    const cases = ALL_FAULTS.flatMap((fault) => Object.entries(ASK).map(([name, ask]) => ({ fault, name, ask })));
    await Promise.all(
      cases.map(async ({ fault, name, ask }) => {
        const domain = newDomain();
        // One that hangs is given up after a while.
        const { database, mend } = unlucky(() => fault);
        await setEnvironment(domain, { DB: database });
        const refusal = await ask(domain);
        expect(refusal.status, `${name}, ${fault}`).toBe(503);
        expect(refusal.body.error).toBe(fault === "is overloaded" ? "OVERLOADED" : "TEMPORARILY_UNAVAILABLE");
        expect((await rows(domain)).info).toBeUndefined();
        mend();
        expect((await register(domain, newGuid())).status).toBe(201);
        await expectCopied(domain);
      }),
    );
  });

  it("is served once it exists, whatever D1 does", async () => {
    const domain = newDomain();
    const { database, mend } = unlucky((call) => (call === 0 ? undefined : "fails before"));
    await setEnvironment(domain, { DB: database });
    const { database: away, mend: mendWriter } = unlucky(() => "fails before");
    await setWriterDatabase(away);
    const guid = newGuid();
    expect((await register(domain, guid)).status).toBe(201);
    expect((await register(domain, guid)).status).toBe(200);
    expect((await deregister(domain, guid)).status).toBe(200);
    for (const each of [mend, mendWriter]) each();
    await expectToComeRight(domain);
  });
});

describe("any run of faults", () => {
  it("is noticed by nobody, and the copy comes right", async () => {
    const names = fc.constantFrom(...Object.keys(OPERATIONS));
    // Those that hang are above: each takes an operator's two seconds.
    const faults = fc.option(fc.constantFrom<Fault>("fails before", "fails after", "is overloaded"), {
      nil: undefined,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(names, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
        fc.array(faults, { maxLength: 12 }),
        async (rounds, plan) => {
          const { domain, member, banned } = await prepared();
          const { database, mend } = unlucky((call) => plan[call]);
          await setWriterDatabase(database);
          for (const round of rounds) {
            const outcomes = await Promise.all(
              round.map((name) => execute(domain, (OPERATIONS[name] as Operation).command(member, banned))),
            );
            for (const outcome of outcomes.map(gist)) {
              const refused = ["DEREG_DENIED", "NOT_FOUND", "DEVICE_BANNED", "DOM_LIMIT_REACHED"].includes(
                outcome as unknown as string,
              );
              expect(typeof outcome === "object" || refused, JSON.stringify(outcome)).toBe(true);
            }
          }
          mend();
          await execute(domain, operators({ type: "settings", mode: "replace", patch: {} }));
          await expectToComeRight(domain);
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe("a clock that jumps", () => {
  it.each([10 * 365 * 24 * 60 * 60 * 1000, -10 * 365 * 24 * 60 * 60 * 1000])("by %i ms stops nothing", async (jump) => {
    const [domain, first, second] = [newDomain(), newGuid(), newGuid()];
    await register(domain, first);
    const then = Date.now() + jump;
    vi.useFakeTimers({ toFake: ["Date"], now: then });
    try {
      const { body } = await register(domain, second);
      // What it hands out is signed by the new time, not by what was kept from before.
      const expiresAt = Date.parse(body.credentials[0].expiresAt);
      expect(Math.abs(expiresAt - 30 * 24 * 60 * 60 * 1000 - then)).toBeLessThan(60_000);
    } finally {
      vi.useRealTimers();
    }
    expect((await deregister(domain, first)).status).toBe(200);
    expect((await register(domain, first)).body).toMatchObject({ newMember: true, keyVersion: 2 });
    expect(await invariantViolations(domain)).toEqual([]);
    await expectCopied(domain);
  });
});
