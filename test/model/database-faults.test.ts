import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { DATABASE_FAULTS, tryDatabaseFault } from "./database-faults.ts";
import { ModelServer } from "./server.ts";

const HISTORIES = 16;
const TWO_DATABASES = ["DB", "DB_2"];
const SEED = Number(process.env.SEED ?? 1);

describe("the server, with something wrong with D1", () => {
  let server: ModelServer;

  beforeAll(async () => {
    server = await ModelServer.start(inject("code").faultyDatabase, TWO_DATABASES);
  });

  afterAll(() => server.stop());

  it.each(DATABASE_FAULTS)("answers as ever while D1 is %s, and has it catch up afterwards", async (fault) => {
    const { tried, broke } = await tryDatabaseFault(server, fault, HISTORIES, SEED);
    expect(broke).toEqual([]);
    expect(tried).toBe(HISTORIES);
  });

  it("logs no secrets", () => {
    expect(server.log.lines).toBeGreaterThan(0);
    expect(server.log.secrets).toEqual([]);
  });
});
