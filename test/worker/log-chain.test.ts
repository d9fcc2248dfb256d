import { abortAllDurableObjects } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { Command } from "../../src/domain/commands.ts";
import type { Outcome } from "../../src/domain/types.ts";
import { callObject } from "../../src/server/http/domain-objects.ts";
import { Problem } from "../../src/server/http/problems.ts";
import { configure, invariantViolations, newDomain, newGuid, ORIGIN, rows } from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";
import { breaks, storedEntries } from "../support/worker/log-chains.ts";
import { gist, joins, leaves, operators } from "../support/worker/objects.ts";

const DEVICES = 5;

const COMMANDS: Record<string, (machineGuid: string) => Command> = {
  join: (machineGuid) => joins(machineGuid),
  leave: (machineGuid) => leaves(machineGuid),
  ban: (machineGuid) => operators({ type: "ban", machineGuid, reason: "stolen" }),
  evict: (machineGuid) => operators({ type: "evict", machineGuid }),
  unban: (machineGuid) => operators({ type: "unban", machineGuid }),
  rollover: () => operators({ type: "rollover", when: "now" }),
  settings: () => operators({ type: "settings", mode: "merge", patch: { maxMembership: 3 } }),
};

const step = fc.record({
  device: fc.nat(DEVICES - 1),
  command: fc.constantFrom("join", "join", "join", "leave", "ban", "evict", "unban", "rollover", "settings"),
  /** How often the request is sent, each time under the same id. */
  copies: fc.constantFrom(1, 1, 1, 2, 3),
  pauseMilliseconds: fc.constantFrom(0, 0, 0, 1, 5, 12),
});

/** The outcome of a command, sent as the Worker does: again if the object was lost. */
async function send(domain: string, command: Command): Promise<Outcome<object> | null> {
  try {
    return await callObject(env, domain, (object) => object.execute(command, { issuer: ORIGIN }));
  } catch (error) {
    // The object was lost every time.
    if (error instanceof Problem) return null;
    throw error;
  }
}

describe("commands at one domain at once", () => {
  it("keep one chain, each done once, whenever the object is lost", { timeout: 240_000 }, async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 2, maxLength: 20 }),
        fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 3 }),
        async (steps, aborts) => {
          const domain = newDomain();
          await configure(domain, {});
          const guids = Array.from({ length: DEVICES }, newGuid);
          const commands = steps.map(({ device, command }) => COMMANDS[command]?.(guids[device] as string) as Command);
          const losses = aborts.map(async (milliseconds) => {
            await scheduler.wait(milliseconds);
            await abortAllDurableObjects();
          });
          const outcomes = await Promise.all(
            steps.map(async ({ copies, pauseMilliseconds }, index) => {
              if (pauseMilliseconds > 0) await scheduler.wait(pauseMilliseconds);
              return Promise.all(Array.from({ length: copies }, () => send(domain, commands[index] as Command)));
            }),
          );
          await Promise.all(losses);
          const entries = await storedEntries(domain);
          expect(await breaks(entries)).toEqual([]);
          expect(await invariantViolations(domain)).toEqual([]);
          expect((await rows(domain)).info?.revision).toBe(entries.length);
          // What was granted is in the log once, and what was refused every time is not.
          const logged = entries.flatMap(({ changes }) =>
            changes.flatMap(({ type, requestId }) => (requestId ? [`${requestId} ${type}`] : [])),
          );
          expect(new Set(logged).size).toBe(logged.length);
          for (const [index, { requestId, type }] of commands.entries()) {
            const isLogged = logged.some((each) => each.startsWith(`${requestId} `));
            const gists = (outcomes[index] as (Outcome<object> | null)[]).map((each) => each && gist(each));
            // The device may be removed between two copies of its request, and the outcome of a lost one is unknown.
            const isCertain = gists.every((each) => each !== null && each !== "TEMPORARILY_UNAVAILABLE");
            if (isCertain && gists.every((each) => typeof each === "string")) expect(isLogged).toBe(false);
            if (type === "rollover" && gists.some((each) => typeof each === "object" && each)) {
              expect(isLogged).toBe(true);
              const keyVersions = new Set(gists.flatMap((each) => (each as { keyVersion?: number })?.keyVersion ?? []));
              expect(keyVersions.size).toBe(1);
            }
          }
          await expectCopied(domain);
        },
      ),
      { numRuns: 25 },
    );
  });
});
