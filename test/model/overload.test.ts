import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { tryOverload } from "./overload.ts";
import { ModelServer } from "./server.ts";

describe("the server, asked for five times what it serves", () => {
  let server: ModelServer;

  beforeAll(async () => {
    server = await ModelServer.start(inject("code").real);
  });

  afterAll(() => server.stop());

  it("completes what it takes on, refuses the rest for now, and does nothing else", async () => {
    const { tried, broke } = await tryOverload(server, 1, false);
    expect(broke).toEqual([]);
    expect(tried).toBeGreaterThan(0);
  });

  it("logs neither secrets nor failures", () => {
    expect([server.log.secrets, server.log.failures]).toEqual([[], []]);
  });
});
