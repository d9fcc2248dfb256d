import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { Connection } from "../support/node/connection.ts";
import { tryInputs } from "./inputs.ts";
import { ModelServer } from "./server.ts";

const INPUTS = 5_000;
const SEED = Number(process.env.SEED ?? 1);

describe("the server, sent requests that are wrong in every way", () => {
  let server: ModelServer;

  beforeAll(async () => {
    server = await ModelServer.start(inject("code").real);
  });

  afterAll(() => server.stop());

  it(`never fails, says no secret, and changes nothing for what it refuses, of ${INPUTS}`, async () => {
    const { tried, broke } = await tryInputs(server, INPUTS, SEED);
    expect(broke).toEqual([]);
    expect(tried).toBeGreaterThanOrEqual(INPUTS);
  });

  it("logs neither secrets nor failures", () => {
    expect(server.log.lines).toBeGreaterThan(0);
    expect([server.log.secrets, server.log.failures]).toEqual([[], []]);
  });

  it.each(["a b", "[", "a@b:99999", "%"])("names the host as what is wrong, if it is %j", async (host) => {
    const connection = new Connection(server.origin);
    const path = "/domains/den/register";
    const answer = await connection.ask("POST", path, { host, "content-type": "application/json" }, "{}");
    connection.close();
    expect(answer.status).toBe(400);
  });
});
