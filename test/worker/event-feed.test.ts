import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { type DomainChanged, EventFeed } from "../../src/server/object/event-feed.ts";
import { newDomain, newGuid, register } from "./client.ts";

/** A queue that can go away, and the storage and alarm of an object. */
function surroundings() {
  const kept = new Map<string, unknown>();
  const sent: DomainChanged[] = [];
  const batches: number[] = [];
  const alarms: number[] = [];
  const state = { away: false };
  const queue = {
    sendBatch: async (messages: Iterable<{ body: DomainChanged }>) => {
      if (state.away) throw new Error("the queue is away");
      const bodies = [...messages].map(({ body }) => body);
      batches.push(JSON.stringify(bodies).length);
      sent.push(...bodies);
      return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
    },
  };
  const storage = {
    get: async (key: string) => kept.get(key),
    put: async (key: string, value: unknown) => void kept.set(key, value),
    setAlarm: async (time: number) => void alarms.push(time),
  } as unknown as ConstructorParameters<typeof EventFeed>[3];
  const feedOf = (domain: string) =>
    new EventFeed(domain, `https://x/domains/${domain}`, queue as never, storage, env.DB);
  return { feedOf, sent, batches, alarms, state };
}

const revisions = (sent: readonly DomainChanged[]) => sent.map(({ data }) => data.revision);

describe("a feed of events", () => {
  it("sets an alarm before a commit, and none again before that has rung", async () => {
    const { feedOf, alarms } = surroundings();
    const feed = feedOf(newDomain());
    await Promise.all([feed.expect(0), feed.expect(1)]);
    expect(alarms).toHaveLength(1);
    await feed.wake();
    await feed.expect(2);
    expect(alarms).toHaveLength(2);
  });

  it("catches up by its alarm on what could not be sent, also from another object", async () => {
    const { feedOf, sent, alarms, state } = surroundings();
    const domain = newDomain();
    const feed = feedOf(domain);
    await feed.expect(0);
    await register(domain, newGuid());
    feed.announce();
    await vi.waitFor(() => expect(revisions(sent)).toEqual([1]));

    state.away = true;
    for (let count = 0; count < 3; count++) await register(domain, newGuid());
    await feed.wake();
    expect(revisions(sent)).toEqual([1]);
    expect(alarms.length).toBeGreaterThan(1);

    state.away = false;
    await feedOf(domain).wake();
    expect(revisions(sent)).toEqual([1, 2, 3, 4]);
  });

  it("sends what an object committed that went away right after", async () => {
    const { feedOf, sent } = surroundings();
    const domain = newDomain();
    await feedOf(domain).expect(0);
    await register(domain, newGuid());
    await feedOf(domain).wake();
    expect(revisions(sent)).toEqual([1]);
  });

  it("does not tell what happened before there was a feed", async () => {
    const { feedOf, sent } = surroundings();
    const domain = newDomain();
    for (let count = 0; count < 2; count++) await register(domain, newGuid());
    const feed = feedOf(domain);
    await feed.expect(2);
    await register(domain, newGuid());
    await feed.wake();
    expect(revisions(sent)).toEqual([3]);
  });

  it("keeps to what a queue takes, and refers to the log for a commit that is too large", async () => {
    const { feedOf, sent, batches } = surroundings();
    const domain = newDomain();
    const feed = feedOf(domain);
    await feed.expect(0);
    const change = {
      type: "device-joined",
      deviceId: "d".repeat(43),
      requestId: "r".repeat(36),
      deviceKeyThumbprint: null,
    };
    const insert = env.DB.prepare(
      "insert into domain_log (domain, revision, commit_id, committed_at, changes) values (?, ?, ?, 0, ?)",
    );
    const sizes = [1, 400, 400, 400, 2_000, 1];
    await env.DB.batch(
      sizes.map((size, index) =>
        insert.bind(domain, index + 1, newGuid(), JSON.stringify(Array.from({ length: size }, () => change))),
      ),
    );
    await feed.wake();
    expect(revisions(sent)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(sent.map(({ data }) => data.changeCount)).toEqual(sizes);
    expect(sent.map(({ data }) => data.changes === null)).toEqual([false, false, false, false, true, false]);
    for (const message of sent) expect(JSON.stringify(message).length).toBeLessThan(128_000);
    for (const length of batches) expect(length).toBeLessThan(256_000);
  });
});
