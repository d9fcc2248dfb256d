import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { ServerName } from "./builds.ts";
import { tryHistories } from "./histories.ts";
import { ModelServer } from "./server.ts";

/** Both halves of a machine's two processors are kept busy by a server of its own. */
const SERVERS = 2;
const HISTORIES = 2_000;
/** Far more than any of the broken servers needs. */
const HISTORIES_OF_BROKEN = 320;
const SEED = Number(process.env.SEED ?? 1);

describe("the server, asked at random by 8 clients for each of many domains", () => {
  let servers: readonly ModelServer[];

  beforeAll(async () => {
    servers = await Promise.all(Array.from({ length: SERVERS }, () => ModelServer.start(inject("code").real)));
  });

  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });

  it(`answers ${HISTORIES} times in an order that the model explains, and keeps every invariant`, async () => {
    const outcomes = await Promise.all(
      servers.map((server, index) => tryHistories(server, HISTORIES / SERVERS, SEED + 1_000 * index)),
    );
    expect(outcomes.flatMap(({ broke }) => broke)).toEqual([]);
    expect(outcomes.reduce((sum, { tried }) => sum + tried, 0)).toBe(HISTORIES);
  });

  it("logs neither secrets nor failures", () => {
    for (const { log } of servers) {
      expect(log.lines).toBeGreaterThan(0);
      expect([log.secrets, log.failures]).toEqual([[], []]);
    }
  });
});

describe("a server that is broken on purpose", () => {
  it.each([
    ["without queue and fence", "noQueue"],
    ["without a fence, with two writers for each domain", "noFence"],
    ["whose previews take the device out", "previewDeletes"],
    ["that is full one device early", "limitOffByOne"],
    ["that forgets the rollover", "rolloverForgotten"],
  ] as const)("is caught: one %s", async (_, name) => {
    expect((await outcomeOf(name, HISTORIES_OF_BROKEN)).broke).not.toEqual([]);
  });

  it("is not one with two writers for each domain and a fence", async () => {
    expect((await outcomeOf("twoWriters", 64)).broke).toEqual([]);
  });
});

async function outcomeOf(name: ServerName, histories: number) {
  const server = await ModelServer.start(inject("code")[name]);
  try {
    return await tryHistories(server, histories, SEED);
  } finally {
    await server.stop();
  }
}
