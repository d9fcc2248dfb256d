import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EmbeddedServer, startEmbeddedServer } from "../support/node/embedded-server.ts";

let server: EmbeddedServer;
beforeAll(async () => {
  server = await startEmbeddedServer({ withQueue: true });
});
afterAll(() => server?.stop());

type Event = { subject: string; id: string; data: { revision: number; changes: { type: string }[]; hash: string } };

async function register(domain: string, machineGuid: string): Promise<void> {
  const response = await fetch(`${server.url}/domains/${domain}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ machineGuid }),
  });
  expect(response.ok).toBe(true);
  await response.arrayBuffer();
}

/** Waits until a domain's events go up to a revision. */
async function eventsUpTo(domain: string, revision: number): Promise<Event[]> {
  for (;;) {
    const events = ((await server.messages()) as Event[]).filter(({ subject }) => subject === domain);
    if (events.some(({ data }) => data.revision === revision)) return events;
    await delay(50);
  }
}

describe("events", () => {
  it("tell of every commit once, in order, as CloudEvents", async () => {
    const domain = `told-${randomUUID()}`;
    const guids = Array.from({ length: 30 }, () => randomUUID());
    for (const guid of guids) await register(domain, guid);
    const events = await eventsUpTo(domain, 30);
    expect(events.map(({ data }) => data.revision)).toEqual(guids.map((_, index) => index + 1));
    expect(events[0]).toMatchObject({
      specversion: "1.0",
      id: `${domain}/1`,
      source: `https://domains.example/domains/${domain}`,
      type: "device-domains.domain.changed",
      datacontenttype: "application/json",
      sequence: "000000000001",
      data: { changes: [{ type: "domain-created" }, { type: "device-joined" }, { type: "key-made" }] },
    });
    const logged = await server.stored<{ hash: string }>(domain, "select hash from domain_log order by revision");
    expect(events.map(({ data }) => data.hash)).toEqual(logged.map(({ hash }) => hash));
    expect(JSON.stringify(events)).not.toMatch(new RegExp(guids.join("|")));
  });

  it("miss none of many that are made at once", async () => {
    const domain = `rushed-${randomUUID()}`;
    await Promise.all(Array.from({ length: 200 }, () => register(domain, randomUUID())));
    const [last] = await server.stored<{ revision: number }>(
      domain,
      "select max(revision) as revision from domain_log",
    );
    const events = await eventsUpTo(domain, last?.revision as number);
    const revisions = events.map(({ data }) => data.revision);
    expect(revisions).toEqual(Array.from({ length: last?.revision as number }, (_, index) => index + 1));
    const joined = events.flatMap(({ data }) => data.changes).filter(({ type }) => type === "device-joined");
    expect(joined).toHaveLength(200);
  });
});
