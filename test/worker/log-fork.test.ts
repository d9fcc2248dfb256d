import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Command } from "../../src/domain/decide.ts";
import { configure, invariantViolations, newDomain, newGuid, rows } from "./client.ts";
import { CONNECTION_LOST, faultyDatabase, type Interference, isCommit } from "./faulty-database.ts";
import { breaks, storedEntries } from "./log-chains.ts";
import { bans, gist, joins, leaves, newQueue, request } from "./writers.ts";

const DEVICES = 5;
const WRITERS = 3;

const COMMANDS: Record<string, (machineGuid: string, requestId: string) => Command> = {
  join: joins,
  leave: leaves,
  ban: bans,
  evict: (machineGuid, requestId) => ({ type: "evict", requestId, machineGuid, by: "ada" }),
  unban: (machineGuid, requestId) => ({ type: "unban", requestId, machineGuid, by: "ada" }),
  rollover: (_, requestId) => ({ type: "rollover", requestId, by: "ada", when: "now" }),
};

const step = fc.record({
  writer: fc.nat(WRITERS - 1),
  device: fc.nat(DEVICES - 1),
  command: fc.constantFrom("join", "join", "join", "leave", "ban", "evict", "unban", "rollover"),
});

describe("writers of one domain at once", () => {
  it("keep one chain without a fork, whichever calls to the database overtake which", {
    timeout: 240_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 2, maxLength: 14 }),
        fc.infiniteStream(fc.nat()),
        async (steps, order) => {
          const domain = newDomain();
          await configure(domain, {});
          const guids = Array.from({ length: DEVICES }, newGuid);
          const database = faultyDatabase(env.DB, shuffled(order));
          const queues = Array.from({ length: WRITERS }, () => newQueue(domain, database));
          const results = await Promise.all(
            steps.map(async ({ writer, device, command }, index) => {
              const make = COMMANDS[command] as (typeof COMMANDS)[string];
              const asked = request(make(guids[device] as string, `request-${index}`));
              return (queues[writer] as (typeof queues)[number]).submit(asked);
            }),
          );
          const entries = await storedEntries(domain);
          expect(await breaks(entries)).toEqual([]);
          expect(await invariantViolations(domain)).toEqual([]);
          const commits = entries.map(({ commitId }) => commitId);
          expect(new Set(commits).size).toBe(commits.length);
          expect((await rows(domain)).info?.revision ?? 0).toBe(entries.length);
          // What was granted is in the log once, and what was refused is not.
          const logged = entries.flatMap(({ changes }) =>
            changes.flatMap(({ type, requestId }) => (requestId ? [`${requestId} ${type}`] : [])),
          );
          expect(new Set(logged).size).toBe(logged.length);
          for (const [index, result] of results.entries()) {
            if (typeof gist(result) !== "string") continue;
            expect(logged.some((each) => each.startsWith(`request-${index} `))).toBe(false);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("leave one chain behind if one of them sleeps through many commits of the other", async () => {
    const domain = newDomain();
    const other = newQueue(domain);
    let slept = false;
    const sleeper = newQueue(
      domain,
      faultyDatabase(env.DB, async (sql, run) => {
        if (isCommit(sql) && !slept) {
          slept = true;
          for (let count = 0; count < 20; count++) await other.submit(request(joins(newGuid())));
        }
        return run();
      }),
    );
    expect(gist(await sleeper.submit(request(joins(newGuid()))))).toMatchObject({ newMember: true });
    const entries = await storedEntries(domain);
    expect(entries).toHaveLength(21);
    expect(await breaks(entries)).toEqual([]);
  });
});

/** Has calls to the database go in an order of its own, one at a time, and loses the answers to some commits. */
function shuffled(order: fc.Stream<number>): Interference {
  const number = () => order.next().value ?? 0;
  const waiting: (() => Promise<void>)[] = [];
  let underWay = false;
  const next = async (): Promise<void> => {
    if (underWay || waiting.length === 0) return;
    underWay = true;
    // Whoever else is about to call gets to wait as well.
    await scheduler.wait(0);
    const [call] = waiting.splice(number() % waiting.length, 1);
    await call?.();
    underWay = false;
    await next();
  };
  return (sql, run) =>
    new Promise((resolve, reject) => {
      waiting.push(async () => {
        const answer = run();
        await answer.catch(() => {});
        if (isCommit(sql) && number() % 6 === 0) reject(new Error(CONNECTION_LOST));
        else answer.then(resolve, reject);
      });
      next();
    });
}
