import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { configure, deregister, invariantViolations, newDomain, newGuid, register, rows } from "./client.ts";
import { faultyDatabase } from "./faulty-database.ts";
import { joins, newQueue, request } from "./writers.ts";

const guids = (count: number) => Array.from({ length: count }, newGuid);
const statuses = (answers: readonly { status: number }[], status: number) =>
  answers.filter((answer) => answer.status === status).length;

describe("200 requests at once", () => {
  it("from 200 machines to a newborn domain: 200 members, one key, few commits", async () => {
    const domain = newDomain();
    const answers = await Promise.all(guids(200).map((guid) => register(domain, guid)));
    expect(statuses(answers, 201)).toBe(200);
    expect(new Set(answers.map(({ body }) => body.keyVersion))).toEqual(new Set([1]));
    expect(new Set(answers.map(({ body }) => body.credentials[0].privateKey.d)).size).toBe(1);
    const { members, keys, log } = await rows(domain);
    expect(members).toHaveLength(200);
    expect(keys).toHaveLength(1);
    expect(log.length).toBeLessThan(20);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("from one machine: one membership and one 201", async () => {
    const domain = newDomain();
    const guid = newGuid();
    const answers = await Promise.all(Array.from({ length: 200 }, () => register(domain, guid)));
    expect(statuses(answers, 201)).toBe(1);
    expect(statuses(answers, 200)).toBe(199);
    expect((await rows(domain)).members).toHaveLength(1);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("from 200 machines to a domain with a maximum of 50: 50 get in, 150 do not", async () => {
    const domain = newDomain();
    await configure(domain, { maxMembership: 50 });
    const answers = await Promise.all(guids(200).map((guid) => register(domain, guid)));
    expect(statuses(answers, 201)).toBe(50);
    expect(answers.filter(({ body }) => body.code === 502)).toHaveLength(150);
    expect((await rows(domain)).members).toHaveLength(50);
    expect(await invariantViolations(domain)).toEqual([]);
  });

  it("to leave, from one machine: one 200, the others denied", async () => {
    const domain = newDomain();
    const guid = newGuid();
    await register(domain, guid);
    const answers = await Promise.all(Array.from({ length: 200 }, () => deregister(domain, guid)));
    expect(statuses(answers, 200)).toBe(1);
    expect(statuses(answers, 403)).toBe(199);
    expect(await invariantViolations(domain)).toEqual([]);
  });
});

describe("a group", () => {
  it("takes the same number of statements however many devices are in it", async () => {
    const domain = newDomain();
    await register(domain, newGuid());
    const one = await statementsOf(domain, 1);
    const many = await statementsOf(domain, 500);
    expect(many).toEqual(one);
  });
});

/** The statements that `count` machines take to join together, call by call. */
async function statementsOf(domain: string, count: number): Promise<number[]> {
  const calls: number[] = [];
  const watched = faultyDatabase(env.DB, (sql, run) => {
    calls.push(sql.length);
    return run();
  });
  const queue = newQueue(domain, watched);
  // The first one opens the queue and goes alone; what counts is the group that gathers behind it.
  const first = queue.submit(request(joins(newGuid())));
  const rest = guids(count).map((guid) => queue.submit(request(joins(guid))));
  await first;
  calls.length = 0;
  await Promise.all(rest);
  return calls;
}
