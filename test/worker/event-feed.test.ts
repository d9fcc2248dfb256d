import { abortAllDurableObjects } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import type { DomainChanged } from "../../src/server/object/event-feed.ts";
import { newDomain, newGuid, register, stored } from "../support/worker/client.ts";
import {
  alarmIn,
  evict,
  executeAsBatch,
  gist,
  joins,
  objectOf,
  operators,
  runAlarm,
  setEnvironment,
} from "../support/worker/objects.ts";

const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value)).byteLength;

/** A queue that can go away, and that takes no more than Cloudflare's do. */
function newQueue() {
  const sent: DomainChanged[] = [];
  const state = { away: false, tries: 0 };
  const sendBatch = async (messages: Iterable<{ body: DomainChanged }>) => {
    state.tries++;
    if (state.away) throw new Error("the queue is away");
    const bodies = [...messages].map(({ body }) => structuredClone(body));
    if (bodies.length > 100) throw new Error("too many messages");
    if (bodies.some((body) => bytesOf(body) > 128_000)) throw new Error("a message is too large");
    if (bytesOf(bodies) > 256_000) throw new Error("the batch is too large");
    sent.push(...bodies);
    return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
  };
  return { EVENTS: { sendBatch }, sent, state };
}

const revisions = (sent: readonly DomainChanged[]) => sent.map(({ data }) => data.revision);

/** The last revision that was sent, as the object has it. */
async function published(domain: string) {
  return (await stored(domain, "select published_revision from progress"))[0]?.published_revision;
}

