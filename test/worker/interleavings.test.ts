import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  configure,
  deregister,
  invariantViolations,
  newDomain,
  newGuid,
  register,
  rows,
} from "../support/worker/client.ts";
import { expectCopied } from "../support/worker/copied.ts";

const DEVICES = 8;
const MAXIMUM = 5;

type Step = Readonly<{ device: number; ask: "join" | "leave" | "preview" }>;

const step: fc.Arbitrary<Step> = fc.record({
  device: fc.nat(DEVICES - 1),
  ask: fc.constantFrom("join", "join", "leave", "leave", "preview"),
});

/** Rounds of steps; the steps of one round are asked at once, and the next round waits for them all. */
const rounds = fc.array(fc.array(step, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 6 });

describe("joins and leaves interleaved at random", () => {
  it("keep every invariant, and never grant the newest key a device left with", { timeout: 240_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(rounds, async (plan) => {
        const domain = newDomain();
        const guids = Array.from({ length: DEVICES }, newGuid);
        await configure(domain, { maxMembership: MAXIMUM });
        const held = new Map<string, number>();
        let joined = 0;
        let left = 0;
        let mustExceed = 0;
        for (const steps of plan) {
          const answers = await Promise.all(
            steps.map(async ({ device, ask }) => {
              const guid = guids[device] as string;
              const answer =
                ask === "join"
                  ? await register(domain, guid)
                  : await deregister(domain, guid, { preview: ask === "preview" });
              return { guid, ask, ...answer };
            }),
          );
          const granted = answers.filter(({ ask, status }) => ask === "join" && status < 300);
          for (const { body } of granted) expect(body.keyVersion).toBeGreaterThan(mustExceed);
          joined += granted.filter(({ status }) => status === 201).length;
          const leavers = answers.filter(({ ask, status }) => ask === "leave" && status === 200);
          left += leavers.length;
          for (const { guid, body } of granted) held.set(guid, Math.max(held.get(guid) ?? 0, body.keyVersion));
          for (const { guid } of leavers) {
            // Who came back in the same round may have been granted a key after the leave: its order is not known.
            if (!granted.some((grant) => grant.guid === guid)) mustExceed = Math.max(mustExceed, held.get(guid) ?? 0);
          }
          const { info, members } = await rows(domain);
          expect(await invariantViolations(domain)).toEqual([]);
          expect(members.length).toBeLessThanOrEqual(MAXIMUM);
          expect(members).toHaveLength(joined - left);
          if (leavers.length > 0 && granted.length === 0) expect(info?.key_rollover_required).toBe(1);
        }
        await expectCopied(domain);
      }),
      { numRuns: 40 },
    );
  });

  it("give every member the same private key for a version", async () => {
    await fc.assert(
      fc.asyncProperty(rounds, async (plan) => {
        const domain = newDomain();
        const guids = Array.from({ length: DEVICES }, newGuid);
        const privateKeys = new Map<number, string>();
        for (const steps of plan) {
          const answers = await Promise.all(
            steps.map(({ device, ask }) => {
              const guid = guids[device] as string;
              return ask === "join" ? register(domain, guid) : deregister(domain, guid);
            }),
          );
          for (const { keyVersion, privateKey } of answers.flatMap(({ body }) => body.credentials ?? [])) {
            expect(privateKeys.get(keyVersion) ?? privateKey.d).toBe(privateKey.d);
            privateKeys.set(keyVersion, privateKey.d);
          }
        }
      }),
      { numRuns: 15 },
    );
  });
});
