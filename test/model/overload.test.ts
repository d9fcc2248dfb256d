import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { tryCrowd, tryOverload } from "./overload.ts";
import { ModelServer } from "./server.ts";

const SERVERS = ["real", "slowCommits"] as const;

describe.each(SERVERS)("the server (%s), asked for five times what it serves", (name) => {
  let server: ModelServer;

  beforeAll(async () => {
    server = await ModelServer.start(inject("code")[name]);
  });

  afterAll(() => server.stop());

  it("completes what it takes on, refuses the rest for now, and does nothing else", async () => {
    const { tried, broke } = await tryOverload(server, 2, {
      connections: 4_000,
      queued: name === "slowCommits",
      timed: false,
    });
    expect(broke).toEqual([]);
    expect(tried).toBeGreaterThan(0);
  });

  it("logs neither secrets nor failures", () => {
    expect([server.log.secrets, server.log.failures]).toEqual([[], []]);
  });
});

describe("the server, its disk late, asked for twice what its queue holds", () => {
  let server: ModelServer;

  beforeAll(async () => {
    server = await ModelServer.start(inject("code").lateCommits);
  });

  afterAll(() => server.stop());

  it("refuses at once what its queue has no room for, and completes the rest", async () => {
    const { tried, broke } = await tryCrowd(server);
    expect(broke).toEqual([]);
    expect(tried).toBeGreaterThan(0);
  });
});
