import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { tryInterruptedCopies } from "./interrupted-copies.ts";
import { tryKills } from "./kills.ts";
import { ModelServer } from "./server.ts";

const KILLS = 6;
const INTERRUPTED_COPIES = 4;
const TWO_DATABASES = ["DB", "DB_2"];
const SEED = Number(process.env.SEED ?? 1);

describe("the server, killed under load and started again", () => {
  let server: ModelServer;

  beforeAll(async () => {
    server = await ModelServer.start(inject("code").real, TWO_DATABASES);
  });

  afterAll(() => server.stop());

  it(`has lost nothing that it acknowledged, ${KILLS} times over`, async () => {
    const { tried, broke } = await tryKills(server, KILLS, SEED);
    expect(broke).toEqual([]);
    expect(tried).toBe(KILLS);
  });

  it("logs no secrets", () => {
    expect(server.log.lines).toBeGreaterThan(0);
    expect(server.log.secrets).toEqual([]);
  });
});

describe("the server, killed between a commit and its copy, and started again", () => {
  let server: ModelServer;

  beforeAll(async () => {
    server = await ModelServer.start(inject("code").faultyDatabase, TWO_DATABASES);
  });

  afterAll(() => server.stop());

  it(`copies what it acknowledged though nobody asks, ${INTERRUPTED_COPIES} times over`, async () => {
    const { tried, broke } = await tryInterruptedCopies(server, INTERRUPTED_COPIES, SEED);
    expect(broke).toEqual([]);
    expect(tried).toBe(INTERRUPTED_COPIES);
  });
});