describe("a feed of events", () => {
  it("sends each commit, and notes its place beside the log", async () => {
    const [domain, { EVENTS, sent }] = [newDomain(), newQueue()];
    await setEnvironment(domain, { EVENTS });
    for (const revision of [1, 2, 3]) {
      await register(domain, newGuid());
      await vi.waitFor(() => expect(revisions(sent).at(-1)).toBe(revision));
      await vi.waitFor(async () => expect(await published(domain)).toBe(revision));
    }
    expect(revisions(sent)).toEqual([1, 2, 3]);
  });

  it("catches up by its alarm on what could not be sent, also from another object", async () => {
    const [domain, { EVENTS, sent, state }] = [newDomain(), newQueue()];
    await setEnvironment(domain, { EVENTS });
    await register(domain, newGuid());
    await vi.waitFor(() => expect(revisions(sent)).toEqual([1]));

    state.away = true;
    for (let count = 0; count < 3; count++) await register(domain, newGuid());
    expect(await runAlarm(domain)).toBe(true);
    expect(revisions(sent)).toEqual([1]);
    expect(await published(domain)).toBe(1);
    // It is set again, long before there is anything else to do.
    expect(await alarmIn(domain)).toBeLessThanOrEqual(30_000);

    await evict(domain);
    state.away = false;
    await setEnvironment(domain, { EVENTS });
    expect(await runAlarm(domain)).toBe(true);
    expect(revisions(sent)).toEqual([1, 2, 3, 4]);
  });

  it("sends what an object committed that went away right after", async () => {
    const [domain, { EVENTS, sent, state }] = [newDomain(), newQueue()];
    state.away = true;
    await setEnvironment(domain, { EVENTS });
    await register(domain, newGuid());
    await abortAllDurableObjects();
    state.away = false;
    await setEnvironment(domain, { EVENTS });
    expect(await runAlarm(domain)).toBe(true);
    expect(revisions(sent)).toEqual([1]);
  });

  it("does not tell what happened before there was a feed", async () => {
    const [domain, { EVENTS, sent }] = [newDomain(), newQueue()];
    for (let count = 0; count < 2; count++) await register(domain, newGuid());
    await evict(domain);
    await setEnvironment(domain, { EVENTS });
    await register(domain, newGuid());
    await vi.waitFor(() => expect(revisions(sent)).toEqual([3]));
  });

  it("keeps to what a queue takes, and refers to the log for a commit that is too large", async () => {
    const [domain, { EVENTS, sent }] = [newDomain(), newQueue()];
    await setEnvironment(domain, { EVENTS });
    await register(domain, newGuid());
    await vi.waitFor(async () => expect(await published(domain)).toBe(1));
    const joined = {
      type: "device-joined",
      deviceId: "d".repeat(43),
      requestId: "r".repeat(36),
      deviceKeyThumbprint: null,
    };
    const entries = [
      ...[1, 400, 400, 400, 2_000, 1].map((size) => Array.from({ length: size }, () => joined)),
      // 99 thousand bytes, and 120 thousand in no more than 40 thousand characters.
      [{ type: "device-banned", reason: "r".repeat(99_000) }],
      [{ type: "device-banned", reason: "€".repeat(40_000) }],
      [{ type: "device-banned", reason: "😀".repeat(24_000) }],
      [joined],
      // Many that are small in characters only.
      ...Array.from({ length: 150 }, () => [{ type: "device-banned", reason: "€".repeat(1_500) }]),
    ];
    for (const [index, changes] of entries.entries()) {
      const insert = "insert into domain_log (revision, committed_at, changes, hash, mac) values (?, 0, ?, 'hash', '')";
      await stored(domain, insert, index + 2, JSON.stringify(changes));
    }
    await runAlarm(domain);
    expect(revisions(sent)).toEqual(Array.from({ length: 1 + entries.length }, (_, index) => index + 1));
    const told = sent.slice(1).map(({ data }) => data);
    expect(told.map(({ changeCount }) => changeCount)).toEqual(entries.map(({ length }) => length));
    expect(told.map(({ changes }) => changes)).toEqual(
      entries.map((changes) => (bytesOf(changes) < 100_000 ? changes : null)),
    );
    expect(told.filter(({ changes }) => changes === null)).toHaveLength(2);
  });

  it("goes on after a commit of many bans whose reasons are in another script", async () => {
    const [domain, { EVENTS, sent }] = [newDomain(), newQueue()];
    await setEnvironment(domain, { EVENTS });
    await register(domain, newGuid());
    const bans = Array.from({ length: 120 }, () =>
      operators({ type: "ban", machineGuid: newGuid(), reason: "盗".repeat(500) }),
    );
    const outcomes = await executeAsBatch(domain, joins(newGuid()), ...bans, joins(newGuid()));
    expect(outcomes.map(gist).filter((each) => typeof each !== "object")).toEqual([]);
    await register(domain, newGuid());
    const [row] = await stored(domain, "select max(revision) as newest from domain_log");
    await vi.waitFor(() => expect(sent.at(-1)?.data.revision).toBe(row?.newest));
    expect(revisions(sent)).toEqual(Array.from({ length: Number(row?.newest) }, (_, index) => index + 1));
    expect(sent.some(({ data }) => data.changes === null && data.changeCount > 60)).toBe(true);
    expect(sent.at(-1)?.data.changes).toEqual([expect.objectContaining({ type: "device-joined" })]);
  });

  it("tells of all changes though the queue was away for a moment", async () => {
    const [domain, { EVENTS, sent, state }] = [newDomain(), newQueue()];
    let failures = 1;
    const sendBatch: typeof EVENTS.sendBatch = async (messages) => {
      if (failures-- > 0) throw new Error("the connection was lost");
      return EVENTS.sendBatch(messages);
    };
    await setEnvironment(domain, { EVENTS: { sendBatch } });
    await register(domain, newGuid());
    await vi.waitFor(() => expect(revisions(sent)).toEqual([1]));
    expect(sent[0]?.data.changes).toHaveLength(sent[0]?.data.changeCount as number);
    expect(state.tries).toBe(1);
  });

  it("tells of a commit without its changes if the queue does not take them, and goes on", async () => {
    const [domain, { EVENTS, sent, state }] = [newDomain(), newQueue()];
    const picky = {
      sendBatch: async (messages: Iterable<{ body: DomainChanged }>) => {
        const all = [...messages];
        if (JSON.stringify(all).includes("poison")) throw new Error("a message is refused");
        return EVENTS.sendBatch(all);
      },
    };
    await setEnvironment(domain, { EVENTS: picky });
    state.away = true;
    const guid = newGuid();
    await register(domain, guid);
    const ban = operators({ type: "ban", machineGuid: newGuid(), reason: "poison" });
    await objectOf(domain).execute(ban, { issuer: "https://domains.example" });
    await register(domain, newGuid());
    state.away = false;
    await runAlarm(domain);
    await vi.waitFor(() => expect(revisions(sent)).toEqual([1, 2, 3]));
    expect(sent.map(({ data }) => data.changes === null)).toEqual([false, true, false]);
    expect(sent[1]?.data.changeCount).toBe(1);
  });
});
