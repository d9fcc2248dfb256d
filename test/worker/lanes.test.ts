import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { WORTH_A_TRIP } from "../../src/server/object/batch-queue.ts";
import { invariantViolations, newDomain, newGuid, rows } from "./client.ts";
import { CONNECTION_LOST, faultyDatabase, type Interference, isCommit } from "./faulty-database.ts";
import { gist, joins, leaves, newQueue, request } from "./writers.ts";

/** So many joins at once take four trips: the first goes alone, the others gather behind it. */
const FOUR_TRIPS = 1 + 3 * WORTH_A_TRIP;

const guids = (count: number) => Array.from({ length: count }, newGuid);

/** A domain whose queue has made its first commit, so that it has a state to assume; `interfere` with the rest. */
async function warmed(interfere: Interference) {
  const domain = newDomain();
  let warm = false;
  const queue = newQueue(
    domain,
    faultyDatabase(env.DB, (sql, run) => (warm ? interfere(sql, run) : run())),
  );
  await queue.submit(request(joins(newGuid())));
  warm = true;
  return { domain, queue };
}

/** Has commits wait until `count` of them are under way, then lets them go in the order that `order` gives. */
function gate(count: number, order: (commits: (() => void)[]) => (() => void)[]): Interference {
  const held: (() => void)[] = [];
  let open = false;
  return async (sql, run) => {
    if (!isCommit(sql) || open) return run();
    await new Promise<void>((resolve) => {
      held.push(resolve);
      if (held.length === count) {
        open = true;
        for (const release of order(held)) release();
      }
    });
    return run();
  };
}

describe("joins on their way one behind the other", () => {
  it("are committed without waiting for each other, and without reading first", async () => {
    const calls: boolean[] = [];
    const all = gate(4, (commits) => commits);
    const { domain, queue } = await warmed((sql, run) => {
      calls.push(isCommit(sql));
      return all(sql, run);
    });
    const results = await Promise.all(guids(FOUR_TRIPS).map((guid) => queue.submit(request(joins(guid)))));
    expect(results.map(gist)).toEqual(results.map(() => expect.objectContaining({ newMember: true, keyVersion: 1 })));
    expect(calls).toEqual([true, true, true, true]);
    expect((await rows(domain)).members).toHaveLength(1 + FOUR_TRIPS);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("happen once each if they arrive in the wrong order", async () => {
    const { domain, queue } = await warmed(gate(4, (commits) => commits.toReversed()));
    const results = await Promise.all(guids(FOUR_TRIPS).map((guid) => queue.submit(request(joins(guid)))));
    expect(results.map(gist)).toEqual(results.map(() => expect.objectContaining({ newMember: true })));
    expect((await rows(domain)).members).toHaveLength(1 + FOUR_TRIPS);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it.each([true, false])("happen once each if the first of them is lost on the way (done: %s)", async (done) => {
    const all = gate(4, (commits) => commits);
    let lost = 0;
    const { domain, queue } = await warmed((sql, run) =>
      all(sql, async () => {
        if (!isCommit(sql) || lost++ > 0) return run();
        if (done) await run();
        throw new Error(CONNECTION_LOST);
      }),
    );
    const results = await Promise.all(guids(FOUR_TRIPS).map((guid) => queue.submit(request(joins(guid)))));
    expect(results.map(gist)).toEqual(results.map(() => expect.objectContaining({ newMember: true })));
    expect((await rows(domain)).members).toHaveLength(1 + FOUR_TRIPS);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("are decided again if another writer lets a device leave in between: nobody gets its key alone", async () => {
    const leaver = newGuid();
    let other = false;
    const all = gate(4, (commits) => commits);
    const { domain, queue } = await warmed((sql, run) =>
      all(sql, async () => {
        if (isCommit(sql) && !other) {
          other = true;
          const elsewhere = newQueue(domain);
          await elsewhere.submit(request(joins(leaver)));
          await elsewhere.submit(request(leaves(leaver)));
        }
        return run();
      }),
    );
    const results = await Promise.all(guids(FOUR_TRIPS).map((guid) => queue.submit(request(joins(guid)))));
    expect(results.map(gist)).toEqual(results.map(() => expect.objectContaining({ newMember: true, keyVersion: 2 })));
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("let a member that does not say so be one", async () => {
    const { domain, queue } = await warmed((_, run) => run());
    const member = newGuid();
    await queue.submit(request(joins(member)));
    const [again, other] = await Promise.all([member, newGuid()].map((guid) => queue.submit(request(joins(guid)))));
    expect(again && gist(again)).toMatchObject({ newMember: false });
    expect(other && gist(other)).toMatchObject({ newMember: true });
    expect((await rows(domain)).members).toHaveLength(3);
  });
});

describe("what an operator changes in the database by hand", () => {
  it.each([
    ["authentication_required = 1", "DOM_AUTHENTICATION_REQUIRED"],
    ["max_membership = 1", "DOM_LIMIT_REACHED"],
    ["device_key_required = 1", "DEVICE_KEY_REQUIRED"],
    ["key_rollover_required = 1", { newMember: true, keyVersion: 2, credentialsAfter: 0 }],
    ["retired_up_to = 1", { newMember: true, keyVersion: 1, credentialsAfter: 1 }],
  ])("holds from the next request on: %s", async (change, expected) => {
    const { domain, queue } = await warmed((_, run) => run());
    await env.DB.prepare(`update domain_server_info set ${change} where domain = ?`).bind(domain).run();
    expect(gist(await queue.submit(request(joins(newGuid()))))).toEqual(expected);
  });
});

describe("reads and changes", () => {
  it("a renewal after a leave was answered makes the new key, however the lanes are used", async () => {
    const { domain, queue } = await warmed((_, run) => run());
    const [stays, goes] = [newGuid(), newGuid()];
    await Promise.all([stays, goes].map((guid) => queue.submit(request(joins(guid)))));
    await queue.submit(request(leaves(goes)));
    const renewal = { ...joins(stays), afterKeyVersion: 1 };
    const results = await Promise.all(Array.from({ length: 40 }, () => queue.submit(request(renewal))));
    expect(new Set(results.map((result) => JSON.stringify(gist(result)))).size).toBe(1);
    expect(results[0] && gist(results[0])).toMatchObject({ newMember: false, keyVersion: 2 });
    expect((await rows(domain)).keys).toHaveLength(2);
  });

  it("a change that waits is not kept waiting by joins that keep coming", async () => {
    const { queue } = await warmed((_, run) => run());
    const leaver = newGuid();
    await queue.submit(request(joins(leaver)));
    let left = false;
    const joining: Promise<unknown>[] = [];
    const keepComing = async (): Promise<void> => {
      if (left || joining.length > 2_000) return;
      const join = queue.submit(request(joins(newGuid())));
      joining.push(join);
      await join;
      return keepComing();
    };
    const crowd = Array.from({ length: 40 }, keepComing);
    expect(gist(await queue.submit(request(leaves(leaver))))).toEqual({ deregistered: true });
    left = true;
    await Promise.all(crowd);
    expect(joining.length).toBeLessThan(2_000);
  });
});
